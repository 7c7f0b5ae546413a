"""Suffixes: which files are images, and what is said of those that are not read."""

import pytest

from pipeline.images.formats import (
    NEVER_READ,
    READ_ALWAYS,
    READ_WITH,
    image_suffixes,
    suffix_of,
    why_not_read,
)


def test_suffixes_are_lower_case_without_a_dot_and_each_stands_once() -> None:
    every = [*READ_ALWAYS, *READ_WITH, *NEVER_READ]
    assert all(suffix == suffix.lower() and suffix.isalnum() for suffix in every)
    assert len(every) == len(set(every))
    assert {"jpg", "jpeg", "png", "webp", "tif", "tiff", "bmp", "gif"} <= image_suffixes()


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("photo.JPG", "jpg"),
        ("a.b/photo", ""),
        ("a/photo.tar.gz", "gz"),
        ("photo.jpg ", "jpg"),
        (".jpg", ""),
        ("photo.", ""),
        ("", ""),
    ],
)
def test_a_suffix_is_what_follows_the_last_dot_of_the_name(name: str, suffix: str) -> None:
    assert suffix_of(name) == suffix


def test_what_is_passed_over_is_given_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.images.formats.find_spec", lambda name: None)
    assert why_not_read("heic") == "not readable here; install pillow-heif"
    assert why_not_read("jxl") == "not readable here; install pillow-jxl-plugin"
    assert "convert" in why_not_read("nef")
    assert why_not_read("txt") == "no image's suffix"
