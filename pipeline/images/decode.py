"""Turn an encoded image into the RGB pixels that a person sees.

Decided here, so that a label lies where a person would draw it:
- EXIF orientation is applied; a value outside 1 to 8 counts as 1, as browsers do.
- Alpha and transparent palette entries are composited on white, the page a labeler sees them on;
  what lies under a transparent pixel is arbitrary (often black) and must not become an object.
- 16 bits a channel are scaled to 8. Colour profiles (ICC) are ignored: SAM and the backbones were
  trained on pixels as stored.
- More than one frame or page is rejected, except MPO (a JPEG with an extra view or gain map),
  which is read as the JPEG that it also is.
Exact pixels: JPEG's reduced-size decoding is not used.
"""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from pipeline.images import jpeg, png
from pipeline.images.formats import is_installed, package_of
from schemas.errors import ImageRejected
from schemas.job.compute import Limits

try:
    from pillow_heif import HeifImageFile  # pyright: ignore[reportMissingImports]  # an extra
except ImportError:
    HeifImageFile = None
try:
    from pillow_jxl.JpegXLImagePlugin import (  # pyright: ignore[reportMissingImports]  # an extra
        JXLImageFile,
    )
except ImportError:
    JXLImageFile = None

Reader = Callable[[IO[bytes], str], ImageFile.ImageFile]

# First bytes -> reader. Image.open would try every format Pillow knows, some of which run other
# programs (EPS), and would apply Pillow's own global pixel limit in place of the job's.
_READERS: tuple[tuple[bytes, Reader], ...] = (
    (b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    (png.SIGNATURE, PngImagePlugin.PngImageFile),
    (b"RIFF", WebPImagePlugin.WebPImageFile),
    (b"GIF8", GifImagePlugin.GifImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
    (b"II*\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0*", TiffImagePlugin.TiffImageFile),
    (b"II+\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0+", TiffImagePlugin.TiffImageFile),
    (b"\xff\x4f\xff\x51", Jpeg2KImagePlugin.Jpeg2KImageFile),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Jpeg2KImagePlugin.Jpeg2KImageFile),
    (b"P", PpmImagePlugin.PpmImageFile),
)
_JXL = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
# ISO 14496-12: the brand behind `ftyp` says what a file of boxes is. ISO 23008-12, annex B.
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})

_ORIENTATION = 0x0112  # EXIF 2.3, section 4.6.4, tag 274
# Orientation -> what makes the stored pixels upright: swap rows and columns, then flip each.
_TURNS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}

# What Pillow's readers raise on damaged files. Met in fuzzing 240 000 of them (as the test does):
# OSError, SyntaxError: truncated, or not what the first bytes promise; ValueError: sizes that make
# no sense; RuntimeError: libavif; TypeError, IndexError, struct.error: a header field of another
# type, or short. Not met, but raised in their source: EOFError (frames), NotImplementedError (a
# RuntimeError), AssertionError (formats assert what they parsed). zlib.error, KeyError,
# AttributeError, OverflowError and ZeroDivisionError are what the operations they do on a file's
# own numbers and streams can raise.
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    OverflowError,
    struct.error,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    AssertionError,
    ZeroDivisionError,
    zlib.error,
    RuntimeError,
)


@dataclass(frozen=True)
class DecodedImage:
    """An image as displayed. pixels_HW3 is uint8 RGB.

    exif_orientation is the file's own, 1 to 8; it has been applied already.
    """

    pixels_HW3: np.ndarray
    exif_orientation: int


def decode_image(data: bytes, limits: Limits) -> DecodedImage:
    """Decode the bytes of one image file.

    Raises ImageRejected: `too-large` from the bytes or the header alone, before any pixel is
    decoded; `animated`; `decode` for everything that is not a whole image; `out-of-memory`.
    """
    if len(data) > limits.max_bytes:
        raise ImageRejected(
            "too-large", f"{len(data)} bytes; the job's limit is {limits.max_bytes}"
        )
    try:
        with _open(data) as image:
            return _decode(image, data, limits)
    except MemoryError as error:
        raise ImageRejected("out-of-memory", "no memory for the decoded pixels") from error
    except Image.DecompressionBombError as error:
        # Only TIFF tiles beyond Pillow's own limit, which its reader checks once more.
        raise ImageRejected("too-large", str(error)) from error
    except DAMAGE as error:
        raise ImageRejected("decode", f"{type(error).__name__}: {error}") from error


def begins_as_image(start: bytes) -> bool:
    """True if a file's first 16 bytes are those of an image, and hardly of anything else."""
    if start.startswith(b"RIFF"):
        return start[8:12] == b"WEBP"
    # "BM" and "P" begin many a text.
    strong = [magic for magic, _ in _READERS if len(magic) > 2]
    brand = start[8:12] if start[4:8] == b"ftyp" else b""
    return start.startswith((*strong, _JXL[1])) or brand in _AVIF_BRANDS | _HEIC_BRANDS


def _open(data: bytes) -> ImageFile.ImageFile:
    if not data:
        raise ImageRejected("decode", "an empty file")
    for magic, reader in _READERS:
        if data.startswith(magic):
            whole = png.pixels_alone(data) if magic == png.SIGNATURE else data
            return reader(io.BytesIO(whole), "")
    if data.startswith(_JXL):
        return _with_plugin("JPEG XL", "jxl", JXLImageFile)(io.BytesIO(data), "")
    if data[4:8] == b"ftyp":
        return _open_boxes(data)
    raise ImageRejected("decode", f"no known image format; the file begins with {data[:16]!r}")


def _open_boxes(data: bytes) -> ImageFile.ImageFile:
    length = int.from_bytes(data[:4])
    # The major brand, behind a version number the compatible ones.
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, min(length, 256), 4))]
    if _AVIF_BRANDS.intersection(brands):
        return AvifImagePlugin.AvifImageFile(io.BytesIO(data), "")
    if _HEIC_BRANDS.intersection(brands):
        return _with_plugin("HEIC", "heic", HeifImageFile)(io.BytesIO(data), "")
    raise ImageRejected("decode", f"no image: a film or another file of the brand {brands[0]!r}")


def _with_plugin(name: str, suffix: str, reader: Reader | None) -> Reader:
    if reader is None:
        fault = "cannot be loaded" if is_installed(suffix) else "is not installed here"
        message = f"a {name} image, whose reader, the package {package_of(suffix)}, {fault}"
        raise ImageRejected("decode", message)
    return reader


def _decode(image: ImageFile.ImageFile, data: bytes, limits: Limits) -> DecodedImage:
    pixels = image.width * image.height
    if pixels > limits.max_pixels:
        raise ImageRejected(
            "too-large",
            f"{image.width} x {image.height} = {pixels} pixels; "
            f"the job's limit is {limits.max_pixels}",
        )
    if getattr(image, "is_animated", False):
        raise ImageRejected("animated", f"{getattr(image, 'n_frames', 'several')} frames or pages")
    # Pillow turns TIFF files itself while loading them, and then forgets their tag.
    before = orientation_of(image) if isinstance(image, TiffImagePlugin.TiffImageFile) else None
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        stored_HW3 = jpeg.pixels_at_once(data, "CMYK" if image.mode == "CMYK" else "RGB")
        if (
            stored_HW3 is not None
            and image.mode == "RGB"
            and stored_HW3.shape[:2] == (image.height, image.width)
        ):
            found = orientation_of(image)
            return DecodedImage(displayed(stored_HW3, found), found)
    # Libraries set it for the whole process, and half an image passes for one.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    # Before all else that loads pixels: a second load() of a damaged file does nothing.
    image.load()
    if isinstance(image, PngImagePlugin.PngImageFile):
        png.check_rows(image, data)
    found, turned = _orientations(image, before)
    return DecodedImage(displayed(np.asarray(_to_rgb(image)), turned), found)


def _orientations(image: ImageFile.ImageFile, before: int | None) -> tuple[int, int]:
    """Return the file's own orientation, and how the loaded pixels are still to be turned."""
    if before is not None:
        return before, 1
    if image.format in ("HEIF", "JXL"):
        # Both libraries turn by the file's own boxes, beside which EXIF does not count.
        found = image.info.get("original_orientation")
        return (found if found in _TURNS else 1), 1
    orientation = orientation_of(image)
    return orientation, orientation


def orientation_of(image: Image.Image) -> int:
    """Return what the EXIF says; no pixels are loaded, as those of a PNG have been before."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except DAMAGE:
        # Damaged metadata does not make the pixels unusable.
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        # 65535 / 255 = 257; Pillow's own conversion would cut at 255 instead of scaling.
        values_HW = np.asarray(image).astype(np.uint32)
        grey_HW = ((values_HW + 128) // 257).astype(np.uint8)
        if isinstance(clear := image.info.get("transparency"), int):
            grey_HW[values_HW == clear] = 255  # transparent, so white
        return Image.fromarray(grey_HW).convert("RGB")
    if image.mode in ("I", "F"):
        raise ImageRejected(
            "decode", f"{image.mode} pixels of 32 bits, which have no agreed black and white"
        )
    if "transparency" in image.info or image.mode in ("RGBA", "RGBa", "LA", "La", "PA"):
        seen = image.convert("RGBA")
        page = Image.new("RGBA", seen.size, "white")
        return Image.alpha_composite(page, seen).convert("RGB")
    return image.convert("RGB")


def displayed(stored_HW: np.ndarray, orientation: int) -> np.ndarray:
    """Turn stored pixels, [H, W] or [H, W, 3], as an EXIF orientation says."""
    swap, flip_rows, flip_columns = _TURNS[orientation]
    turned_HW = stored_HW.swapaxes(0, 1) if swap else stored_HW
    turned_HW = turned_HW[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
    # A copy of Pillow's array in any case: it is read-only, which torch.from_numpy warns about.
    return np.require(turned_HW, requirements=("C", "W"))


def displayed_size(stored_HW: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return the size that stored pixels have when they are turned."""
    height, width = stored_HW
    return (width, height) if _TURNS[orientation][0] else (height, width)


UNREADABLE = (
    UnidentifiedImageError,
    Image.DecompressionBombError,
    OSError,
    SyntaxError,
    ValueError,
)
"""What Pillow raises for bytes that are not a whole image."""
