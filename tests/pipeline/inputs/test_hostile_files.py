"""Files made to harm: memory stays bounded, nothing is written, and each is one plain refusal."""

import io
import os
import resource
import struct
import subprocess
import sys
import tarfile
import textwrap
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.images.decode import decode_image
from pipeline.inputs.tar import TarImage, read_tar
from schemas.errors import ImageRejected
from schemas.job.compute import Limits
from tests.made.pixels.tars import Member, header, make_tar, special

QUICK = settings(max_examples=100)


def peak_growth_mb(work: str, file: Path) -> int:
    """Run `work` on the file in a process of its own; return by how many MB its peak grew."""
    program = f"""
    import resource, sys
    from pipeline.images.decode import decode_image
    from pipeline.inputs.shards import read_units
    from pipeline.inputs.sources import plan_shards
    from schemas.errors import ImageRejected
    from schemas.job.label import Limits, Storage
    from schemas.job.source import ParquetImages, WebDataset
    path = sys.argv[1]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    {textwrap.indent(textwrap.dedent(work), "    ").strip()}
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(file)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_eight_gib,
    )
    assert run.returncode == 0, run.stderr
    return int(run.stdout.split()[-1])


def _eight_gib() -> None:
    # Of addresses, most of which pyarrow's allocator only reserves.
    resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))


UNITS = """
source = {source}
(shard,) = plan_shards(source, Storage(), 10)
units = list(read_units(shard, source, Storage(), Limits({limits})))
found = [i.fault.reason if i.fault else "read" for unit in units for i in unit.images]
assert found == {found}, found
"""
WEBDATASET = 'WebDataset(type="webdataset", shards=path)'
PARQUET = 'ParquetImages(type="parquet", files=path)'


def sparse_gnu(name: str, size: int) -> bytes:
    """A header of GNU's own sparse format: no stored bytes, `size` when expanded."""
    block = bytearray(header(name, 0, tarfile.GNUTYPE_SPARSE))
    block[386:410] = b"%011o\0%011o\0" % (0, 0)
    block[483:495] = b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def test_a_tar_of_huge_claims_costs_no_memory_and_writes_nothing(tmp_path: Path) -> None:
    claims = sparse_gnu("gnu.jpg", 10 * 2**30)
    evil = [("../x.jpg", b"evil"), ("/etc/x.jpg", b"evil"), special("l.jpg", tarfile.SYMTYPE, "/")]
    tar = claims + make_tar(evil)[: 5 * 512] + header("z.jpg", 10 * 2**30)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.tar").write_bytes(tar)
    expected = ["too-large", "unsafe-name", "unsafe-name", "unsafe-name", "truncated-shard"]
    work = UNITS.format(source=WEBDATASET, limits="", found=expected)
    assert peak_growth_mb(work, folder / "a.tar") < 100
    assert sorted(os.listdir(tmp_path)) == ["in"]
    assert not Path("/etc/x.jpg").exists()


def test_a_member_that_is_really_ten_gigabytes_is_skipped_and_its_neighbour_read(
    tmp_path: Path,
) -> None:
    size = 10 * 2**30
    path = tmp_path / "a.tar"
    with path.open("wb") as file:
        file.write(header("big.jpg", size))
        file.seek(size, os.SEEK_CUR)  # a hole: 10 GB long, no disk
        file.write(make_tar([("z.jpg", b"Z")]))
    work = UNITS.format(source=WEBDATASET, limits="", found=["too-large", "read"])
    assert peak_growth_mb(work, path) < 100


def test_a_parquet_row_of_200_mb_costs_its_page_and_its_neighbours_are_read(
    tmp_path: Path,
) -> None:
    images = [b"1", bytes(200 * 2**20), b"3"]
    table = pa.table({"id": [1, 2, 3], "image": pa.array(images, pa.binary())})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd", use_dictionary=False)
    work = UNITS.format(
        source=PARQUET, limits="max_bytes=1000", found=["read", "too-large", "read"]
    )
    # The page, its decoded column, and the cell: three copies of 200 MB.
    assert peak_growth_mb(work, tmp_path / "a.parquet") < 900


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    ihdr = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", ihdr) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_an_image_that_claims_sixty_thousand_pixels_a_side_costs_no_memory(
    kind: str, tmp_path: Path
) -> None:
    if kind == "png":
        data = png_claiming(60000, 60000)
    else:
        buffer = io.BytesIO()
        Image.new("RGB", (16, 16)).save(buffer, "JPEG")
        data = buffer.getvalue()
        start = data.index(b"\xff\xc0") + 5
        data = data[:start] + struct.pack(">HH", 60000, 60000) + data[start + 4 :]
    (tmp_path / "bomb").write_bytes(data)
    work = """
    try:
        decode_image(open(path, "rb").read(), Limits())
    except ImageRejected as rejected:
        assert rejected.reason == "too-large", rejected
    else:
        raise AssertionError("decoded")
    """
    assert peak_growth_mb(work, tmp_path / "bomb") < 50


def test_an_image_whose_claim_the_limit_allows_is_rejected_when_its_bytes_end() -> None:
    with pytest.raises(ImageRejected) as raised:
        decode_image(png_claiming(2000, 2000), Limits())
    assert raised.value.reason == "decode"


def test_contents_count_and_not_the_suffix() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (5, 4)).save(buffer, "PNG")
    (image,) = _read(make_tar([("a.jpg", buffer.getvalue())]))
    assert decode_image(image.data, Limits()).pixels_HW3.shape == (4, 5, 3)


def _read(data: bytes) -> list[TarImage]:
    return list(read_tar(io.BytesIO(data), len(data), 10_000, lambda number: True))


FORMATS = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
parts = st.text(st.characters(codec="utf-8", exclude_characters="/\0."), min_size=1, max_size=60)
paths = st.lists(parts, min_size=1, max_size=6).map("/".join)
members = st.lists(
    st.tuples(paths, st.binary(max_size=1500)), max_size=6, unique_by=lambda member: member[0]
)


def _written(files: list[tuple[str, bytes]], kind: int) -> tuple[bytes, list[Member]] | None:
    named: list[Member] = [(f"{path}.jpg", data) for path, data in files]
    try:
        return make_tar(named, kind), named
    except ValueError:
        return None  # a name that ustar cannot hold


@QUICK
@given(members, FORMATS)
def test_a_tar_as_python_writes_it_is_read_as_it_was_written(
    files: list[tuple[str, bytes]], kind: int
) -> None:
    if made := _written(files, kind):
        data, named = made
        assert [(i.member, i.data) for i in _read(data)] == named
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            assert tar.getnames() == [image.member for image in _read(data)]


@QUICK
@given(members, FORMATS, st.floats(0, 1))
def test_a_tar_cut_anywhere_gives_its_whole_members_and_one_fault(
    files: list[tuple[str, bytes]], kind: int, kept: float
) -> None:
    if made := _written(files, kind):
        data, named = made
        found = _read(data[: int(len(data) * kept)])
        whole = [(image.member, image.data) for image in found if not image.fault]
        assert whole == named[: len(whole)]
        assert [image.fault.reason for image in found if image.fault] in (["truncated-shard"], [])
        if len(whole) < len(named):
            assert found[-1].fault


@QUICK
@given(st.binary(max_size=2000))
def test_any_bytes_are_a_tar_or_one_fault(data: bytes) -> None:
    assert all(image.fault or image.data is not None for image in _read(data))
