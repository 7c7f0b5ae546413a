"""An episode is loaded as it was indexed: every pixel of image, mask and ignored region."""

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from pipeline.datasets.index import DatasetIndex, open_index
from pipeline.episodes.draw import draw_episode, make_pool
from pipeline.episodes.load import EpisodeReader, LoadedEpisode
from pipeline.images.decode import decode_image
from schemas.errors import BadInput, MissingFile
from schemas.job.compute import Limits
from schemas.job.dataset import Dataset
from schemas.job.episode import EpisodeSettings
from schemas.job.reference import Box, Points
from schemas.job.storage import Storage
from tests.made.data.datasets import (
    LARGE,
    SMALL,
    CocoFiles,
    filled,
    jpeg,
    write,
    write_folder,
    write_voc,
)
from tests.made.outputs.committed import commit_units, label_rows
from tests.made.servers.s3 import Bucket


def _index(dataset: dict[str, Any], uri: str, storage: Storage | None = None) -> DatasetIndex:
    checked = TypeAdapter(Dataset).validate_python(dataset)
    return open_index(checked, uri, storage or Storage())


def _load(
    index: DatasetIndex, count: int, storage: Storage | None = None, **settings: Any
) -> list[LoadedEpisode]:
    ids = [category.id for category in index.commit.categories]
    pool = make_pool(index, ids, EpisodeSettings.model_validate(settings))
    reader = EpisodeReader(index, storage or Storage())
    return [reader.load(draw_episode(pool, 0, 0, number)) for number in range(count)]


def _pixels(data: bytes) -> np.ndarray:
    return decode_image(data, Limits()).pixels_HW3


def test_images_masks_and_ignored_pixels_are_those_of_the_dataset(tmp_path: Path) -> None:
    coco = CocoFiles(tmp_path, ("cat",))
    for number in range(3):
        coco.image(number, cat=LARGE)
        coco.annotate(number, "cat", {"size": [80, 100], "counts": [0, 160, 7840]}, iscrowd=1)
    crowd_HW = np.zeros((80, 100), bool)
    crowd_HW[:, :2] = True
    for loaded in _load(_index(coco.save(), f"{tmp_path}/index"), 6):
        target = loaded.episode.target_image
        assert np.array_equal(loaded.target_HW3, _pixels(jpeg(target)))
        assert np.array_equal(loaded.mask_HW, filled(LARGE))
        assert np.array_equal(loaded.ignore_HW, crowd_HW)
        (reference,) = loaded.references
        assert isinstance(reference.annotation, np.ndarray)
        assert np.array_equal(reference.annotation, filled(LARGE))
        assert reference.category_id == 1
        assert not np.array_equal(reference.image_HW3, loaded.target_HW3)


def test_every_format_is_simulated_from_the_references_mask(tmp_path: Path) -> None:
    index = _index(write_folder(tmp_path / "p", {"cat": 4}), f"{tmp_path}/index")
    for form, kind in (("points", Points), ("box", Box), ("scribbles", np.ndarray)):
        for loaded in _load(index, 4, formats={form: 1}, references={"min": 2, "max": 2}):
            assert [type(r.annotation) for r in loaded.references] == [kind, kind]
    (loaded,) = _load(index, 1, formats={"points": 1}, references={"min": 2, "max": 2})
    one, other = (reference.annotation for reference in loaded.references)
    assert one != other  # of equal masks: each reference has a seed of its own


def test_loading_an_episode_twice_gives_the_same_arrays(tmp_path: Path) -> None:
    index = _index(write_folder(tmp_path / "p", {"cat": 4}), f"{tmp_path}/index")
    first, second = (_load(index, 3, formats={"scribbles": 1})[2] for _ in range(2))
    assert np.array_equal(first.target_HW3, second.target_HW3)
    one, other = first.references[0].annotation, second.references[0].annotation
    assert isinstance(one, np.ndarray)
    assert isinstance(other, np.ndarray)
    assert np.array_equal(one, other)


def test_a_negatives_mask_is_empty_and_vocs_ignored_pixels_stay_ignored(tmp_path: Path) -> None:
    cats, dogs = filled(LARGE) * 8, filled(LARGE) * 12
    for values_HW in (cats, dogs):
        values_HW[:3] = 255
    masks = {f"cat{n}": cats for n in range(3)} | {f"dog{n}": dogs for n in range(3)}
    index = _index(write_voc(tmp_path, masks), f"{tmp_path}/index")
    for loaded in _load(index, 8, negative_share=1):
        assert not loaded.mask_HW.any()
        assert np.array_equal(loaded.ignore_HW, cats == 255)
        assert isinstance(loaded.references[0].annotation, np.ndarray)
        assert np.array_equal(loaded.references[0].annotation, filled(LARGE))


def test_pixels_of_a_novel_class_are_background_in_training(tmp_path: Path) -> None:
    # Fold 0 of PASCAL-5i holds back aeroplane (1); bus (6) is trained on. Every image shows both.
    values_HW = filled(LARGE) * 6 + filled(SMALL) * 1
    index = _index(write_voc(tmp_path, {f"i{n}": values_HW for n in range(3)}), f"{tmp_path}/i")
    pool = make_pool(index, [6], EpisodeSettings())
    loaded = EpisodeReader(index, Storage()).load(draw_episode(pool, 0, 0, 0))
    assert not loaded.mask_HW[filled(SMALL)].any()
    assert not loaded.ignore_HW.any()


def test_a_folder_on_s3_is_indexed_and_read_there(tmp_path: Path, bucket: Bucket) -> None:
    write_folder(tmp_path / "p", {"cat": 3})
    for path in (tmp_path / "p").rglob("*.*"):
        bucket.put(f"photos/{path.relative_to(tmp_path / 'p')}", path.read_bytes())
    dataset = {"type": "folder", "root": f"{bucket.uri}/photos"}
    index = _index(dataset, f"{bucket.uri}/index", bucket.storage)
    for loaded in _load(index, 3, bucket.storage):
        assert np.array_equal(loaded.target_HW3, _pixels(jpeg(loaded.episode.target_image)))
        assert np.array_equal(loaded.mask_HW, filled(LARGE))


def _commit_of_tar(bucket: Bucket) -> dict[str, Any]:
    """Commit labels of four photos in a tar on S3; the last shows no cat."""
    buffer = io.BytesIO()
    rows = []
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for number in range(4):
            data = jpeg(number)
            info = tarfile.TarInfo(f"photos/{number}.jpg")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
            masks = {"cat": filled(LARGE if number < 3 else (0, 0, 0, 0)), "dog": filled(SMALL)}
            uri = f"{bucket.uri}/in/a.tar#photos/{number}.jpg"
            rows += label_rows(f"a/{number}", masks, uri, score=0.5 + number / 10)
    bucket.put("in/a.tar", buffer.getvalue())
    commit_units(f"{bucket.uri}/out", [(rows, [])], "webdataset", storage=bucket.storage)
    return {"type": "commit", "output": f"{bucket.uri}/out"}


def test_committed_labels_are_trained_on_where_the_images_lie(bucket: Bucket) -> None:
    index = _index(_commit_of_tar(bucket), f"{bucket.uri}/index", bucket.storage)
    assert index.images["range_start"].null_count == 0
    ids = index.images["image_id"].to_pylist()
    assert ids == ["a/0", "a/1", "a/2", "a/3"]
    assert [(c.name, c.images) for c in index.commit.categories] == [("cat", 3), ("dog", 4)]
    for loaded in _load(index, 6, bucket.storage, min_area_px=80):
        number = int(ids[loaded.episode.target_image][2:])
        assert np.array_equal(loaded.target_HW3, _pixels(jpeg(number)))
        shown = LARGE if loaded.episode.category_id == 3 else SMALL
        assert np.array_equal(loaded.mask_HW, filled(shown))
    negatives = _load(index, 12, bucket.storage, min_area_px=80, negative_share=1)
    absent = [e.episode for e in negatives if e.episode.target_object is None]
    assert {(e.category_id, ids[e.target_image]) for e in absent} == {(3, "a/3")}


def test_committed_labels_below_the_score_are_neither_shown_nor_absent(bucket: Bucket) -> None:
    dataset = {**_commit_of_tar(bucket), "min_score": 0.65}
    index = _index(dataset, f"{bucket.uri}/index", bucket.storage)
    assert [(c.name, c.images) for c in index.commit.categories] == [("cat", 1), ("dog", 2)]
    assert index.objects["state"].to_pylist().count("absent") == 1


def test_labels_of_untrained_weights_are_not_trained_on(tmp_path: Path) -> None:
    rows = label_rows("1", {"cat": filled(LARGE), "dog": filled(SMALL)})
    commit_units(f"{tmp_path}/out", [(rows, [])], random_weights=("method.weights",))
    with pytest.raises(BadInput, match="untrained"):
        _index({"type": "commit", "output": f"{tmp_path}/out"}, f"{tmp_path}/index")


def test_images_of_a_commit_that_are_gone_or_changed_are_listed(tmp_path: Path) -> None:
    masks = {"cat": filled(LARGE), "dog": filled(SMALL)}
    write(tmp_path / "0.jpg", jpeg(0))
    write(tmp_path / "1.jpg", jpeg(1, (10, 10)))
    rows = [row for n in range(3) for row in label_rows(str(n), masks, f"{tmp_path}/{n}.jpg")]
    commit_units(f"{tmp_path}/out", [(rows, [])])
    index = _index({"type": "commit", "output": f"{tmp_path}/out"}, f"{tmp_path}/index")
    assert index.images["image_id"].to_pylist() == ["0"]
    assert index.problems["reason"].to_pylist() == ["misaligned", "missing-image"]


def test_a_file_that_vanished_or_changed_after_indexing_is_named(tmp_path: Path) -> None:
    index = _index(write_folder(tmp_path / "p", {"cat": 2}), f"{tmp_path}/index")
    write(tmp_path / "p/cat/0.jpg", jpeg(0)[:300])
    with pytest.raises(BadInput, match="cannot be decoded"):
        _load(index, 1)
    write(tmp_path / "p/cat/0.jpg", jpeg(0, (9, 9)))
    with pytest.raises(BadInput, match="changed since it was indexed"):
        _load(index, 1)
    write(tmp_path / "p/cat/0.jpg", jpeg(9))  # another photo of the same size
    with pytest.raises(BadInput, match="changed since it was indexed"):
        _load(index, 1)
    (tmp_path / "p/cat/0.jpg").unlink()
    with pytest.raises(MissingFile):
        _load(index, 1)
