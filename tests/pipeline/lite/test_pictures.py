"""What lite trains on: photos divided by group, pictures with exact masks, a bank that renews."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.networks.lite.trunk import GRID
from pipeline.lite.draw import Episodes, annotate
from pipeline.lite.feed import Drawer, Feed, batches_beside
from pipeline.lite.photos import Material, Photo, hold_out, read_cutouts, read_photos
from pipeline.lite.pictures import HALF, SIDE, Pictures
from schemas.errors import BadInput
from tests.made.pixels.pictures import encoded, entry, filled, photo

PHOTOS = [
    photo("shop-1", "a", "cup", "spoon"),
    photo("shop-22", "b", "cup"),
    photo("shop-333", "c", "spoon"),
    photo("shop-4444", "a", "fork"),
]


def cutout(seed: int) -> bytes:
    rgba = np.random.default_rng(seed).integers(0, 255, (40, 30, 4), dtype=np.uint8)
    rgba[..., 3] = 255
    return encoded(rgba, "PNG")


MATERIAL = Material(PHOTOS, {"acorn": [cutout(1), cutout(2)], "kite": [cutout(3)]})


def test_one_id_under_two_categories_is_one_photo_with_the_manifests_group(tmp_path: Path) -> None:
    for category, mask in PHOTOS[0].masks.items():
        (tmp_path / category).mkdir()
        (tmp_path / category / "shop-1.jpg").write_bytes(PHOTOS[0].jpeg)
        (tmp_path / category / "shop-1.png").write_bytes(mask)
    rows = [{"category": name, "id": "shop-1", "group": "g7"} for name in PHOTOS[0].masks]
    (tmp_path / "manifest.json").write_text(json.dumps(rows))
    (found,) = read_photos(tmp_path)
    assert (found.id, found.group, found.source) == ("shop-1", "g7", "shop")
    assert sorted(found.masks) == ["cup", "spoon"]
    assert found.mask("cup").sum() == 40 * 25


def laid_out(folder: Path, pairs: dict[str, tuple[bytes, bytes]]) -> Path:
    """Write `<category>/<id>` with .jpg and .png."""
    for name, (jpeg, png) in pairs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.jpg").write_bytes(jpeg)
        (folder / f"{name}.png").write_bytes(png)
    return folder


def test_two_photos_numbered_alike_in_two_categories_are_two_photos(tmp_path: Path) -> None:
    cup, spoon = photo("00", "", "cup"), photo("another", "", "spoon")
    pairs = {"cup/00": (cup.jpeg, cup.masks["cup"]), "spoon/00": (spoon.jpeg, spoon.masks["spoon"])}
    found = read_photos(laid_out(tmp_path, pairs))
    by_category = {name: p for p in found for name in p.masks}
    assert [len(p.masks) for p in found] == [1, 1]
    assert by_category["cup"].jpeg == cup.jpeg
    assert by_category["spoon"].jpeg == spoon.jpeg
    training, validation = hold_out(found, ["cup"])
    assert (training, validation) == ([by_category["spoon"]], [by_category["cup"]])


def test_equal_photos_of_two_ids_are_never_divided_between_training_and_scoring(
    tmp_path: Path,
) -> None:
    cup = photo("00", "", "cup", "spoon")
    pairs = {"cup/00": (cup.jpeg, cup.masks["cup"]), "spoon/7": (cup.jpeg, cup.masks["spoon"])}
    training, validation = hold_out(read_photos(laid_out(tmp_path, pairs)), ["cup"])
    assert (training, len(validation)) == ([], 2)


def test_a_mask_of_another_size_than_its_photo_is_refused(tmp_path: Path) -> None:
    mask = encoded(np.full((80, 60), 255, np.uint8), "PNG")
    folder = laid_out(tmp_path, {"cup/1": (PHOTOS[0].jpeg, mask)})
    with pytest.raises(BadInput, match=r"cup/1\.png\n.*60 x 80 pixels\n.*80 x 60"):
        read_photos(folder)


def test_a_photo_is_turned_as_its_exif_says_and_its_mask_lies_on_what_is_displayed(
    tmp_path: Path,
) -> None:
    stored, exif, buffer = np.zeros((60, 80, 3), np.uint8), Image.Exif(), io.BytesIO()
    stored[:, :40] = 255
    exif[0x0112] = 6  # displayed after a quarter turn to the right
    Image.fromarray(stored).save(buffer, "JPEG", exif=exif)
    mask = np.zeros((80, 60), np.uint8)
    mask[:40] = 255
    folder = laid_out(tmp_path, {"cup/1": (buffer.getvalue(), encoded(mask, "PNG"))})
    (found,) = read_photos(folder)
    assert ((np.asarray(found.open()) > 127).all(axis=2) == found.mask("cup")).all()


def test_any_colour_of_a_mask_but_black_is_the_object() -> None:
    palette = Image.fromarray(np.eye(8, dtype=np.uint8), "P")
    palette.putpalette([0, 0, 0, 0, 0, 1])
    buffer = io.BytesIO()
    palette.save(buffer, "PNG")
    found = Photo("shop-1", "a", b"", {"cup": buffer.getvalue()})
    assert (found.mask("cup") == np.eye(8, dtype=bool)).all()
    assert (np.asarray(found.open_mask("cup")) == 255 * np.eye(8)).all()


def test_a_photo_that_is_none_is_refused(tmp_path: Path) -> None:
    folder = laid_out(tmp_path, {"cup/1": (b"a page", PHOTOS[0].masks["cup"])})
    with pytest.raises(BadInput, match="cannot be read"):
        read_photos(folder)


def test_a_drawing_process_that_dies_is_told_at_once() -> None:
    broken = Material([Photo("shop-1", "a", b"", {"cup": b""})])
    feed = Feed(targets=2, room=30, first=30, fresh=3)
    with (
        batches_beside(broken, feed, seed=1, processes=1) as drawers,
        pytest.raises(ChildProcessError, match="exit code 1"),
    ):
        drawers.next()


@pytest.mark.parametrize("text", ['[{"file": "a.jpg"}]', "[1]", "{"])
def test_a_manifest_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(BadInput, match="category, id and group"):
        read_photos(tmp_path)


def test_a_held_out_category_takes_its_photos_whole_groups_along() -> None:
    training, validation = hold_out(PHOTOS, ["fork"])
    assert [p.id for p in training] == ["shop-22", "shop-333"]
    assert [p.id for p in validation] == ["shop-1", "shop-4444"]


def test_the_same_seed_draws_the_same_pictures() -> None:
    first, second = Pictures(MATERIAL, 3), Pictures(MATERIAL, 3)
    for _ in range(12):
        one, other = first.draw(), second.draw()
        assert one.categories == other.categories
        assert (one.image_HW3 == other.image_HW3).all()
        assert (one.masks_KHW == other.masks_KHW).all()
        assert one.image_HW3.shape == (SIDE, SIDE, 3)
        assert one.masks_KHW.shape == (len(one.categories), HALF, HALF)
        assert all(mask.any() for mask in one.masks_KHW)


def test_cut_outs_of_other_categories_are_pasted_and_come_again() -> None:
    pictures = Pictures(MATERIAL, 3)
    names = [name for _ in range(60) for name in pictures.draw().categories]
    pasted = [name for name in names if name.startswith("cutout/")]
    assert len(pasted) > len(set(pasted)) > 0
    assert set(pasted) <= {f"cutout/{name}" for name in MATERIAL.cutouts}


def test_a_folder_of_cut_outs_is_read_by_category(tmp_path: Path) -> None:
    for name, pngs in MATERIAL.cutouts.items():
        (tmp_path / name).mkdir()
        for number, png in enumerate(pngs):
            (tmp_path / name / f"{number}.png").write_bytes(png)
    assert read_cutouts(tmp_path) == MATERIAL.cutouts
    with pytest.raises(BadInput, match="no cut-outs"):
        read_cutouts(tmp_path / "acorn")


def test_a_full_bank_forgets_its_oldest_picture_and_where_its_categories_were() -> None:
    bank = filled(entry("cup"), entry("spoon"), entry("spoon", "fork"), room=2)
    assert bank.added == 3
    assert dict(bank.where) == {"spoon": {0, 1}, "fork": {0}}
    assert bank.entry(0).mask("fork")[50, 100]


def test_a_target_is_asked_for_what_it_surely_lacks_or_shows() -> None:
    entries = [entry("cup", origin=f"g{n}", complete=True) for n in range(4)]
    entries += [entry("spoon", "fork", origin=f"h{n}", complete=True) for n in range(4)]
    episodes = Episodes(filled(*entries, room=20), targets=6, garments=frozenset())
    drawn = episodes.draw(np.random.default_rng(1))
    pairs = len(drawn.truth_PHW)
    assert len(drawn.targets) == 6
    assert len(drawn.references) == len(drawn.mask_Rhw) == pairs * drawn.shots
    assert drawn.mask_Rhw.any(axis=(1, 2)).all()
    lacking = ~drawn.truth_PHW.any(axis=(1, 2))
    assert lacking.reshape(6, -1)[:, -1].all()
    assert drawn.boxes.boxes_B4 is not None
    assert drawn.boxes.boxes_B4.shape == (6, 4)


def test_a_drawer_sends_pictures_first_and_then_batches_of_its_own_places() -> None:
    feed = Feed(targets=2, room=30, first=30, fresh=3)
    drawer = Drawer(Material(PHOTOS), feed, seed=5, first_slot=100)
    messages = [drawer.next() for _ in range(4)]
    assert [len(m.slots) for m in messages] == [20, 20, 3, 3]
    assert [m.drawn is None for m in messages] == [True, True, False, False]
    for message in messages:
        assert message.images_NHW3.shape == (len(message.slots), SIDE, SIDE, 3)
        assert set(message.slots) <= set(range(100, 130))
        if message.drawn:
            assert set(message.drawn.targets + message.drawn.references) <= set(range(100, 130))


@pytest.mark.parametrize("form", ["mask", "box", "scribbles", "points"])
def test_an_annotation_of_a_tiny_object_is_never_empty(form: str) -> None:
    mask = np.zeros((HALF, HALF), bool)
    mask[77, 101] = True
    drawn = annotate(mask, np.random.default_rng(0), form)  # pyright: ignore[reportArgumentType]
    assert drawn.shape == (GRID, GRID)
    assert drawn.any()
