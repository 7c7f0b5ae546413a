"""Tars that lie, end early or are none: a fault each, and no harm to the reader."""

import bz2
import gzip
import io
import lzma
import random
import tarfile
from collections.abc import Callable

import pytest

from pipeline.inputs.tar import read_tar
from tests.made.pixels.tar_lines import MAX_BYTES, lines, read, read_members
from tests.made.pixels.tars import header, make_tar, special


@pytest.mark.parametrize("name", ["/etc/a.jpg", "../a.jpg", "b/../../a.jpg", ".."])
def test_a_name_outside_the_archive_is_a_fault(name: str) -> None:
    found = read_members(("a.jpg", b"A"), (name, b"evil"), ("c.jpg", b"C"))
    assert found == [("a", b"A"), ("@1024", "unsafe-name"), ("c", b"C")]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_faults_and_never_followed(kind: bytes) -> None:
    found = read_members(("a.jpg", b"A"), special("b.jpg", kind, "a.jpg"), ("c.jpg", b"C"))
    assert found == [("a", b"A"), ("@1024", "unsafe-name"), ("c", b"C")]


def test_a_member_above_the_limit_is_a_fault_and_is_never_read() -> None:
    data = make_tar([("a.jpg", b"A"), ("b.jpg", bytes(MAX_BYTES + 1)), ("c.jpg", b"C")])
    file = io.BytesIO(data)
    reads: list[int] = []
    read_whole = file.read

    def recording_read(size: int | None = -1, /) -> bytes:
        reads.append(size or 0)
        return read_whole(size)

    file.read = recording_read  # type: ignore[method-assign]  # to see what is asked for
    found = list(read_tar(file, len(data), MAX_BYTES, lambda number: True))
    assert lines(found) == [("a", b"A"), ("b", "too-large"), ("c", b"C")]
    assert MAX_BYTES + 1 not in reads


def test_a_sparse_member_is_judged_by_the_size_it_expands_to() -> None:
    # PAX sparse format 0.1: 5 stored bytes that claim to be a terabyte, or a hundred bytes.
    for size, reason in ((2**40, "too-large"), (100, "decode")):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            info = tarfile.TarInfo("b.jpg")
            info.size = 5
            info.pax_headers = {"GNU.sparse.map": "0,5", "GNU.sparse.size": str(size)}
            tar.addfile(info, io.BytesIO(b"12345"))
            after = tarfile.TarInfo("c.jpg")
            after.size = 1
            tar.addfile(after, io.BytesIO(b"C"))
        assert lines(read(buffer.getvalue())) == [("b", reason), ("c", b"C")]


def test_bytes_that_nobody_wants_are_not_read() -> None:
    members = [(f"{n}.jpg", bytes([n])) for n in range(6)]
    found = read(make_tar(members), wanted=lambda number: number in (1, 4))
    assert [image.data for image in found] == [b"", b"\1", b"", b"", b"\4", b""]
    assert [image.key for image in found] == list("012345")


def test_what_is_wanted_is_counted_in_faults_too() -> None:
    data = make_tar(
        [("a.json", b""), ("b.x.jpg", b"B"), special("l", tarfile.SYMTYPE), ("c.jpg", b"C")]
    )
    for number, expected in ((0, b"B"), (2, b"C")):
        found = read(data, wanted=lambda n, wanted=number: n == wanted)
        assert found[number].data == expected
        assert sum(len(image.data) for image in found) == 1


def test_a_tar_cut_inside_a_member_loses_that_member_only() -> None:
    data = make_tar([("a.jpg", b"A" * 600), ("b.jpg", b"B" * 600)])
    # Blocks: header, 2 of a, header, then 100 bytes of b.
    found = read(data[: 4 * 512 + 100])
    assert lines(found) == [("a", b"A" * 600), ("b", "truncated-shard")]
    assert "byte 1536" in str(found[1].fault)


@pytest.mark.parametrize("squeeze", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("cut_stream", [False, True])
def test_a_cut_tar_has_as_many_images_whichever_are_wanted(
    squeeze: Callable[[bytes], bytes], cut_stream: bool
) -> None:
    """Units are read apart: how many there are must not hang on which of them are done."""
    noise = random.Random(1)  # noqa: S311 - repeatable, not secret
    data = make_tar([(f"{n}.jpg", noise.randbytes(3000)) for n in range(4)])
    whole = squeeze(data)
    given = whole[: len(whole) * 3 // 5] if cut_stream else squeeze(data[: 3 * 3584 - 1000])
    every = [(image.key, image.fault is None) for image in read(given)]
    assert every[-1][1] is False
    for only in (*range(5), None):
        found = read(given, wanted=lambda n, only=only: n == only)
        assert [(image.key, image.fault is None) for image in found] == every


def test_a_tar_cut_inside_another_field_still_has_its_image() -> None:
    data = make_tar([("a.jpg", b"A"), ("a.json", b"{" * 600)])
    assert lines(read(data[: 3 * 512 + 100])) == [("a", b"A"), ("@1024", "truncated-shard")]


@pytest.mark.parametrize("kept", [1024, 1025, 1100, 1535])
def test_a_tar_cut_at_or_inside_a_header_says_so(kept: int) -> None:
    data = make_tar([("a.jpg", b"A"), ("b.jpg", b"B")])
    assert lines(read(data[:kept])) == [("a", b"A"), ("@1024", "truncated-shard")]


def test_garbage_between_members_ends_the_tar_with_a_fault() -> None:
    data = bytearray(make_tar([("a.jpg", b"A"), ("b.jpg", b"B"), ("c.jpg", b"C")]))
    data[1024:1536] = b"\x55" * 512
    assert lines(read(bytes(data))) == [("a", b"A"), ("@1024", "truncated-shard")]


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"a list of things\n" * 100, b"\x1f\x8b\x08" + bytes(2000), b"PK\3\4" * 400],
    ids=["empty", "one byte", "text", "gzip", "zip"],
)
def test_a_file_that_is_no_tar_is_one_fault(data: bytes) -> None:
    assert lines(read(data)) == [("@0", "truncated-shard")]


def test_an_empty_tar_has_no_images_and_no_fault() -> None:
    assert read(make_tar([])) == []


def test_a_member_of_many_terabytes_is_cut_off_and_not_sought() -> None:
    for size in (2**43, 2**80):
        data = make_tar([("a.jpg", b"A")])[:1024] + header("b.jpg", size)
        assert lines(read(data)) == [("a", b"A"), ("b", "truncated-shard")]


def test_a_name_of_gigabytes_is_not_read_into_memory() -> None:
    # 60 MB of "name" of which tarfile alone would make one bytes object.
    size = 60 * 2**20
    data = make_tar([("a.jpg", b"A")])[:1024] + header("././@LongLink", size, b"L") + bytes(size)
    found = read(data)
    assert lines(found) == [("a", b"A"), ("@1024", "truncated-shard")]
    assert "a header of" in str(found[1].fault)


def test_a_negative_size_does_not_send_the_reader_backwards() -> None:
    for kind in (tarfile.REGTYPE, b"x", b"L"):
        data = make_tar([("a.jpg", b"A")])[:1024] + header("b.jpg", -1024, kind) + bytes(1024)
        assert lines(read(data)) == [("a", b"A"), ("@1024", "truncated-shard")]


def test_a_chain_of_extension_headers_does_not_exhaust_the_stack() -> None:
    data = header("x", 0, b"x") * 5000 + make_tar([("a.jpg", b"A")])
    assert lines(read(data)) == [("@0", "truncated-shard")]


def test_a_file_that_shrinks_while_it_is_read_is_an_error_of_storage() -> None:
    data = make_tar([("a.jpg", b"A" * 600)])
    with pytest.raises(OSError, match="shrank"):
        list(read_tar(io.BytesIO(data[:700]), len(data), MAX_BYTES, lambda number: True))


def test_headers_already_read_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tarfile.TarFile] = []
    open_tar = tarfile.open

    def recording_open(*positional: object, **named: object) -> tarfile.TarFile:
        opened.append(open_tar(*positional, **named))  # type: ignore[call-overload]  # as called
        return opened[-1]

    data = make_tar([(f"{n}.jpg", b"") for n in range(50)])
    monkeypatch.setattr("pipeline.inputs.archive.tarfile.open", recording_open)
    for _ in read_tar(io.BytesIO(data), len(data), MAX_BYTES, lambda number: True):
        assert len(getattr(opened[0], "members")) <= 1  # noqa: B009 - tarfile's own, undocumented


def test_no_damage_raises_anything() -> None:
    # The same with 30 000 damaged tars, their checksums mended, raised nothing.
    draw = random.Random(0)  # noqa: S311 - repeatable, not secret
    members = [("a.jpg", b"1" * 700), ("a.json", b"{}"), ("x" * 150 + ".png", b"3"), ("ü.jpg", b"")]
    seeds = [make_tar(members, kind) for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
    for _ in range(1000):
        data = bytearray(draw.choice(seeds))
        for _ in range(draw.choice((1, 2, 5))):
            # Sizes, types and names of headers rather than bytes of files.
            at = draw.randrange(len(data) // 512) * 512 + draw.choice((0, 124, 130, 135, 156))
            data[at] = draw.choice((0, 255, 128, 48, 55, *b"xLSg12"))
        for start in range(0, len(data), 512):
            block = data[start : start + 512]
            if block[257:262] == b"ustar":
                total = sum(block[:148]) + 8 * 32 + sum(block[156:])
                data[start + 148 : start + 156] = b"%06o\0 " % total
        for image in read(bytes(data[: draw.randrange(len(data))])):
            image.member.encode()
