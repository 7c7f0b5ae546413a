"""Growing, moving and reordered lists: no image is labelled twice or taken for another."""

from pathlib import Path

import pytest

from pipeline.inputs.sources import plan_inputs
from pipeline.output.namesakes import by_content, match_files
from pipeline.output.plan import extend_plan
from pipeline.storage.place import Place as Folder
from schemas.errors import BadInput
from schemas.job.source import ImageFiles, WebDataset
from schemas.job.storage import Storage
from tests.made.pixels.tars import make_tar
from tests.made.servers.places import Place


def files(*addresses: str) -> list[tuple[str, str]]:
    return [(address.rpartition("/")[2], address) for address in addresses]


def test_a_known_address_keeps_its_name_whatever_it_is_called_now() -> None:
    found = match_files({"x.jpg": "/a/x.jpg"}, [("a/x.jpg", "/a/x.jpg"), ("x.jpg", "/b/x.jpg")])
    assert found.known == {"x.jpg": "/a/x.jpg"}
    assert found.new == (("x~2.jpg", "/b/x.jpg"),)


def test_a_moved_collection_is_known_by_its_names_and_by_the_older_ones() -> None:
    planned = {"x.jpg": "/old/x.jpg", "k/x.jpg": "/old/k/x.jpg"}
    current = [("x.jpg", "/new/x.jpg"), ("k/x.jpg", "/new/k/x.jpg"), ("y.jpg", "/new/y.jpg")]
    found = match_files(planned, current)
    assert found.known == {"x.jpg": "/new/x.jpg", "k/x.jpg": "/new/k/x.jpg"}
    assert found.new == (("y.jpg", "/new/y.jpg"),)
    # [a, b] were once named below what they share; now b's names alone begin with "b".
    older = {"a/x.jpg": "/old/a/x.jpg", "b/x.jpg": "/old/b/x.jpg"}
    found = match_files(older, [("x.jpg", "/new/a/x.jpg"), ("b/x.jpg", "/new/b/x.jpg")])
    assert found.known == {"a/x.jpg": "/new/a/x.jpg", "b/x.jpg": "/new/b/x.jpg"}
    assert found.new == ()


def test_a_new_file_does_not_take_the_place_of_one_that_vanished_beside_others() -> None:
    planned = dict(files("/a/x.jpg", "/a/y.jpg"))
    found = match_files(planned, [("y.jpg", "/a/y.jpg"), ("x.jpg", "/b/x.jpg")])
    assert found.new == (("x~2.jpg", "/b/x.jpg"),)
    assert found.gone(planned) == ["x.jpg"]


def test_ids_of_coco_are_all_that_counts() -> None:
    current = [("7", "/b/y.jpg"), ("1", "/b/x.jpg")]
    found = match_files({"1": "/a/x.jpg"}, current, names_given=True)
    assert found.known == {"1": "/b/x.jpg"}
    assert found.new == (("7", "/b/y.jpg"),)


def test_ids_of_coco_that_mean_other_images_now_are_refused() -> None:
    with pytest.raises(BadInput, match=r"id 1\n.*b\.jpg \(so of 2 ids(.|\n)*a\.jpg, as when"):
        match_files(
            {"1": "/p/a.jpg", "2": "/p/b.jpg"},
            [("1", "/p/b.jpg"), ("2", "/p/c.jpg"), ("3", "/p/a.jpg")],
            names_given=True,
        )


@pytest.mark.parametrize("changed", [b"other", b"", b"longer than it was"])
def test_the_next_days_photos_of_the_same_names_are_others(changed: bytes, tmp_path: Path) -> None:
    place = Place(str(tmp_path), Storage())
    place.put({"one/1.jpg": b"photo", "two/1.jpg": changed, "copy/1.jpg": b"photo"})
    planned = {"1.jpg": f"{tmp_path}/one/1.jpg"}
    is_other = by_content(Storage())
    new = match_files(planned, [("1.jpg", f"{tmp_path}/two/1.jpg")], is_other=is_other)
    assert new.new == (("1~2.jpg", f"{tmp_path}/two/1.jpg"),)
    same = match_files(planned, [("1.jpg", f"{tmp_path}/copy/1.jpg")], is_other=is_other)
    assert same.moved(planned) == [("1.jpg", planned["1.jpg"], f"{tmp_path}/copy/1.jpg")]
    assert (same.new, same.gone(planned)) == ((), [])


@pytest.mark.parametrize("kind", ["images", "webdataset"])
@pytest.mark.parametrize(
    "steps",
    ["a ab", "b ab", "a ba", "ab ba", "a p", "p ab", "ab p a b", "a b ab", "k a p", "a pc"],
)
def test_folders_added_in_any_order_are_planned_once(kind: str, steps: str, tmp_path: Path) -> None:
    place = Place(str(tmp_path), Storage())
    for folder in ("p/a", "p/a/k", "p/a/b/c", "p/bb", "c"):
        size = len(folder) * 10_000  # tells them apart
        content = bytes(size) if kind == "images" else make_tar([("x.jpg", bytes(size))])
        place.put({f"{folder}/x.{'jpg' if kind == 'images' else 'tar'}": content})
    folders = {"a": "p/a", "b": "p/bb", "k": "p/a/k", "p": "p", "c": "c"}
    output = Folder.open(f"{tmp_path}/out", Storage())
    seen: dict[str, str] = {}
    for step in steps.split():
        uris = tuple(f"{tmp_path}/{folders[letter]}" for letter in step)
        source = (
            ImageFiles(type="images", uris=uris)
            if kind == "images"
            else WebDataset(type="webdataset", shards=uris)
        )
        inputs = plan_inputs(source, Storage(), 2)
        plan = extend_plan(output, inputs.shards, is_other=by_content(Storage()))
        named = [image for shard in plan.shards for image in shard.images]
        named += [(shard.name, shard.uri) for shard in plan.shards if shard.kind == "tar"]
        assert len({name for name, _ in named}) == len({uri for _, uri in named}) == len(named)
        addresses = {uri: name for name, uri in named}
        assert seen.items() <= addresses.items()
        seen = addresses
        listed = {uri for shard in inputs.shards for _, uri in shard.images}
        listed |= {shard.uri for shard in inputs.shards if shard.kind == "tar"}
        assert listed <= addresses.keys()
