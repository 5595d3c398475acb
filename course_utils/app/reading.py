"""What somebody uploads: a picture, or one sentence that says what to do next."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..data.pictures import Refused, as_seen, remark

if TYPE_CHECKING:
    from PIL import Image

MOST_BYTES = 20_000_000
MOST_PIXELS = 64_000_000  # a phone's 50 million pass; to read 64 million takes up to 0.8 GB
# Pillow reads more, some with the help of other programs: a file from outside may not choose those.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
SMALLER = "Make it smaller, for example 2000 pixels wide, and choose it again."


class BadFile(ValueError):
    """This file gives no answer. The message is for the person who chose it."""


@dataclass(frozen=True)
class Picture:
    """A picture as people see it: in RGB, upright, what is transparent on white.

    Attributes:
        image: its middle square, scaled.
        remark: what was changed to read it, in a sentence; empty if nothing was.
    """

    image: Image.Image
    remark: str


def read_picture(content: bytes, size: int) -> Picture:
    """Return the middle square of a picture, scaled to size × size pixels.

    Of an animation the first frame is taken. Nothing is written to the disk.

    Raises:
        BadFile: it is no picture, is damaged, or is too large.

    Example:
        >>> from pathlib import Path
        >>> from course_utils.runtime import project_root
        >>> content = (project_root() / "data" / "photograph_china.png").read_bytes()
        >>> read_picture(content, 32).image.size
        (32, 32)
    """
    from PIL import Image, UnidentifiedImageError

    if not content:
        raise BadFile("The file is empty. Save the picture again, or choose another file.")
    if len(content) > MOST_BYTES:
        raise BadFile(too_large(len(content)))
    try:
        return _picture(content, size)
    except BadFile:
        raise
    except UnidentifiedImageError:
        raise BadFile(_no_picture(content)) from None
    except Refused as refusal:
        raise BadFile(f"The picture {refusal}.") from None
    except Image.DecompressionBombError:
        raise BadFile(f"The picture has too many pixels. {SMALLER}") from None
    except Exception:  # on damaged files Pillow raises whatever it stumbles over
        text = "The picture is damaged: it cannot be read to its end. Copy or download it again."
        raise BadFile(text) from None


def too_large(count: int) -> str:
    """Return what to say about a file of so many bytes."""
    most = f"at most {MOST_BYTES / 1e6:.0f} MB are taken"
    return f"The file has {count / 1e6:.0f} MB; {most}. {SMALLER}"


def _picture(content: bytes, size: int) -> Picture:
    from PIL import Image, ImageOps

    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]  # an older Pillow has no AVIF
    with warnings.catch_warnings():
        # Pillow warns of what has many pixels before they can be counted here.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        opened = Image.open(io.BytesIO(content), formats=formats)
    with opened as image:
        width, height = image.size
        if width * height > MOST_PIXELS:
            most = f"at most {MOST_PIXELS / 1e6:.0f} million pixels are taken"
            raise BadFile(f"The picture has {width} × {height} pixels; {most}. {SMALLER}")
        # A large JPEG may be decoded at a fraction of its size: several times faster.
        image.draft("RGB", (2 * size, 2 * size))
        square = ImageOps.fit(as_seen(image), (size, size), Image.Resampling.BICUBIC)
        changed = remark(image)
    return Picture(square, f"The picture {changed}." if changed else "")


def _no_picture(content: bytes) -> str:
    """What to say about a file that Pillow does not take for a picture."""
    if content[4:8] == b"ftyp" and content[8:12] in (b"heic", b"heix", b"mif1", b"msf1"):
        return "This is a HEIC picture of a phone, which cannot be read here. Save it as JPEG."
    return "This file is no picture, whatever its name says. Choose a JPEG, PNG, WebP or GIF."
