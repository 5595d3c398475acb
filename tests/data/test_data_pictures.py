"""One image file after the other: values, orientation, transparency, and what is refused."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps, PngImagePlugin

from course_utils.data import folder_problems, load_data
from course_utils.data.pictures import (
    ORIENTATION,
    Unreadable,
    _eight_bits,
    is_picture,
    picture_problem,
    pixels,
)

RAMP = np.tile(np.arange(256, dtype=np.uint8)[::4], (64, 1))  # black at the left, 252 at the right
WHITE, RED, BLUE = (255, 255, 255), (255, 0, 0), (0, 0, 255)


def saved(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def grey_of(path, size=64):
    """The grey values (size, size) that are read from a file; its three channels are equal."""
    values = pixels(path, size)
    assert values.dtype == np.uint8
    assert values.shape == (3, size, size)
    assert (values == values[0]).all()
    return values[0]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("grey.png", RAMP),
        ("16.png", RAMP.astype(np.uint16) * 257),
        ("16.tif", RAMP.astype(np.uint16) * 257),
        ("16.pgm", RAMP.astype(np.uint16) * 257),
        ("big-endian.tif", (RAMP.astype(np.uint16) * 257).astype(">u2")),
        ("float.tif", RAMP.astype(np.float32) / 255),
    ],
)
def test_grey_values_are_kept_whatever_they_are_stored_in(tmp_path, name, values):
    assert np.array_equal(grey_of(saved(tmp_path / name, values)), RAMP)


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=30))
def test_16_bits_are_divided_by_257_and_rounded(values):
    image = Image.fromarray(np.array([values], np.uint16))
    made = _eight_bits(image, np.asarray(image))[0]
    assert np.abs(made - np.array(values) / 257).max() <= 0.5
    assert made.dtype == np.uint8


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30))
def test_floats_from_0_to_1_are_multiplied_by_255_and_rounded(values):
    image = Image.fromarray(np.array([values], np.float32))
    made = _eight_bits(image, np.asarray(image))[0]
    assert np.abs(made - np.array(values) * 255).max() <= 0.501


def test_a_dark_image_of_16_bits_stays_dark(tmp_path):
    """Nothing is stretched to the image's own range: that would change how images compare."""
    dark = saved(tmp_path / "x.png", np.full((8, 8), 4095, np.uint16))
    assert set(grey_of(dark, 8).flatten().tolist()) == {16}


def test_a_png_that_an_older_pillow_calls_32_bits_has_16():
    image = Image.fromarray(np.array([[0, 257, 65535]], np.int32))
    assert image.mode == "I"
    image.format = "PNG"
    assert _eight_bits(image, np.asarray(image)).tolist() == [[0, 1, 255]]


def tiff(values: np.ndarray, bits: int, photometric: int) -> bytes:
    """A TIFF of one strip, little-endian, written by hand: Pillow does not write these."""
    height, width = values.shape
    if bits == 12:  # two values in three bytes
        pairs = values.reshape(-1, 2).astype(np.uint32)
        packed = (pairs[:, 0] << 12 | pairs[:, 1]).astype(">u4").tobytes()
        content = b"".join(packed[i + 1 : i + 4] for i in range(0, len(packed), 4))
    else:
        content = values.astype("<u2").tobytes()
    fields = [
        *((256, width), (257, height), (258, bits), (259, 1), (262, photometric)),
        *((273, 8), (277, 1), (278, height), (279, len(content))),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields)
    directory = struct.pack("<H", len(fields)) + entries + bytes(4)
    return struct.pack("<2sHI", b"II", 42, 8 + len(content)) + content + directory


@pytest.mark.parametrize(
    ("bits", "photometric", "white", "black"), [(12, 1, 4095, 0), (16, 1, 65535, 0), (16, 0, 0, -1)]
)
def test_tiff_says_how_many_bits_and_which_end_is_white(tmp_path, bits, photometric, white, black):
    values = np.full((8, 8), black % 2**bits, np.uint16)
    values[:, 4:] = white
    (tmp_path / "x.tif").write_bytes(tiff(values, bits, photometric))
    assert grey_of(tmp_path / "x.tif", 8)[0].tolist() == [0] * 4 + [255] * 4


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("32.tif", RAMP.astype(np.int32) * 1000, "whole numbers of 32 bits"),
        ("small.tif", RAMP.astype(np.int32), "whole numbers of 32 bits"),
        ("beyond.tif", RAMP.astype(np.float32), "numbers from 0 to 252, not from 0"),
        ("below.tif", RAMP.astype(np.float32) / -255, "numbers from -0.98"),
        ("nan.tif", np.full((8, 8), np.nan, np.float32), "numbers from nan to nan"),
    ],
)
def test_numbers_without_a_known_white_are_refused(tmp_path, name, values, reason):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        saved(tmp_path / label / name, values)
    with pytest.raises(ValueError, match=rf"{name} holds {reason}"):
        load_data(tmp_path)
    assert all(f"{name}: holds {reason}" in line for line in folder_problems(tmp_path))


def png_of_16_bits(colour_type, *channels) -> bytes:
    """A PNG of one pixel with 16 bits a channel, by hand: Pillow does not write it."""
    header = struct.pack(">IIBBBBB", 1, 1, 16, colour_type, 0, 0, 0)
    row = b"\0" + struct.pack(f">{len(channels)}H", *channels)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(row)), (b"IEND", b""))
    checked = (
        struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(checked)


@given(st.tuples(*[st.integers(0, 65535)] * 3))
def test_colours_of_16_bits_keep_their_upper_8(tmp_path_factory, colour):
    file = tmp_path_factory.getbasetemp() / "rgb16.png"
    file.write_bytes(png_of_16_bits(2, *colour))
    assert pixels(file, 1).flatten().tolist() == [value // 256 for value in colour]


def test_grey_of_16_bits_with_transparency(tmp_path):
    (tmp_path / "x.png").write_bytes(png_of_16_bits(4, 20000, 65535))
    assert abs(int(pixels(tmp_path / "x.png", 1)[0, 0, 0]) - 20000 / 257) < 1
    (tmp_path / "x.png").write_bytes(png_of_16_bits(4, 20000, 0))
    assert pixels(tmp_path / "x.png", 1).flatten().tolist() == [255] * 3


def transparent(mode):
    """Left half opaque, right half transparent, with another colour hidden under it."""
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 4, 8))
    if mode == "LA":
        return image.convert("LA")
    if mode == "P with one colour":
        flat = Image.new("P", (8, 8), 1)
        flat.putpalette([255, 0, 0, 0, 255, 0])
        flat.paste(0, (0, 0, 4, 8))
        flat.info["transparency"] = 1
        return flat
    if mode == "P with alpha":
        return image.quantize(4)
    if mode == "RGB with one colour":
        flat = image.convert("RGB")
        flat.info["transparency"] = (0, 0, 0)
        return flat
    return image


@pytest.mark.parametrize(
    "mode", ["RGBA", "LA", "P with one colour", "P with alpha", "RGB with one colour"]
)
def test_what_is_transparent_shows_white(tmp_path, mode):
    transparent(mode).save(tmp_path / "x.png")
    values = pixels(tmp_path / "x.png", 8)
    left = (
        RED
        if mode != "LA"
        else tuple(3 * [Image.new("RGB", (1, 1), RED).convert("L").getpixel((0, 0))])
    )
    assert values[:, :, 0].T.tolist() == [list(left)] * 8
    assert values[:, :, 7].T.tolist() == [list(WHITE)] * 8
    assert "is with transparency and is laid on white" in picture_problem(tmp_path / "x.png")


def test_half_transparent_is_half_white(tmp_path):
    Image.new("RGBA", (8, 8), (0, 0, 0, 128)).save(tmp_path / "x.png")
    assert set(grey_of(tmp_path / "x.png", 8).flatten().tolist()) == {127}


def test_a_palette_without_transparency_and_one_bit(tmp_path):
    Image.new("RGB", (8, 8), BLUE).quantize(4).save(tmp_path / "x.png")
    assert pixels(tmp_path / "x.png", 8)[:, 0, 0].tolist() == list(BLUE)
    saved(tmp_path / "y.png", RAMP > 100)
    assert np.array_equal(grey_of(tmp_path / "y.png"), np.where(RAMP > 100, 255, 0))


def test_cmyk_is_turned_into_rgb_by_the_plain_formula(tmp_path):
    Image.new("CMYK", (8, 8), (255, 0, 100, 51)).save(tmp_path / "x.tif")
    assert pixels(tmp_path / "x.tif", 8)[:, 0, 0].tolist() == [0, 204, 124]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_the_camera_was_held(tmp_path, suffix, orientation):
    """Pillow's own function turns them as viewers do; ours must agree, for every file format."""
    corners = np.zeros((16, 16, 3), np.uint8)
    corners[:8, :8], corners[:8, 8:], corners[8:, :8] = RED, BLUE, WHITE
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    file = saved(tmp_path / f"x.{suffix}", corners, exif=exif)
    with Image.open(file) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB")).transpose(2, 0, 1)
    made = pixels(file, 16)
    assert np.array_equal(made, expected)
    middles = made.transpose(1, 2, 0).astype(int)[3::8, 3::8] - corners[3::8, 3::8]
    assert (np.abs(middles).max() < 40) == (orientation == 1)


@pytest.mark.filterwarnings("ignore")  # some of them make Pillow warn
@pytest.mark.parametrize("exif", [b"Exif\0\0junk", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0II"])
def test_damaged_exif_data_costs_the_orientation_only(tmp_path, exif):
    file = saved(tmp_path / "x.jpg", RAMP, exif=exif)
    assert np.abs(grey_of(file).astype(int) - RAMP).max() < 8
    assert picture_problem(file).startswith("is grey")


def test_damaged_exif_data_is_told(tmp_path, monkeypatch):
    def broken(*_):
        raise struct.error("unpack requires a buffer of 4 bytes")

    file = saved(tmp_path / "x.png", np.stack([RAMP] * 3, axis=-1))
    assert picture_problem(file) == ""
    monkeypatch.setattr(Image.Image, "getexif", broken)
    assert np.array_equal(grey_of(file), RAMP)
    assert picture_problem(file).startswith("has damaged EXIF data")


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_the_first_frame_of_an_animation_is_read_and_that_is_told(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE, BLUE)]
    options = dict(lossless=True) if suffix == "webp" else {}
    frames[0].save(tmp_path / f"x.{suffix}", save_all=True, append_images=frames[1:], **options)
    file = tmp_path / f"x.{suffix}"
    assert pixels(file, 8)[:, 0, 0].tolist() == list(RED)
    assert "frames; only the first is read" in picture_problem(file)


def test_a_photograph_with_helpers_beside_it_is_no_animation(tmp_path):
    photo, helper = Image.new("RGB", (8, 8), RED), Image.new("RGB", (4, 4), BLUE)
    photo.save(tmp_path / "x.jpg", format="MPO", save_all=True, append_images=[helper])
    assert picture_problem(tmp_path / "x.jpg") == ""


@pytest.mark.parametrize(
    "problem",
    [
        Image.DecompressionBombError("too many pixels"),
        SyntaxError("broken PNG file"),
        struct.error("unpack requires a buffer of 4 bytes"),
        KeyError(3),
        MemoryError(),
        OverflowError("size"),
    ],
)
@pytest.mark.parametrize("step", ["open", "load"])
def test_whatever_pillow_raises_the_file_is_named(tmp_path, monkeypatch, problem, step):
    def broken(*_, **__):
        raise problem

    file = saved(tmp_path / "x.png", RAMP)
    if step == "open":
        monkeypatch.setattr(Image, "open", broken)
    else:
        monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", broken)
    with pytest.raises(Unreadable, match=r"x\.png cannot be read as an image \(.+\): mend it or"):
        pixels(file, 8)
    kind = type(problem).__name__
    assert picture_problem(file) == f"cannot be read as an image ({kind}); remove it"


def contents():
    """One small file of each format."""
    made = {}
    for name in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"):
        buffer = io.BytesIO()
        Image.fromarray(np.stack([RAMP[:16, :16]] * 3, axis=-1)).save(buffer, name)
        made[name] = buffer.getvalue()
    return made


CONTENTS = contents()


def what_is_read(file):
    try:
        return pixels(file, 8).shape
    except Unreadable as problem:
        return problem


@pytest.mark.filterwarnings("ignore")  # Pillow warns of some damage
@given(
    st.sampled_from(sorted(CONTENTS)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    st.floats(0, 1),
)
def test_damaged_files_are_read_or_named(tmp_path_factory, name, changes, kept):
    content = bytearray(CONTENTS[name])
    for place, value in changes:
        content[int(place * len(content))] = value
    file = tmp_path_factory.getbasetemp() / "damaged.png"
    file.write_bytes(content[: int(kept * len(content))])
    found = what_is_read(file)
    if isinstance(found, Unreadable):
        assert str(found).startswith(str(file))
        assert picture_problem(file) == found.told
    else:
        assert found == (3, 8, 8)


def test_the_name_or_the_content_makes_a_picture(tmp_path):
    whole = CONTENTS["JPEG"]
    for name, content, expected in (
        ("a.jpg", b"torn", True),  # it promises an image, so it is named when it is read
        ("a.avif", b"torn", True),
        ("a.HEIC", whole, True),
        ("a", whole, True),
        ("a.jpg.part", whole, True),
        ("b.HEIC", b"\0\0\0\x18ftypheic", False),
        ("b", b"", False),
        ("b.txt", b"a cat", False),
        ("b.part", whole[:300], False),
    ):
        (tmp_path / name).write_bytes(content)
        assert is_picture(tmp_path / name) == expected, name
    (tmp_path / "folder.jpg").mkdir()
    assert not is_picture(tmp_path / "folder.jpg")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "nowhere")
    assert not is_picture(tmp_path / "link.jpg")


def test_a_folder_of_scans_trains_on_their_values(tmp_path):
    for label, value in (("dark", 20), ("light", 200)):
        (tmp_path / label).mkdir()
        for number in range(5):
            saved(tmp_path / label / f"{number}.png", np.full((9, 9), value * 257, np.uint16))
    data = load_data(tmp_path, profile="full", validation=0)
    assert data.provenance.endswith("(.png)")
    expected = torch.where(data.train.labels == 0, 20, 200)
    assert torch.equal(data.train.images[:, 0, 0, 0].long(), expected)
    assert all("is grey with 16 bits" in line for line in folder_problems(tmp_path))
