"""PNG files made by hand: chunks that no library writes."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Return one chunk with its right checksum."""
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def png_of(header: tuple[int, ...], rows: bytes, extra: bytes = b"") -> bytes:
    """Return a PNG of (width, height, bits, colour[, interlace]), with chunks before its rows."""
    width, height, bits, colour = header[:4]
    interlace = header[4] if header[4:] else 0
    ihdr = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    return (
        SIGNATURE
        + png_chunk(b"IHDR", ihdr)
        + extra
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )
