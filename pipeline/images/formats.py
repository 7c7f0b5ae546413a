"""Tell by a file's suffix whether it is an image, and whether it can be read here.

The one list of image suffixes of the product; all lower case and without the dot.
"""

from functools import cache
from importlib.util import find_spec

READ_ALWAYS = frozenset(
    {"apng", "avif", "bmp", "dib", "gif", "jfif", "jpe", "jpeg", "jpg", "mpo", "png", "tif"}
    | {"tiff", "webp", "pbm", "pgm", "pnm", "ppm", "j2c", "j2k", "jp2", "jpc", "jpf", "jpx"}
)

_HEIF = ("pillow_heif", "pillow-heif")
_JXL = ("pillow_jxl", "pillow-jxl-plugin")
# Suffix -> the module that reads it, and the package it is in.
READ_WITH = {"heic": _HEIF, "heif": _HEIF, "hif": _HEIF, "jxl": _JXL}

# What cameras, printers and laboratories write. None is read: each leaves open which picture is
# meant (a raw file has yet to be developed, a drawing has no pixels), or has no agreed white.
NEVER_READ = frozenset(
    {"3fr", "arw", "cr2", "cr3", "crw", "dng", "erf", "iiq", "kdc", "mef", "mrw", "nef", "nrw"}
    | {"orf", "pef", "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw", "x3f"}
    | {"ai", "eps", "pdf", "psb", "psd", "svg", "svgz", "xcf"}
    | {"bpg", "cur", "dcm", "dds", "exr", "fit", "fits", "flif", "hdr", "icns", "ico", "jbig2"}
    | {"jxr", "nii", "pcx", "pfm", "pict", "qoi", "ras", "sgi", "tga", "wbmp", "wdp", "xbm", "xpm"}
)


def has_image_suffix(name: str) -> bool:
    """True for a name that ends as an image's file does, whether or not it is read here."""
    return suffix_of(name) in READ_ALWAYS | READ_WITH.keys()


@cache
def image_suffixes() -> frozenset[str]:
    """Return the suffixes that mark a file or an archive member as an image read here."""
    return READ_ALWAYS | {suffix for suffix in READ_WITH if is_installed(suffix)}


def is_installed(suffix: str) -> bool:
    """True where the package that reads such files is installed."""
    return find_spec(READ_WITH[suffix][0]) is not None


def package_of(suffix: str) -> str:
    """Return the package that reads such files, by the name it is installed under."""
    return READ_WITH[suffix][1]


def why_not_read(suffix: str) -> str:
    """Return why files of a suffix are passed over, to stand behind their number."""
    if suffix in READ_WITH and not is_installed(suffix):
        return f"not readable here; install {package_of(suffix)}"
    if suffix in NEVER_READ:
        return "a kind of image that is not read; convert it first"
    return "no image's suffix"


def suffix_of(name: str) -> str:
    """Return the lower-case suffix of a file name, "" if it has none; spaces at its end are not.

    >>> suffix_of("a/b.tar/photo.JPG ")
    'jpg'
    """
    stem, dot, suffix = name.rpartition("/")[2].rstrip().rpartition(".")
    return suffix.lower() if dot and stem else ""
