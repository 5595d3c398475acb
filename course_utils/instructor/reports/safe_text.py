"""Text from submissions, made fit to be shown or to name a file: all of it can be hostile."""

from __future__ import annotations

import hashlib
import re
import unicodedata

# What has no place in a file of text, or lets text show otherwise than it reads: control
# characters, halves of surrogate pairs, non-characters, and overrides of the writing direction.
UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + "".join(chr(plane * 0x10000 + end) for plane in range(1, 17) for end in (0xFFFE, 0xFFFF))
    + "]"
)

# Names that are the same file on no system, and that Windows allows, stay as they are.
SIMPLE = re.compile(r"(?!(?:con|prn|aux|nul|com\d|lpt\d)$)[a-z0-9]+(?:[_-][a-z0-9]+)*")


def visible(text: str) -> str:
    """Return text whose unfit characters are written as escapes; its lines end with a newline."""
    if text.isprintable():
        return text
    return UNFIT.sub(_escape, text.replace("\r\n", "\n").replace("\r", "\n"))


def _escape(match: re.Match) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def clipped(text: str, limit: int) -> str:
    """Return at most ``limit`` characters; what is cut is said."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]} … ({len(text) - limit:,} more characters)"


def one_line(text: str, limit: int = 500) -> str:
    """Return text as one line of at most about ``limit`` characters."""
    return " ".join(visible(clipped(text, limit)).split())


def feedback_path(key: str, name: str = "") -> str:
    """Return where the page of a student is, seen from the folder of the results.

    The file is called as the student's key where that is a simple name (``alice``, ``s-123``). Any
    other gets a code, so that no two students ever share a file.
    """
    if len(key) <= 60 and SIMPLE.fullmatch(key):
        return f"feedback/{key}.html"
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", name or key))
    readable = "-".join(words)[:30] or "student"
    code = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"feedback/{readable}--{code}.html"
