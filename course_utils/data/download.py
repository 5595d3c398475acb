"""Downloads that end with the right file, or with one error that says what to do."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from ..runtime import progress

TIMEOUT = 15.0  # seconds without a connection or without a byte
LONGEST = 900.0  # seconds that a download may take in all
BLOCK = 1 << 16


class DownloadError(RuntimeError):
    """No source delivered the file. The message has each one's problem and the remedy."""


class _Unusable(Exception):
    """This source does not have the right file, or is too slow: it is not asked again."""


class _Interrupted(Exception):
    """This source stopped in the middle: it may be asked for the rest."""


@dataclass(frozen=True)
class Source:
    """One address of a file.

    Attributes:
        url: the address.
        checksum: "md5:...", "sha1:..." or "sha256:..." of the file.
        size: its bytes, where known; a source that announces another size is left before anything
            is transferred.
    """

    url: str
    checksum: str
    size: int | None = None

    def part(self, target: Path) -> Path:
        """Return where the file's beginning is kept; sources of the same file share it."""
        return target.with_name(f"{target.name}.{self.checksum[-8:]}.part")


def file_checksum(path: Path, algorithm: str) -> str:
    """Return the file's checksum as "algorithm:hexadecimal digits"."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return f"{algorithm}:{digest.hexdigest()}"


def download(
    sources: Sequence[Source],
    target: Path,
    *,
    remedy: str = "",
    timeout: float = TIMEOUT,
    longest: float = LONGEST,
) -> Path:
    """Make sure that the file `target` is there, from the first source that delivers it.

    What arrives is kept in a .part file, so that the next source, or the next call, continues
    where the last one stopped. Only a complete file with the right checksum gets the name
    `target`, in one step. Processes that ask at the same time wait for the first of them. The
    environment variable COURSE_MIRROR gives the address of a folder that is tried before all; it
    must hold the official file, the one of the last source.

    Args:
        sources: where it can be had, the best first and the official one last.
        target: where it goes.
        remedy: how the error ends when every source failed.
        timeout: seconds without a connection or a byte after which a source is left.
        longest: a source is also left when its speed, measured for `timeout`, would take more
            seconds than this.

    Raises:
        DownloadError: every source failed, or the folder cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target):
            if not target.exists():
                sources = [*_own_mirror(sources[-1], target.name), *sources]
                _from_any(sources, target, remedy, timeout, longest)
                for part in {source.part(target) for source in sources}:
                    part.unlink(missing_ok=True)
    except (OSError, NotImplementedError) as problem:  # what a server does wrong is caught below
        reason = getattr(problem, "strerror", None) or problem
        raise DownloadError(
            f"{target.parent} cannot be written ({reason}): "
            "set COURSE_CACHE to a folder that can be written and has room."
        ) from None
    return target


def _locked(target: Path) -> AbstractContextManager:
    lock = FileLock(target.with_name(f"{target.name}.lock"))
    try:
        return lock.acquire(timeout=0.5)
    except Timeout:
        print(f"Another process is downloading {target.name}: waiting for it.")
        return lock.acquire()


def _own_mirror(official: Source, file_name: str) -> list[Source]:
    base = os.environ.get("COURSE_MIRROR")
    if not base:
        return []
    if urlsplit(base).scheme not in ("http", "https"):
        raise ValueError(f"COURSE_MIRROR={base!r} must start with http:// or https://")
    return [Source(f"{base.rstrip('/')}/{file_name}", official.checksum, official.size)]


def _from_any(
    sources: list[Source], target: Path, remedy: str, timeout: float, longest: float
) -> None:
    """Try the sources in turn, and again as long as a round brings the file further."""
    problems: dict[str, str] = {}
    had, have = -1, 0
    while sources and have > had:
        for source in list(sources):
            try:
                _fetch(source, source.part(target), timeout, longest)
                os.replace(source.part(target), target)
                return
            except _Interrupted as problem:
                problems[source.url] = str(problem)
            except _Unusable as problem:
                problems[source.url] = str(problem)
                sources.remove(source)
        had, have = have, sum(_size(path) for path in {s.part(target) for s in sources})
    lines = [f"  {url}: {problem}" for url, problem in problems.items()]
    raise DownloadError("\n".join([f"{target.name} could not be downloaded.", *lines, remedy]))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _fetch(source: Source, part: Path, timeout: float, longest: float) -> None:
    """Complete `part` from this source, or raise _Interrupted or _Unusable."""
    resumed = _size(part)
    if not resumed or resumed != source.size:
        with _talking():
            response = _open(source, resumed, timeout)
        if response is not None:
            with response:
                start, total = _announced(response, source, resumed)
                _receive(response, part, start, total, timeout, longest)
    if file_checksum(part, source.checksum.split(":")[0]) != source.checksum:
        part.unlink()
        if not resumed:
            raise _Unusable("the file has a wrong checksum")
        _fetch(source, part, timeout, longest)  # the beginning may be another server's fault


@contextmanager
def _talking() -> Iterator[None]:
    """Blame the server for what goes wrong here: libraries raise errors of many kinds for that.

    Nothing here touches the disk; its errors are the disk's, and go on as they are.
    """
    try:
        yield
    except _Unusable:
        raise
    except Exception as problem:
        reason = getattr(problem, "reason", None) or problem
        raise _Interrupted(str(reason) or type(problem).__name__) from None


def _open(source: Source, start: int, timeout: float) -> http.client.HTTPResponse | None:
    """Ask for the file from `start` on. None: nothing follows, as when all of it is there."""
    headers = {"User-Agent": "course_utils", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(source.url, headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=timeout, context=_certificates())
    except urllib.error.HTTPError as problem:
        problem.close()
        if problem.code == 416 and start:  # the checksum will tell whether it is all
            return None
        raise _Unusable(f"the server answers {problem.code} {problem.reason}") from None


@cache
def _certificates() -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        import certifi  # python.org's builds for macOS bring no certificates of their own
    except ImportError:
        return context
    context.load_verify_locations(certifi.where())
    return context


def _announced(
    response: http.client.HTTPResponse, source: Source, start: int
) -> tuple[int, int | None]:
    """Return where this answer starts in the file and how long the whole file is, if it says so."""
    total: int | None
    if response.status == 206:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        if span is None or int(span[1]) != start:
            raise _Unusable("the server sends another part than the one asked for")
        total = int(span[2])
    else:  # the server ignores Range and sends all of it
        start = 0
        length = response.headers.get("Content-Length")
        total = int(length) if length and length.isdecimal() else None
    if source.size and total and total != source.size:
        raise _Unusable(f"its file has {total:,} bytes, not {source.size:,}")
    return start, total


def _block(response: http.client.HTTPResponse) -> bytes:
    with _talking():
        return response.read1(BLOCK)


def _receive(
    response: http.client.HTTPResponse,
    part: Path,
    start: int,
    total: int | None,
    timeout: float,
    longest: float,
) -> None:
    began, have = time.monotonic(), start
    description = Path(urlsplit(response.url).path).name
    bar = progress(total=total, description=description, unit="B")
    with part.open("r+b" if start else "wb") as file, bar:
        file.seek(start)
        bar.update(start)
        while block := _block(response):
            file.write(block)
            have += len(block)
            bar.update(len(block))
            seconds = time.monotonic() - began
            if total and seconds > timeout and (total - start) * seconds > longest * (have - start):
                minutes = (total - start) * seconds / (have - start) / 60
                raise _Unusable(f"too slow: it would take {minutes:.0f} minutes")
        file.truncate()
    if total and have != total:
        raise _Interrupted(f"the connection closed after {have:,} of {total:,} bytes")
