"""A web server on 127.0.0.1 that goes wrong in the ways real ones do."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from loopback import skip_without_loopback


class UnreliableServer(ThreadingHTTPServer):
    """Serves `content` under every file name; the first part of the path says how it behaves.

    good: all of it, and the rest of it when asked by Range. whole: ignores Range. truncate: closes
    after `until` bytes from where it started. stall: falls silent there. hold: waits there until
    `released` is set. drip: sends a little at a
    time. corrupt: bytes turned round. short: another, shorter file. missing: 404. elsewhere:
    answers a Range with another part. nolength: all of it, without saying how much that is.
    vanish: closes there, and the server is gone.
    """

    daemon_threads = True

    def __init__(self, content: bytes, until: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.until = content, until
        self.requests: list[tuple[str, str | None]] = []  # path and Range of each request
        self.requested, self.released = threading.Event(), threading.Event()

    def address(self, behaviour: str, file: str = "file.bin") -> str:
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/{file}"

    def behaviours(self) -> list[str]:
        return [path.split("/")[1] for path, _ in self.requests]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path, wanted))
        self.server.requested.set()
        behaviour = self.path.split("/")[1]
        if behaviour == "missing":
            self.send_error(404)
            return
        content = self.server.content
        if behaviour == "corrupt":
            content = content[::-1]
        if behaviour == "short":
            content = content[: len(content) // 2]
        start = 0
        if wanted and behaviour != "whole":
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if start >= len(content):
                self.send_error(416)
                return
        self._answer(behaviour, content, start)

    def _answer(self, behaviour: str, content: bytes, start: int) -> None:
        self.send_response(206 if start else 200)
        if start:
            first = start + 1 if behaviour == "elsewhere" else start
            span = f"bytes {first}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", span)
        if behaviour != "nolength":
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if behaviour == "drip":
            for position in range(start, len(content), 10):
                self.wfile.write(content[position : position + 10])
                if self.server.released.wait(0.02):
                    return
        if behaviour == "hold":
            self.wfile.write(content[start : start + self.server.until])
            self.server.released.wait(60)
            start += self.server.until
        partly = behaviour in ("truncate", "stall", "vanish")
        end = start + self.server.until if partly else len(content)
        self.wfile.write(content[start:end])
        self.wfile.flush()
        if behaviour == "stall":
            self.server.released.wait(30)
        if behaviour == "vanish":
            self.server.socket.close()


@contextmanager
def serving(content: bytes, until: int | None = None):
    """Run an UnreliableServer for the time of a with block; `until` defaults to half."""
    server = UnreliableServer(content, len(content) // 2 if until is None else until)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        skip_without_loopback(server.server_port)
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
