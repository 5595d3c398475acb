"""Files that people choose: each gives a picture, or a sentence that says what to do next."""

import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from course_utils.app import BadFile, read_picture
from course_utils.app.reading import MOST_BYTES, MOST_PIXELS
from course_utils.runtime import project_root

CHINA = (project_root() / "data" / "photograph_china.png").read_bytes()
SIZE = 32


def stored(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def with_size(width, height):
    """A small PNG whose header promises another size."""
    content = bytearray(stored(Image.new("L", (4, 4))))
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


BAD = {
    "text named .jpg": (
        b"This is no picture.",
        "no picture, whatever its name says. Choose a JPEG",
    ),
    "nothing": (b"", "empty. Save the picture again"),
    "half a PNG": (CHINA[: len(CHINA) // 2], "damaged.* Copy or download it again"),
    "half a JPEG": (stored(Image.effect_noise((90, 90), 99), "JPEG")[:2000], "damaged"),
    "too many bytes": (bytes(MOST_BYTES + 1), "20 MB; at most 20 MB are taken. Make it smaller"),
    "huge": (with_size(9000, 9000), "9000 × 9000 pixels; at most 64 million .* Make it smaller"),
    "a bomb": (with_size(40_000, 40_000), "too many pixels. Make it smaller"),
    "a phone's HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC.* Save it as JPEG"),
    "32 bits": (stored(Image.new("I", (4, 4)), "TIFF"), "save it with 8 or 16 bits"),
    # Pillow would start Ghostscript for it.
    "a program": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "no picture"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_says_what_to_do(kind):
    content, sentence = BAD[kind]
    with pytest.raises(BadFile, match=sentence) as told:
        read_picture(content, SIZE)
    assert "\n" not in str(told.value)
    assert str(told.value).endswith(".")


def test_the_largest_phone_passes():
    assert MOST_PIXELS > 8192 * 6144


def test_a_photograph_is_cut_to_its_middle_square():
    image = Image.new("RGB", (60, 20), "red")
    image.paste("lime", (20, 0, 40, 20))
    picture = read_picture(stored(image), 10)
    assert np.asarray(picture.image)[:, 2:-2].reshape(-1, 3).tolist() == [[0, 255, 0]] * 60
    assert picture.remark == ""


def test_sixteen_bits_are_read_and_said():
    values = np.full((8, 8), 257 * 100, np.uint16)
    picture = read_picture(stored(Image.fromarray(values)), 8)
    assert np.asarray(picture.image)[0, 0].tolist() == [100, 100, 100]
    assert picture.remark.startswith("The picture is grey with 16 bits")


def test_of_an_animation_the_first_frame_is_read():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "white")]
    content = stored(frames[0], "GIF", save_all=True, append_images=frames[1:])
    picture = read_picture(content, 8)
    assert np.asarray(picture.image)[4, 4].tolist() == [255, 0, 0]
    assert "has 3 frames; only the first is read." in picture.remark


def test_a_camera_that_was_held_upright_gives_an_upright_picture():
    image = Image.new("RGB", (8, 8), "white")
    image.paste("black", (0, 0, 8, 4))
    exif = Image.Exif()
    exif[0x0112] = 6
    seen = np.asarray(read_picture(stored(image, exif=exif), 8).image)
    assert seen[:, 0].max() == 255
    assert seen[:, -1].max() == 0


@given(st.binary(max_size=64), st.integers(0, 400))
def test_damage_of_any_kind_gives_a_picture_or_a_sentence(damage, place):
    content = stored(Image.linear_gradient("L").resize((16, 16)))
    content = content[:place] + damage + content[place + len(damage) :]
    with suppress(BadFile):
        assert read_picture(content, SIZE).image.size == (SIZE, SIZE)
