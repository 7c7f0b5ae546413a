"""The page of a small output: its words, its pictures and its HTML."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.report.charts import Axis, histogram
from pipeline.report.figures import percent
from pipeline.report.page import make_report
from schemas.errors import BadStorage
from schemas.job.storage import Storage
from tests.made.outputs.committed import commit_units
from tests.made.outputs.labels import DOG, NOTHING, row
from tests.made.outputs.output import HOSTILE, make_output
from tests.made.outputs.verdicts import say


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of an output with ground truth and random weights."""
    output, truth = make_output(tmp_path_factory.mktemp("job"), ("method.sam.weights",))
    return make_report(output, truth, Storage()).html


def words(page: str) -> str:
    """What a reader sees: no tags, no style, one space between words."""
    body = re.sub(r"(?s)<style>.*?</style>|<title>[^<]*</title>(?=</rect>)|<[^>]*>", " ", page)
    return " ".join(body.split())


def check_html(page: str) -> None:
    """Raise at the first fault that HTML's own parsing rules name."""
    html5lib = pytest.importorskip("html5lib")
    html5lib.HTMLParser(strict=True).parse(page)


def pictures(page: str) -> dict[str, np.ndarray]:
    """Each picture of the page, by its alternative text."""
    found = re.findall(r'<img src="data:image/jpeg;base64,([^"]*)"[^>]* alt="([^"]*)"', page)
    return {
        alt: np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
        for data, alt in found
    }


def test_the_page_is_html_without_a_fault(page: str) -> None:
    check_html(page)


def test_ids_are_distinct_and_every_reference_to_one_has_its_target(page: str) -> None:
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    targets = re.findall(r'(?:href="#|aria-labelledby=")([^"]*)"', page)
    assert set(targets) <= set(ids)


def test_every_picture_says_what_it_shows(page: str) -> None:
    alts = pictures(page)
    assert len(re.findall("<img ", page)) == page.count(' alt="') > len(alts) > 5
    assert "Reference of dog, annotated with scribbles" in alts
    assert any("dog: score 0.50, IoU" in alt for alt in alts)


def test_what_a_job_decided_stands_beside_each_mask_and_orders_them(tmp_path: Path) -> None:
    mask = np.zeros_like(NOTHING)
    mask[4:20, 4:20] = True
    decided = [("a", 0.9, 0.2, "review"), ("b", 0.1, 0.8, "labelled"), ("c", 0.5, 0.6, "labelled")]
    rows = [
        row(name, DOG, mask, score) | {"probability": chance, "decision": decision}
        for name, score, chance, decision in decided
    ]
    commit_units(str(tmp_path), [(rows, [])])
    text = words(make_report(str(tmp_path), None, Storage()).html)
    assert "dog score 0.10, probability 0.80: labelled" in text
    assert "dog 18 3 0 1 0.500" in text  # masks, none without, one for review, mean score
    best = text.index("Best Highest probability that the object is there.")
    worst = text.index("Worst Least stable")
    order = [text.index(f"{name} dog score", best) for name in "bca"]
    assert order == sorted(order)
    assert order[-1] < worst


def test_nothing_is_loaded_and_no_script_runs(page: str) -> None:
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert not re.search(r"url\(|@import", page)


def test_text_of_strangers_stays_text(page: str) -> None:
    assert HOSTILE not in page
    assert "no known image format &lt;script&gt;" in page


def test_random_weights_are_called_meaningless_at_the_top(page: str) -> None:
    warning = words(page).index("Random weights: these masks mean nothing")
    assert warning < words(page).index("Summary")


def test_counts_and_ground_truth_are_those_of_the_commit(page: str) -> None:
    text = words(page)
    assert "images 7 rejected 1 masks 7 no mask 5" in text
    # A mask of n x n moved by one pixel: intersections n(n-1), unions n(n+1), n = 10..15.
    shared, union = (sum(n * (n + sign) for n in range(10, 16)) for sign in (-1, 1))
    assert f"mIoU {shared / union:.3f}" in text
    assert "false masks 17 %" in text  # one of six
    assert "cat 3 1 5 0.300 9 % 1 of 6" in text


def test_each_group_shows_images_in_its_order(page: str) -> None:
    text = words(page)
    best = text.index("Best Largest IoU")
    worst = text.index("Worst Smallest IoU")
    assert text.index("a/5", best) < text.index("a/4", best) < worst  # the larger, the better
    assert text.index("a/0 cat score 0.30, IoU 0.00", worst) < text.index("a/1", worst)
    assert "Rejected A random sample" in text


def test_an_image_that_was_replaced_since_is_not_shown_under_its_masks(tmp_path: Path) -> None:
    uri = tmp_path / "a.png"
    Image.new("RGB", (60, 30)).save(uri)
    commit_units(str(tmp_path / "out"), [([row("a", DOG, NOTHING, uri=str(uri))], [])])
    html = make_report(str(tmp_path / "out"), None, Storage()).html
    wanted = "another image than was labelled: 60 x 30 pixels, the label has 40 x 40"
    assert wanted in words(html)
    assert not pictures(html)


def test_an_image_that_is_gone_says_so_in_its_place(page: str) -> None:
    assert words(page).count("the image can no longer be read") >= 2


def test_masks_and_annotations_are_drawn_where_they_are(page: str) -> None:
    shown = pictures(page)
    photo = next(picture for alt, picture in shown.items() if alt.startswith("Image a/0."))
    scale = photo.shape[0] / 40
    cat_edge = photo[round(12.05 * scale), round(6 * scale)]  # below the square 0..12
    assert cat_edge[0] > 150  # yellow
    assert cat_edge[2] < 120
    box = shown["Reference of dog, annotated with a box"]
    assert np.ptp(box[round(8 * scale), round(18 * scale)]) > 90  # a coloured line at its top
    assert np.ptp(box[round(18 * scale), round(18 * scale)]) < 20  # the grey photo inside


def test_times_and_plan_are_shown(page: str) -> None:
    text = words(page)
    assert re.search(r"write s \S+ \S+ 7 \S+ 1.0 22.0 3.0 0.5", text)
    assert "thresholds.min_score 0.5" in text
    assert "shards planned 1 tar images in lists 0 bytes of archives 9,000" in text
    assert "job fingerprint f model fingerprint m" in text


def test_without_truth_best_is_by_score_and_no_iou_is_claimed(tmp_path: Path) -> None:
    output, _ = make_output(tmp_path)
    page = make_report(output, None, Storage()).html
    text = words(page)
    best = text.index("Best Highest score")
    assert text.index("a/5", best) < text.index("a/4", best)
    assert "IoU 0" not in text
    assert "precision" not in text
    assert "Random weights" not in text
    check_html(page)


def test_an_output_with_one_empty_label_has_a_page(tmp_path: Path) -> None:
    commit_units(str(tmp_path), [([row("a", DOG, NOTHING)], [])])
    page = make_report(str(tmp_path), None, Storage()).html
    check_html(page)
    assert "This output holds no copies of its references" in page
    assert "This output holds no times" in page


def test_an_output_without_a_commit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadStorage, match="an output without a commit"):
        make_report(str(tmp_path), None, Storage())


def test_a_histogram_says_the_same_in_bars_and_in_numbers() -> None:
    axis = Axis("score", ["low", "high"], [(0, "0"), (1, "1")])
    kept, lost = np.array([3, 0]), np.array([1, 12])
    chart = histogram("score", "Scores", axis, [("kept", kept), ("lost", lost)])
    assert chart.table == (("score", "kept", "lost"), ("low", "3", "1"), ("high", "0", "12"))
    assert [bar.label for bar in chart.bars] == ["low: 3 kept", "low: 1 lost", "high: 12 lost"]
    assert [tick.label for tick in chart.y_ticks] == ["0", "10", "20"]
    low, _, high = chart.bars
    assert high.height == pytest.approx(4 * low.height)


@pytest.mark.parametrize(
    ("share", "text"), [(0.0001, "0.01 %"), (0.0123, "1.2 %"), (0.166, "17 %"), (1, "100 %")]
)
def test_shares_have_two_digits_that_matter(share: float, text: str) -> None:
    assert percent(share) == text


def test_what_reviewers_said_is_a_line_for_each_category(tmp_path: Path) -> None:
    output, _ = make_output(tmp_path)
    assert "Reviews" not in words(make_report(output, None, Storage()).html)
    say(output, "a/0", "accepted")
    say(output, "a/1", "rejected")
    say(output, "a/2", "accepted")
    say(output, "a/2", "withdrawn")
    page = make_report(output, None, Storage()).html
    check_html(page)
    assert "dog 2 1 0 1 0 50 % 2.0" in words(page)
