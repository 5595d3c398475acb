"""One image file: its pixels as people see them, in 8 bits, or the reason why it has none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

# Names that promise an image: such a file is an error if it cannot be read. The content of any
# other file decides.
SUFFIXES = {
    *(".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg"),
    *(".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"),
}
READ_AS = "it is read as RGB: see how it looks"
REMARKS = {
    "1": f"is black and white; {READ_AS}",
    "L": f"is grey; {READ_AS}",
    "P": f"is of 256 colours (a palette); {READ_AS}",
    "CMYK": f"is in CMYK, the colours of printing; {READ_AS}",
    "F": "is grey in floats; 0 is read as black and 1 as white: see how it looks",
    "I": f"is grey with 16 bits; {READ_AS}",
}
ORIENTATION = 0x0112  # of EXIF: how the camera was held
TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
BITS, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0  # of TIFF


class Unreadable(ValueError):
    """This file gives no pixels. `told` says why and what to do, without the file's name."""

    def __init__(self, file: Path, reason: str, told: str) -> None:
        super().__init__(f"{file} {reason}")
        self.told = told


class Refused(Exception):
    """The file can be read, but not which numbers are black and white."""


def is_picture(file: Path) -> bool:
    """Return whether a file's name promises an image or, for any other name, its content is one."""
    if not file.is_file():
        return False
    if file.suffix.lower() in SUFFIXES:
        return True
    try:
        pixels(file, 1)
    except Unreadable:
        return False
    return True


def pixels(file: Path, size: int) -> np.ndarray:
    """Return an image's middle square, scaled: uint8 (3, size, size), red, green and blue.

    It is turned as its camera was held. What is transparent shows white. Of an animation the
    first frame is taken. Grey of 16 bits is divided by 257, grey in floats from 0 to 1 is
    multiplied by 255, and colours of 16 bits keep their upper 8.

    Raises:
        Unreadable: the file is no image or is damaged, or it holds whole numbers of 32 bits or
            floats beyond 0 to 1, for which no rule says what is white.
    """
    from PIL import Image, ImageOps

    with _opened(file) as image:
        # A large JPEG may be decoded at a fraction of its size: several times faster.
        image.draft("RGB", (2 * size, 2 * size))
        seen = as_seen(image)
        if seen.size != (size, size):
            seen = ImageOps.fit(seen, (size, size), Image.Resampling.BILINEAR)
        return np.asarray(seen).transpose(2, 0, 1)


def picture_problem(file: Path) -> str:
    """Return what to know about this file before training; empty if it is an image in RGB."""
    try:
        pixels(file, 8)
        with _opened(file) as image:
            return remark(image)
    except Unreadable as problem:
        return problem.told


@contextmanager
def _opened(file: Path) -> Iterator[Image.Image]:
    from PIL import Image

    try:
        with Image.open(file) as image:
            yield image
    except Refused as refusal:
        raise Unreadable(file, str(refusal), str(refusal)) from None
    except Exception as problem:  # on damaged files Pillow raises whatever it stumbles over
        kind = type(problem).__name__
        reason = f"cannot be read as an image ({str(problem) or kind}): mend it or remove it"
        told = f"cannot be read as an image ({kind}); remove it"
        raise Unreadable(file, reason, told) from None


def as_seen(image: Image.Image) -> Image.Image:
    """Return an open image as people see it: in RGB, upright, on white.

    Raises:
        Refused: nothing says which of its numbers are black and white.
        Exception: the image is damaged; Pillow raises whatever it stumbles over.
    """
    from PIL import Image

    image.load()
    turn = TURNS.get(_orientation(image) or 1)
    upright = image.transpose(Image.Transpose[turn]) if turn else image
    if image.mode[0] in "IF":
        return Image.fromarray(_eight_bits(image, np.asarray(upright))).convert("RGB")
    if not _is_transparent(image):
        return upright.convert("RGB")
    page = Image.new("RGBA", upright.size, "white")
    return Image.alpha_composite(page, upright.convert("RGBA")).convert("RGB")


def _orientation(image: Image.Image) -> int | None:
    """EXIF's number for how the camera was held; None if the EXIF data is damaged.

    Such an image is taken as it is stored: that is also how every viewer shows it.
    """
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # as above
        return None


def _is_transparent(image: Image.Image) -> bool:
    return image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info


def _eight_bits(image: Image.Image, values: np.ndarray) -> np.ndarray:
    """The values (H, W) of an image with more than 8 bits, as uint8 from 0 to 255."""
    tags = getattr(image, "tag_v2", {})
    white = 1
    if image.mode != "F":
        # Pillow before 11 says "I", 32 bits, of a PNG with 16: a PNG has never more.
        if image.mode == "I" and image.format not in ("PNG", "PPM"):
            text = "holds whole numbers of 32 bits, and nothing says which of them is white"
            raise Refused(f"{text}: save it with 8 or 16 bits")
        white = 2 ** tags.get(BITS, (16,))[0] - 1
    if not (values.min() >= 0 and values.max() <= white):
        text = f"holds numbers from {values.min():g} to {values.max():g}"
        raise Refused(f"{text}, not from 0 (black) to {white} (white): scale them")
    grey = np.rint(values * (255 / white)).astype(np.uint8)
    return 255 - grey if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO else grey


def remark(image: Image.Image) -> str:
    """Return what changes when an open image is read; empty if nothing does."""
    remarks = []
    if _is_transparent(image):
        remarks.append(f"is with transparency and is laid on white; {READ_AS}")
    elif image.mode != "RGB":
        kind = "I" if image.mode.startswith("I") else image.mode
        remarks.append(REMARKS.get(kind, f"is {image.mode}; {READ_AS}"))
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # phones put helpers of the same photograph into MPO
        remarks.append(f"has {frames} frames; only the first is read")
    if _orientation(image) is None:
        remarks.append("has damaged EXIF data, so it may lie on its side: see how it looks")
    return "; ".join(remarks)
