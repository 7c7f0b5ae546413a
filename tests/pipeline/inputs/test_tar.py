"""Tars: every image is read, every fault is one entry, and no archive harms the reader."""

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable

import pytest

from pipeline.images.formats import image_suffixes
from tests.made.pixels.tar_lines import lines, read, read_members
from tests.made.pixels.tars import make_tar, special


def test_images_are_read_in_order_and_other_fields_are_not() -> None:
    found = read(
        make_tar([("a.jpg", b"A"), ("a.json", b"{}"), ("dir/b.cls", b"3"), ("dir/b.PNG", b"B")])
    )
    assert lines(found) == [("a", b"A"), ("dir/b", b"B")]
    assert [image.member for image in found] == ["a.jpg", "dir/b.PNG"]


def test_the_key_ends_at_the_first_dot_of_the_file_name() -> None:
    assert read_members(("v1.2/a.jpg", b"A"), ("./b.jpg", b"B")) == [("v1.2/a", b"A"), ("b", b"B")]


def test_a_mask_beside_the_image_is_not_its_image() -> None:
    assert read_members(("a.seg.png", b"M"), ("a.jpg", b"A")) == [("a", b"A")]
    assert read_members(("a.jpg", b"A"), ("a.seg.png", b"M")) == [("a", b"A")]


def test_a_name_with_more_dots_is_an_image_where_no_other_is() -> None:
    assert read_members(("a.v2.jpg", b"A"), ("b.jpg", b"B")) == [("a.v2", b"A"), ("b", b"B")]


def test_names_that_differ_behind_their_first_dot_are_images_of_their_own() -> None:
    names = ["IMG.jpg", "IMG.1.jpg", "IMG.2.jpg", "2024.01.01.jpg", "2024.01.02.jpg"]
    names += ["St. Gallen edge.jpg", "2024-05-01 12.30.16 (label).jpg"]
    names += ["scan 0.5mm.jpg", "scan 0.7mm.jpg", "a.input.jpg", "a.output.jpg", "b.jpg.jpg"]
    found = read_members(*((name, name.encode()) for name in names))
    assert found == [(name.removesuffix(".jpg"), name.encode()) for name in names]


@pytest.mark.parametrize("field", ["seg", "mask", "depth", "depth16", "normal", "gt", "a.mask_2"])
@pytest.mark.parametrize("beside", ["a.heic", "a.json", "a.jpg_large"])
def test_a_mask_or_depth_map_is_never_the_image(
    field: str, beside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.images.formats.find_spec", lambda name: None)
    mask = (f"a.{field}.png", b"M")
    for members in ([mask, (beside, b"x")], [(beside, b"x"), mask], [mask]):
        assert read_members(*members, ("b.jpg", b"B")) == [("b", b"B"), ("a", "no-image")]


def test_an_image_whose_reader_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.images.formats.find_spec", lambda name: None)
    image_suffixes.cache_clear()
    (fault,) = read(make_tar([("a.seg.png", b"M"), ("a.heic", b"H")]))
    image_suffixes.cache_clear()
    assert ".heic, .seg.png" in str(fault.fault)
    assert "install pillow-heif" in str(fault.fault)


def test_members_of_one_key_are_one_sample_wherever_they_lie() -> None:
    # Packed by extension: all JSON first, then all images.
    members = [("a.json", b"{}"), ("b.json", b"{}"), ("c.json", b"{}"), ("a.jpg", b"A")]
    assert read_members(*members, ("b.jpg", b"B")) == [("a", b"A"), ("b", b"B"), ("c", "no-image")]


def test_a_file_without_a_suffix_is_an_image_if_it_begins_as_one() -> None:
    jpeg, text = b"\xff\xd8\xff\xe0" + bytes(40), b"PLEASE READ"
    found = read_members(("d/009", jpeg), ("README", text), ("009.json", b"{}"), ("empty", b""))
    assert found == [("d/009", jpeg), ("009", "no-image")]


def test_a_hidden_image_is_a_fault_but_no_attributes_of_another() -> None:
    members = [
        (".a.jpg", b"A"),
        ("._b.jpg", b"x"),
        ("d/._c.jpg", b"x"),
        ("__MACOSX/d/._e.jpg", b"x"),
    ]
    assert read_members(*members, (".DS_Store", b"x")) == [(".a", "no-image")]


def test_tars_one_behind_the_other_are_read_whole() -> None:
    first, second = make_tar([("a.jpg", b"A")]), make_tar([("b.jpg", b"B" * 600), ("c.jpg", b"C")])
    expected = [("a", b"A"), ("b", b"B" * 600), ("c", b"C")]
    for between in (b"", bytes(512), bytes(3 * 2**20)):
        assert lines(read(first + between + second)) == expected
    assert lines(read(make_tar([]) + first)) == [("a", b"A")]
    # Cut inside the second, and followed by something else.
    cut = first + second[:700]
    assert lines(read(cut)) == [("a", b"A"), ("b", "truncated-shard")]
    assert lines(read(first + b"x" * 600)) == [("a", b"A"), (f"@{len(first)}", "truncated-shard")]


@pytest.mark.parametrize("squeeze", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_tar_is_known_by_its_contents(squeeze: Callable[[bytes], bytes]) -> None:
    members = [("a.jpg", b"A"), ("b.jpg", bytes(range(256)) * 9), ("c.jpg", b"C")]
    data = squeeze(make_tar(members) + make_tar([("d.jpg", b"D")]))
    assert [i.data for i in read(data)] == [*(data for _, data in members), b"D"]
    assert [len(i.data) for i in read(data, wanted=lambda n: n == 2)] == [0, 0, 1, 0]
    found = read(data[: len(data) // 2])
    assert found[-1].fault is not None
    assert found[-1].fault.reason == "truncated-shard"
    assert "compressed" in found[-1].fault.message


@pytest.mark.parametrize(
    ("data", "name"), [(b"PK\3\4" * 400, "zip"), (b"\x28\xb5\x2f\xfd" * 400, "zstd")]
)
def test_another_archive_is_named(data: bytes, name: str) -> None:
    (fault,) = read(data)
    assert name in str(fault.fault)


def test_names_without_an_extension_and_hidden_names_belong_to_no_sample() -> None:
    assert read_members(("README", b"x"), ("._a.jpg", b"x"), ("a.jpg", b"A")) == [("a", b"A")]


def test_a_folder_is_no_sample() -> None:
    assert read_members(special("photos.d", tarfile.DIRTYPE), ("a.jpg", b"A")) == [("a", b"A")]


def test_a_sample_without_an_image_is_a_fault_and_its_neighbours_are_read() -> None:
    found = read_members(("a.jpg", b"A"), ("b.json", b"{}"), ("b.txt", b""), ("c.jpg", b"C"))
    assert found == [("a", b"A"), ("c", b"C"), ("b", "no-image")]
    assert read_members(("z.json", b"{}")) == [("z", "no-image")]


def test_two_images_of_one_key_are_both_given_out_in_order() -> None:
    assert read_members(("a.jpg", b"1"), ("a.png", b"2")) == [("a", b"1"), ("a", b"2")]


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_other_alphabets_are_kept(kind: int) -> None:
    names = ["ü/猫.jpg", "x" * 90 + ".jpg"]
    names += [] if kind == tarfile.USTAR_FORMAT else ["d/" * 200 + "y.jpg"]
    found = read(make_tar([(name, b"A") for name in names], kind))
    assert [image.member for image in found] == names


def test_a_name_that_is_no_text_becomes_text() -> None:
    data = make_tar([("a?.jpg", b"A")]).replace(b"a?.jpg", b"a\xff.jpg")
    # The checksum of the header, at byte 148, is that of other bytes now.
    block = bytearray(data[:512])
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    assert lines(read(bytes(block) + data[512:])) == [("a%FF", b"A")]
