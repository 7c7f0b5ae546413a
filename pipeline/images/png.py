"""Turn a PNG into one of its pixels alone, or say that they are damaged.

A PNG tells damage from its own checksums, which Pillow does not look at: a byte changed within the
picture is decoded into some other picture, and a stream that ends early leaves the rest black.
Text and colour profiles hold no pixels, so nothing about them (size, checksum) costs the image.
"""

import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from schemas.errors import ImageRejected

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# PNG 3rd edition, section 11: length, type and checksum around each chunk's body.
_FRAME_BYTES = 12
# Beside the critical ones (a capital first letter): transparency, and an animation's frames.
_OF_PIXELS = frozenset({b"tRNS", b"acTL", b"fcTL", b"fdAT"})
_TEXT = frozenset({b"tEXt", b"zTXt", b"iTXt"})
# Texts that can hold an orientation: ImageMagick's form of EXIF, and XMP.
_ORIENTING = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")
# Of both, inflated: EXIF in a JPEG has 64 KiB at most.
_MOST_TEXT_BYTES = 2**20


def pixels_alone(data: bytes) -> bytes:
    """Return a PNG without the chunks that decide no pixel and no orientation.

    Raises ImageRejected for a chunk of pixels that is cut off or fails its checksum.
    """
    kept = [data[: len(SIGNATURE)]]
    for kind, chunk, whole in _chunks(data):
        of_pixels = kind[:1].isupper() or kind in _OF_PIXELS
        if not whole and of_pixels:
            message = f"a PNG whose {kind.decode('latin-1')} chunk is cut off or fails its checksum"
            raise ImageRejected("decode", message)
        if of_pixels or (whole and (kind == b"eXIf" or _may_orient(kind, chunk))):
            kept.append(chunk)
    return b"".join(kept)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield each chunk's type, all its bytes, and whether it is whole; IEND is always."""
    position = len(SIGNATURE)
    while position + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + _FRAME_BYTES + length
        kind = data[position + 4 : position + 8]
        chunk = data[position:end]
        checksum = zlib.crc32(memoryview(chunk)[4:-4])
        whole = len(chunk) == end - position and chunk[-4:] == struct.pack(">I", checksum)
        if kind == b"IEND":
            yield kind, chunk, True
            return
        yield kind, chunk, whole
        position = end


def _may_orient(kind: bytes, chunk: bytes) -> bool:
    body = chunk[8:-4]
    if kind not in _TEXT or not body.startswith(_ORIENTING) or len(body) > _MOST_TEXT_BYTES:
        return False
    keyword = body.index(b"\0")
    if kind == b"zTXt":
        return _inflates(body[keyword + 2 :])
    if kind == b"iTXt" and body[keyword + 1 : keyword + 2] == b"\1":
        # Compressed: behind the method a language and the keyword in that language.
        return _inflates(body[keyword + 3 :].split(b"\0", 2)[-1])
    return True


def _inflates(stream: bytes) -> bool:
    inflater = zlib.decompressobj()
    try:
        inflater.decompress(stream, _MOST_TEXT_BYTES)
    except zlib.error:
        return False
    return inflater.eof


def check_rows(image: Image.Image, data: bytes) -> None:
    """Raise ImageRejected if a loaded PNG's stream held fewer rows than the image has.

    Rows that never came stay zero: only where the last one is does the stream have to be counted,
    which takes half the time of decoding. Of an interlaced image any row may lack pixels.
    """
    interlaced = bool(image.info.get("interlace"))
    # The core's own crop: the image's would apply Pillow's limit of pixels.
    last_row = image.im.crop((0, image.height - 1, image.width, image.height))
    if last_row.getbbox(False) is not None and not interlaced:
        return
    header = next(chunk[8:-4] for kind, chunk, _ in _chunks(data) if kind == b"IHDR")
    wanted = _stream_bytes(header)
    inflater = zlib.decompressobj()
    found = 0
    for kind, chunk, _ in _chunks(data):
        if kind == b"IDAT":
            found += _count(inflater, chunk[8:-4], wanted - found)
    if found < wanted:
        message = f"a PNG that ends early: {found} bytes of rows, wanted {wanted}"
        raise ImageRejected("decode", message)


def _count(inflater: "zlib._Decompress", body: bytes, most: int) -> int:
    found = 0
    while body and found < most and not inflater.eof:
        found += len(inflater.decompress(body, min(2**20, most - found)))
        body = inflater.unconsumed_tail
    return found


def _stream_bytes(header: bytes) -> int:
    """Return how many bytes a header's rows take, with one byte for the filter of each."""
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", header)
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]

    def rows(across: int, down: int) -> int:
        return down * (1 + (across * bits + 7) // 8) if across else 0

    if not interlace:
        return rows(width, height)
    # Section 8.2, Adam7: first column, first row, and the steps between them, of each pass.
    passes = (
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
        (0, 1, 1, 2),
    )  # fmt: skip
    return sum(
        rows(max(0, -(-(width - x) // dx)), max(0, -(-(height - y) // dy)))
        for x, y, dx, dy in passes
    )
