"""Damaged images: each is rejected, or is what a plain strict load of the same bytes gives."""

import io
import random
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from pipeline.images.decode import DAMAGE, decode_image
from schemas.errors import ImageRejected
from schemas.job.compute import Limits
from tests.made.pixels.pngs import SIGNATURE, png_chunk, png_of

LIMITS = Limits()
TRIES = 150


def picture() -> Image.Image:
    """Shapes with a little noise, as a photo has: neither flat nor beyond compression."""
    draw = np.random.default_rng(0)
    coarse = Image.fromarray(draw.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((64, 48), Image.Resampling.BICUBIC)).astype(int)
    return Image.fromarray((smooth + draw.integers(-8, 9, smooth.shape)).clip(0, 255).astype("u1"))


def encoded(encoding: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture().save(buffer, encoding, **options)
    return buffer.getvalue()


SEEDS = {
    "png": encoded("PNG"),
    "jpeg": encoded("JPEG"),
    "progressive jpeg": encoded("JPEG", progressive=True),
    "jpeg of whole colours": encoded("JPEG", subsampling=0),
    "jpeg with restart markers": encoded("JPEG", restart_marker_blocks=2),
    "webp": encoded("WEBP"),
    "lossless webp": encoded("WEBP", lossless=True),
    "tiff": encoded("TIFF"),
    "tiff of lzw": encoded("TIFF", compression="tiff_lzw"),
    "tiff of deflate": encoded("TIFF", compression="tiff_deflate"),
    "bmp": encoded("BMP"),
    "gif": encoded("GIF"),
    "ppm": encoded("PPM"),
    "jpeg 2000": encoded("JPEG2000"),
    "avif": encoded("AVIF"),
}


def damaged(data: bytes, draw: random.Random) -> bytes:
    """Return the file with one bit changed, a run of zeros, bytes missing, or its end missing."""
    at, length = draw.randrange(len(data)), draw.choice((1, 16, 200))
    match draw.choice(("bit", "zeros", "gap", "cut")):
        case "bit":
            return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]
        case "zeros":
            return data[:at] + bytes(len(data[at : at + length])) + data[at + length :]
        case "gap":
            return data[:at] + data[at + length :]
        case _:
            return data[:at]


def plainly_loaded(data: bytes) -> np.ndarray | None:
    """Return what Pillow alone gives, asked for nothing but the pixels; None if it refuses."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return np.asarray(image.convert("RGB"))
    except (*DAMAGE, Image.DecompressionBombError):
        return None


@pytest.mark.filterwarnings("ignore")  # Pillow's, of damaged files
@pytest.mark.parametrize("name", SEEDS)
def test_a_damaged_file_is_rejected_or_what_a_strict_load_gives(name: str) -> None:
    draw = random.Random(name)  # noqa: S311  # repeatable, not secret
    rejected = 0
    for _ in range(TRIES):
        data = damaged(SEEDS[name], draw)
        try:
            found = decode_image(data, LIMITS).pixels_HW3
        except ImageRejected:
            rejected += 1
            continue
        plain = plainly_loaded(data)
        assert plain is not None
        assert found.shape == plain.shape
        np.testing.assert_array_equal(found, plain)
    assert rejected > 10


def test_a_png_of_damaged_pixels_is_never_an_image() -> None:
    draw = random.Random(1)  # noqa: S311  # repeatable, not secret
    whole = decode_image(SEEDS["png"], LIMITS).pixels_HW3
    for _ in range(500):
        try:
            found = decode_image(damaged(SEEDS["png"], draw), LIMITS).pixels_HW3
        except ImageRejected:
            continue
        # What is left: damage behind the pixels, in the end mark.
        np.testing.assert_array_equal(found, whole)


def reason_of(data: bytes) -> str:
    with pytest.raises(ImageRejected) as raised:
        decode_image(data, LIMITS)
    return f"{raised.value}"


def test_a_png_whose_stream_ends_early_is_rejected_and_no_black_rows_are_made_up() -> None:
    row = b"\0" + b"\xc8" * 8
    for height in (2, 10, 300):
        assert "ends early" in reason_of(png_of((8, height, 8, 0), row * (height - 1)))
        assert "decode" in reason_of(png_of((8, height, 8, 0), (row * height)[:-1]))
        pixels = decode_image(png_of((8, height, 8, 0), row * height), LIMITS).pixels_HW3
        assert (pixels == 0xC8).all()


def test_a_png_whose_last_row_is_black_is_an_image() -> None:
    for colour, channels in ((0, 1), (2, 3), (4, 2), (6, 4)):
        rows = (b"\0" + bytes(8 * channels)) * 5
        assert decode_image(png_of((8, 5, 8, colour), rows), LIMITS).pixels_HW3.shape == (5, 8, 3)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (5, 5), (9, 17)])
@pytest.mark.parametrize("bits", [1, 8])
def test_an_interlaced_png_is_counted_by_its_passes(size: tuple[int, int], bits: int) -> None:
    width, height = size
    starts = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4)]
    rows = b""
    for x, y, across, down in [*starts, (1, 0, 2, 2), (0, 1, 1, 2)]:
        columns, lines = len(range(x, width, across)), len(range(y, height, down))
        rows += (b"\0" + b"\xff" * ((columns * bits + 7) // 8)) * (lines if columns else 0)
    pixels = decode_image(png_of((width, height, bits, 0, 1), rows), LIMITS).pixels_HW3
    assert (pixels == 255).all()
    assert "decode" in reason_of(png_of((width, height, bits, 0, 1), rows[:-1]))


def test_a_jpeg_cut_off_anywhere_in_its_pixels_is_rejected() -> None:
    for name in ("jpeg", "progressive jpeg"):
        data = SEEDS[name]
        first = data.index(b"\xff\xda")
        for kept in range(first, len(data) - 60, 37):
            assert "decode" in reason_of(data[:kept])


WHOLE = decode_image(SEEDS["png"], LIMITS).pixels_HW3


def with_chunk(chunk: bytes) -> bytes:
    """Put a chunk behind the header of a PNG."""
    behind = len(SIGNATURE) + 12 + 13
    return SEEDS["png"][:behind] + chunk + SEEDS["png"][behind:]


LARGE = zlib.compress(bytes(3 * 2**20))


@pytest.mark.parametrize(
    "chunk",
    [
        png_chunk(b"zTXt", b"Comment\0\0" + LARGE),
        png_chunk(b"iTXt", b"Comment\0\1\0en\0\0" + LARGE),
        png_chunk(b"tEXt", b"Comment\0" + b"x" * 3 * 2**20),
        png_chunk(b"zTXt", b"Raw profile type exif\0\0" + LARGE),
        png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LARGE),
        png_chunk(b"zTXt", b"Raw profile type exif\0\0no stream"),
        png_chunk(b"iCCP", b"profile\0\0" + LARGE),
        png_chunk(b"iCCP", b"profile\0\0no stream"),
        png_chunk(b"pHYs", b"\0"),
        png_chunk(b"tEXt", b"Comment\0hello")[:-1] + b"!",
        png_chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0")[:-1] + b"!",
        png_chunk(b"ruBB", b"of somebody's own"),
    ],
    ids=lambda chunk: f"{chunk[4:8].decode()} of {len(chunk)}",
)
def test_what_is_wrong_with_a_png_beside_its_pixels_does_not_cost_the_image(chunk: bytes) -> None:
    np.testing.assert_array_equal(decode_image(with_chunk(chunk), LIMITS).pixels_HW3, WHOLE)


def test_a_wrong_checksum_of_anything_that_colours_pixels_costs_the_image() -> None:
    palette = png_chunk(b"PLTE", bytes(range(6)))
    clear = png_chunk(b"tRNS", b"\0\xff")
    rows = b"\0\0\1"
    assert decode_image(png_of((2, 1, 8, 3), rows, palette + clear), LIMITS)
    for extra in (palette[:-1] + b"!" + clear, palette + clear[:-1] + b"!"):
        assert "fails its checksum" in reason_of(png_of((2, 1, 8, 3), rows, extra))


def test_an_orientation_in_the_text_of_a_png_counts_still() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = exif.tobytes()
    text = f"\nexif\n{len(raw):8d}\n{raw.hex()}\n".encode()
    profile = b"Raw profile type exif\0\0" + zlib.compress(text)
    assert decode_image(with_chunk(png_chunk(b"zTXt", profile)), LIMITS).exif_orientation == 6


def boxes(brand: bytes, *compatible: bytes) -> bytes:
    body = brand + bytes(4) + b"".join(compatible)
    return struct.pack(">I", 8 + len(body)) + b"ftyp" + body + bytes(100)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"msf1"])
def test_a_heic_file_is_named_so_whatever_its_suffix(brand: bytes) -> None:
    assert "HEIC" in reason_of(boxes(brand, b"mif1", b"heic")) or "Invalid input" in reason_of(
        boxes(brand, b"mif1", b"heic")
    )


def test_a_film_is_told_from_an_image() -> None:
    assert "no image: a film" in reason_of(boxes(b"isom", b"isom", b"mp41"))
    assert "avif" not in reason_of(boxes(b"qt  ")).lower()


def test_a_plugin_of_pillow_reads_heic_and_jpeg_xl_where_it_is_installed() -> None:
    heif = pytest.importorskip("pillow_heif")
    pixels = np.asarray(picture())
    buffer = io.BytesIO()
    heif.from_pillow(picture()).save(buffer, quality=-1, chroma=444)
    found = decode_image(buffer.getvalue(), LIMITS).pixels_HW3
    assert np.abs(found.astype(int) - pixels).mean() < 3
    for kept in (20, len(buffer.getvalue()) // 2):
        assert "decode" in reason_of(buffer.getvalue()[:kept])


def test_a_library_that_lets_truncated_images_pass_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    for name in ("png", "jpeg", "gif", "bmp", "tiff"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert "decode" in reason_of(SEEDS[name][: len(SEEDS[name]) // 2])
