"""The page's server: for this machine and this page only. Nothing is written to the disk.

It listens on 127.0.0.1, where no other machine reaches it. A web page from elsewhere that is open
in the same browser could still send requests: those with another Host or Origin are refused.
"""

from __future__ import annotations

import base64
import io
import json
import random
import sys
import threading
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from .networks import Asked, as_image
from .reading import MOST_BYTES, BadFile, read_picture, too_large

PAGE = Path(__file__).with_name("page")
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
HOSTS = ("127.0.0.1", "localhost")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
MOST_THROWN_AWAY = 1_000_000_000  # bytes of a file that is too large: then the connection ends
PART = 1 << 20


class AppServer(ThreadingHTTPServer):
    """Serves the page, and answers for these networks.

    Args:
        networks: what may be asked, by name; the page offers them in this order.
        missing: what cannot be asked on this machine, by name, and how to change that.
        port: 0 takes any that is free.

    Raises:
        OSError: the port is taken.
    """

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # there, two programs would share the port

    def __init__(
        self, networks: Mapping[str, Asked], missing: Mapping[str, str] | None = None, port: int = 0
    ) -> None:
        self.networks, self.missing = networks, missing or {}
        self.lock = threading.Lock()  # one picture at a time: a large one takes much memory
        super().__init__((HOSTS[0], port), Handler)

    @property
    def address(self) -> str:
        """Where a browser finds the page."""
        return f"http://{HOSTS[0]}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away, for example because its page was closed."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def offered(self) -> list[dict[str, Any]]:
        """Return what the page tells of each network."""
        return [
            {"name": name, "about": asked.about, "has_examples": asked.examples is not None}
            for name, asked in self.networks.items()
        ] + [{"name": name, "missing": remedy} for name, remedy in self.missing.items()]

    def answer(self, name: str, content: bytes) -> dict[str, Any]:
        """Return what the page shows about the picture in a file, or what is wrong with the file.

        Raises:
            KeyError: no network has this name.
        """
        asked = self.networks[name]
        try:
            with self.lock:
                picture = read_picture(content, asked.source.image_size)
                answer = asked.answer(picture.image)
        except BadFile as problem:
            return {"problem": str(problem)}
        return {
            "is_known": answer.is_known,
            "why": asked.rule.explained(answer.score),
            "remark": picture.remark,
            "size": asked.source.image_size,
            "seen": as_address(picture.image),
            "classes": [dict(name=name, probability=p) for name, p in answer.classes],
            "training_images": len(asked.training) if asked.training else 0,
            "neighbours": [
                dict(name=near.name, similarity=near.similarity, image=as_address(near.image))
                for near in answer.neighbours
            ],
        }

    def example(self, name: str) -> bytes:
        """Return a test image of a network, drawn at random, as PNG; nothing if it has none."""
        asked = self.networks.get(name)
        if asked is None or asked.examples is None:
            return b""
        images = asked.examples.images
        return as_png(as_image(images[random.randrange(len(images))]))


class Handler(BaseHTTPRequestHandler):
    """One request. What a person sent wrongly is an answer; what a program did, a status."""

    server: AppServer
    timeout = 60  # seconds without a byte
    server_version, sys_version = "course_utils", ""

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: the command line is no place for each request."""

    def do_GET(self) -> None:
        """Send a file of the page, the list of networks, or a test image."""
        path, name = self._asked()
        if not self._is_from_here():
            self._refuse()
        elif path in FILES:
            file, kind = FILES[path]
            self._send((PAGE / file).read_bytes(), kind)
        elif path == "/networks":
            self._send_json(self.server.offered())
        elif path == "/example" and (example := self.server.example(name)):
            self._send(example, "image/png")
        else:
            self._refuse()

    def do_POST(self) -> None:
        """Answer for a file that was sent as it is."""
        path, name = self._asked()
        text = self.headers.get("Content-Length", "")
        if not text.isdecimal():
            self._fail(HTTPStatus.LENGTH_REQUIRED, "say how long the file is")
            return
        length = int(text)
        is_asked = self._is_from_here() and path == "/answer" and name in self.server.networks
        if is_asked and length <= MOST_BYTES:
            self._answer(name, length)
            return
        self._throw_away(length)
        if is_asked:
            self._send_json({"problem": too_large(length)})
        else:
            self._refuse()

    def _answer(self, name: str, length: int) -> None:
        content = self.rfile.read(length)
        if len(content) < length:
            self._fail(HTTPStatus.BAD_REQUEST, "the file did not come to its end")
            return
        try:
            answer = self.server.answer(name, content)
        except Exception:  # whatever one file does, the next one gets its answer
            traceback.print_exc()
            self._fail(HTTPStatus.INTERNAL_SERVER_ERROR, "the program failed")
            return
        self._send_json(answer)

    def _asked(self) -> tuple[str, str]:
        """The path, and the network's name in the query."""
        address = urlsplit(self.path)
        return address.path, parse_qs(address.query).get("network", [""])[0]

    def _is_from_here(self) -> bool:
        host = self.headers.get("Host", "")
        origin = self.headers.get("Origin", f"http://{host}")
        # Any port will do: it may be forwarded from another machine.
        return host.partition(":")[0] in HOSTS and origin == f"http://{host}"

    def _refuse(self) -> None:
        if self._is_from_here():
            self._fail(HTTPStatus.NOT_FOUND, "there is nothing here")
        else:
            self._fail(HTTPStatus.FORBIDDEN, "only the page itself, on this machine, may ask")

    def _throw_away(self, length: int) -> None:
        """Read what was sent: a browser hears no answer before it has sent everything."""
        left = min(length, MOST_THROWN_AWAY)
        while left > 0 and (part := self.rfile.read(min(PART, left))):
            left -= len(part)

    def _send_json(self, value: Any) -> None:
        self._send(json.dumps(value).encode(), "application/json")

    def _fail(self, status: HTTPStatus, reason: str) -> None:
        self._send(f"{reason}\n".encode(), "text/plain; charset=utf-8", status)

    def _send(self, content: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **HEADERS}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def as_png(image: Image.Image) -> bytes:
    """Return an image as the content of a PNG file."""
    stored = io.BytesIO()
    image.save(stored, "PNG")
    return stored.getvalue()


def as_address(image: Image.Image) -> str:
    """Return an image as an address that holds all of it, for the page."""
    return "data:image/png;base64," + base64.b64encode(as_png(image)).decode("ascii")
