"""Turn counts and curves into the geometry of an inline SVG, in a frame of 360 x 220 points."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# As wide as a phone shows it, so that 11 points of text stay 11 points there.
WIDTH, HEIGHT = 360, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 350, 12, 182


@dataclass(frozen=True)
class Tick:
    """A place on an axis, in points of the frame, and what stands there."""

    at: float
    label: str


@dataclass(frozen=True)
class Bar:
    """A bar of one series, with what a pointer or a screen reader is told of it."""

    x: float
    y: float
    width: float
    height: float
    series: int
    label: str


@dataclass(frozen=True)
class Line:
    """A line of one series: SVG's `points`."""

    points: str
    series: int


@dataclass(frozen=True)
class Chart:
    """A chart ready to be written; `table` says the same in numbers, its first row the heads."""

    name: str
    title: str
    summary: str
    x_title: str
    y_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    series: tuple[str, ...]
    bars: tuple[Bar, ...] = ()
    lines: tuple[Line, ...] = ()
    table: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Axis:
    """What stands below a histogram: each bin's name, and ticks as (share of the width, label)."""

    title: str
    bins: Sequence[str]
    ticks: Sequence[tuple[float, str]]


def histogram(name: str, title: str, axis: Axis, counts: Sequence[tuple[str, np.ndarray]]) -> Chart:
    """Stack series of counts, the first at the bottom; all have as many bins as the axis."""
    total = np.sum([values for _, values in counts], axis=0)
    top = _round_up(int(total.max()))
    width = (RIGHT - LEFT) / len(axis.bins)
    bars = []
    below = np.zeros(len(axis.bins))
    for series, (what, values) in enumerate(counts):
        for index, value in enumerate(values.tolist()):
            if value:
                low, high = _y(below[index] / top), _y((below[index] + value) / top)
                label = f"{axis.bins[index]}: {value} {what}"
                x = LEFT + index * width + 0.75
                bars.append(Bar(x, high, width - 1.5, max(low - high, 1), series, label))
        below += values
    peak = axis.bins[int(total.argmax())]
    return Chart(
        name=name,
        title=title,
        summary=f"{int(total.sum())} in all; the fullest bin is {peak} with {int(total.max())}.",
        x_title=axis.title,
        y_title="labels",
        x_ticks=tuple(Tick(_x(share), label) for share, label in axis.ticks),
        y_ticks=tuple(Tick(_y(part), _short(top * part)) for part in (0, 0.5, 1)),
        series=tuple(what for what, _ in counts),
        bars=tuple(bars),
        table=(
            (axis.title, *(what for what, _ in counts)),
            *(
                (label, *(str(int(values[index])) for _, values in counts))
                for index, label in enumerate(axis.bins)
                if total[index]
            ),
        ),
    )


def curves(
    name: str, title: str, summary: str, series: Sequence[tuple[str, np.ndarray, np.ndarray]]
) -> Chart:
    """Draw lines (name, x, y) of values 0 to 1: precision over recall."""
    lines = [
        Line(" ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in zip(xs, ys, strict=True)), number)
        for number, (_, xs, ys) in enumerate(series)
        if len(xs)
    ]
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    return Chart(
        name=name,
        title=title,
        summary=summary,
        x_title="recall",
        y_title="precision",
        x_ticks=tuple(Tick(_x(value), f"{value:g}") for value in ticks),
        y_ticks=tuple(Tick(_y(value), f"{value:g}") for value in ticks),
        series=tuple(what for what, _, _ in series),
        lines=tuple(lines),
        table=(
            ("curve", "recall", "precision"),
            *(
                (what, f"{xs[index]:.3f}", f"{ys[index]:.3f}")
                for what, xs, ys in series
                for index in _spread(len(xs), 10)
            ),
        ),
    )


def _x(share: float) -> float:
    return LEFT + share * (RIGHT - LEFT)


def _y(share: float) -> float:
    return BOTTOM - share * (BOTTOM - TOP)


def _round_up(count: int) -> int:
    """Return the next round number whose half, the middle tick, is a whole one."""
    power = 10 ** max(0, math.floor(math.log10(max(count, 1))))
    steps = (2, 4, 6, 8, 10) if power == 1 else (1, 2, 3, 4, 5, 6, 8, 10)
    return next(step * power for step in steps if step * power >= count)


def _short(count: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:g}{unit}"
    return f"{count:g}"


def _spread(length: int, most: int) -> list[int]:
    """Return at most `most` indices of a list, evenly spread, both ends among them."""
    return sorted({round(index) for index in np.linspace(0, length - 1, min(most, length))})
