"""The first bytes of a weights file become its format, or a few words on what it is instead."""

import re
from pathlib import Path
from typing import Literal

from schemas.errors import BadWeights

TORCH_ZIP = b"PK\x03\x04"
# What torch.save wrote before PyTorch 1.6: the number 0x1950a86a20f9469cfc6c, pickled.
TORCH_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def file_format(path: Path) -> Literal["torch", "safetensors"]:
    """Tell torch files and safetensors files apart by content; names come from web addresses.

    Raises BadWeights for everything else.
    """
    if not path.is_file():
        raise BadWeights("a weights file is missing", str(path), "no such file", "a file")
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith((TORCH_ZIP, TORCH_LEGACY)):
        # torch.load itself goes by this name, and would take it for the other format.
        if path.suffix == ".safetensors":
            raise unreadable(path, "a torch file named .safetensors")
        return "torch"
    # safetensors: the length of a JSON object in eight bytes, then that object.
    if head[8:9] == b"{":
        return "safetensors"
    raise unreadable(path, _described(head))


def unreadable(path: Path, got: str) -> BadWeights:
    """Return the error of a file that is no checkpoint, or a damaged one."""
    wanted = "a file of torch.save that holds tensors alone, or a safetensors file"
    return BadWeights("a weights file cannot be read", str(path), got, wanted)


def torch_failure(error: Exception) -> str:
    """Say why torch.load refused a file, without its advice to load it unsafely."""
    # E.g. "Unsupported global: GLOBAL posix.system was not an allowed global by default."
    if found := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return f"an object that needs code to be loaded: {found[1]}"
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"a damaged file: {first.partition('. ')[0]}"


def _described(head: bytes) -> str:
    text = head.lstrip().lower()
    if not text:
        return "an empty file"
    if text.startswith(b"<"):
        return "a web page or XML, not the file behind it"
    if text.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the file it stands for"
    if text.startswith(b"\x80"):
        return "a Python pickle that torch.save did not write"
    return f"a file that begins with {head[:16]!r}"
