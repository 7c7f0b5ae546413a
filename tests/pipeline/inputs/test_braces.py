"""Brace patterns mean what a shell makes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.inputs.braces import expand_braces
from schemas.errors import BadInput


# What bash 5.2 prints for `echo` and the pattern.
@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        ("a.tar", "a.tar"),
        ("{0..3}", "0 1 2 3"),
        ("{00..3}", "00 01 02 03"),
        ("{8..11}", "8 9 10 11"),
        ("{0..10}", "0 1 2 3 4 5 6 7 8 9 10"),
        ("{008..11}", "008 009 010 011"),
        ("{5..05}", "05"),
        ("{3..1}", "3 2 1"),
        ("{0..0}", "0"),
        ("{a,b}", "a b"),
        ("{,a}b", "b ab"),
        ("{a,{b,c}}", "a b c"),
        ("a{b{c,d}e}", "a{bce} a{bde}"),
        ("{{1..2}}", "{1} {2}"),
        ("{{a,b},{c}}", "a b {c}"),
        ("{a}", "{a}"),
        ("x{", "x{"),
        ("}{a,b", "}{a,b"),
        ("{a,b", "{a,b"),
        ("{1..x}", "{1..x}"),
        ("{a,b}{1..2}", "a1 a2 b1 b2"),
    ],
)
def test_a_pattern_expands_as_in_a_shell(pattern: str, texts: str) -> None:
    assert expand_braces(pattern) == texts.split(" ")


Expanded = tuple[str, list[str]]
plain: st.SearchStrategy[Expanded] = st.text("ab.-/", max_size=4).map(lambda text: (text, [text]))


def _range(bounds: tuple[int, int, int]) -> Expanded:
    first, last, width = bounds
    texts = [f"{number:0{width}d}" for number in range(first, last + 1)]
    return f"{{{first:0{width}d}..{last:0{width}d}}}", texts


ranges = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 4)).map(
    lambda bounds: _range((min(bounds[:2]), max(bounds[:2]), max(2, bounds[2])))
)


def _either(parts: list[Expanded]) -> Expanded:
    return "{" + ",".join(text for text, _ in parts) + "}", [t for _, texts in parts for t in texts]


def _joined(parts: list[Expanded]) -> Expanded:
    texts = [""]
    for _, tails in parts:
        texts = [text + tail for text in texts for tail in tails]
    return "".join(text for text, _ in parts), texts


patterns = st.recursive(
    plain | ranges,
    lambda inner: (
        st.lists(inner, min_size=2, max_size=3).map(_either)
        | st.lists(inner, min_size=1, max_size=2).map(_joined)
    ),
    max_leaves=6,
)


@given(patterns)
def test_a_pattern_built_from_parts_expands_to_the_product_of_their_texts(
    pattern: Expanded,
) -> None:
    text, texts = pattern
    assert expand_braces(text) == texts


@given(st.text("{},.0a", max_size=14))
def test_any_text_expands_to_something_and_never_fails(text: str) -> None:
    assert expand_braces(text)


@pytest.mark.parametrize("pattern", ["{0..99999999999}", "{0..999}{0..999}{0..9}", "{0..9}" * 9])
def test_a_mistyped_range_is_refused_before_it_fills_the_memory(pattern: str) -> None:
    with pytest.raises(BadInput, match="too many files"):
        expand_braces(pattern)
