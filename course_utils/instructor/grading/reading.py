"""What was handed in, read by a clerk: a file that stalls or breaks it costs that file alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from .clerk import Clerk, Ended, Stopped
from .intake import readable
from .submission import Submission


def read_submissions(paths: Iterable[Path], clerk: Clerk) -> Iterator[Submission]:
    """Yield what is handed in at ``paths``: notebooks, zips of them, folders of both.

    Raises:
        FileNotFoundError: one of the paths does not exist.
    """
    found: dict[str, Submission] = {}
    for path in sorted(set(paths)):
        if not path.exists():
            raise FileNotFoundError(f"there is no {path}")
        for submission in _read(path.absolute(), clerk):
            name, number = submission.file, 2
            while name in found:
                name, number = f"{submission.file} ({number})", number + 1
            found[name] = replace(submission, file=name)
    yield from found.values()


def _read(path: Path, clerk: Clerk) -> Iterator[Submission]:
    """Yield the submissions of one path; after one that cannot be read the next clerk goes on."""
    count = 0
    broken: list[str] = []
    while True:
        try:
            for text in clerk.ask("read", str(path), count, broken):
                yield Submission.from_json(text)
                count += 1
            return
        except (Stopped, Ended) as problem:
            name = clerk.phase.removeprefix("reading").strip()
            yield Submission(name or readable(path.name), reason=str(problem))
            if not name:  # it stopped before it came to one
                return
            if name.lower().endswith(".zip"):
                broken.append(name)
            else:
                count += 1
