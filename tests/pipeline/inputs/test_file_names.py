"""Names of files below the folders listed: they are ids for good, so each is written out here."""

import pytest

from pipeline.inputs.file_names import name_below_roots


@pytest.mark.parametrize(
    ("roots", "names"),
    [
        ({"d/a": ["x.jpg", "deep/y.jpg"], "d/b": ["x.jpg"]}, ["x.jpg", "deep/y.jpg", "b/x.jpg"]),
        (
            {"d/0/v1.0": ["x"], "d/1/v1.0": ["x"], "d/2/v1.0": ["x"], "d/3/v1.0": ["x"]},
            ["x", "v1.0/x", "v1~2.0/x", "v1~3.0/x"],
        ),
        # A folder that has the name that would be the next for others.
        (
            {"0": ["x"], "1/im": ["x"], "2/im~2": ["x"], "3/im": ["x"], "4/im~2": ["x"]},
            ["x", "im/x", "im~2/x", "im~3/x", "im~2~2/x"],
        ),
        # Names of the first folder begin with nothing, and may be those of another one.
        (
            {"0": ["im/x.jpg", "im/x~2.jpg"], "im": ["x.jpg"]},
            ["im/x.jpg", "im/x~2.jpg", "im/x~3.jpg"],
        ),
        ({"0": ["x"], "1/.im": ["x"], "2/.im": ["x"]}, ["x", ".im/x", ".im~2/x"]),
    ],
)
def test_names_begin_with_the_folders_own_and_none_is_given_twice(
    roots: dict[str, list[str]], names: list[str]
) -> None:
    listed = [(root, [f"{root}/{name}" for name in found]) for root, found in roots.items()]
    assert list(name_below_roots(listed).values()) == names


def test_a_folder_that_is_listed_again_keeps_its_name() -> None:
    listed = [("0", ["0/x"]), ("1/im", ["1/im/x"]), ("2/im", ["2/im/x"]), ("1/im", ["1/im/y"])]
    assert list(name_below_roots(listed).values()) == ["x", "im/x", "im~2/x", "im/y"]


def test_thousands_of_folders_of_one_name_are_told_apart() -> None:
    folders = [f"data/{number:06}/images" for number in range(8000)]  # would take half an hour
    names = name_below_roots((folder, [f"{folder}/x.jpg"]) for folder in folders)
    later = [f"images~{number}/x.jpg" for number in range(2, 8000)]
    assert list(names.values()) == ["x.jpg", "images/x.jpg", *later]
