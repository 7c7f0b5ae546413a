"""Scores become an SVG: of a method's decisions of presence, how many of the surest are wrong."""

import pyarrow as pa

from pipeline.evaluate.chart import colours_of, references_of, svg, svg_text
from pipeline.evaluate.metrics import RISK_AT
from schemas.job.evaluate import EvaluateJob

LEFT, TOP, WIDTH, HEIGHT = 50, 30, 420, 200  # points of the plot
LINE = 16


def risk_chart(job: EvaluateJob, scores: pa.Table) -> str:
    """Return the chart: coverage to the right, risk upwards, a line a method and way of asking."""
    curves: dict[str, list[tuple[int, float]]] = {}
    colours = colours_of(job)
    colour_of: dict[str, str] = {}
    for row in scores.to_pylist():
        if row["fold"] is None and row["metric"].startswith(RISK_AT) and row["value"] is not None:
            name = f"{row['method']}, {references_of(row)}"
            coverage = int(row["metric"].removeprefix(RISK_AT))
            curves.setdefault(name, []).append((coverage, row["value"]))
            colour_of[name] = colours[row["method"]]
    top = max((risk for points in curves.values() for _, risk in points), default=0.0) or 0.1
    height = TOP + HEIGHT + 40 + LINE * len(curves)
    parts = [svg_text(8, 18, "Wrong among the surest decisions of presence, per cent")]
    for part in (0, 50, 100):
        x, y = _place(part, part / 100 * top, top)
        parts.append(svg_text(x - 8, TOP + HEIGHT + 16, f"{part}"))
        parts.append(svg_text(8, y + 4, f"{part * top:.1f}"))
        parts.append(
            f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#cccccc"/>'
        )
    parts.append(svg_text(LEFT + WIDTH - 120, TOP + HEIGHT + 30, "coverage, per cent"))
    for number, (name, points) in enumerate(curves.items()):
        places = (_place(coverage, risk, top) for coverage, risk in sorted(points))
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        y = TOP + HEIGHT + 44 + LINE * number
        parts += [
            f'<polyline points="{line}" fill="none" stroke="{colour_of[name]}" stroke-width="2"/>',
            f'<rect x="8" y="{y - 9}" width="10" height="10" fill="{colour_of[name]}"/>',
            svg_text(24, y, name),
        ]
    return svg("Wrong decisions of presence by coverage", (LEFT + WIDTH + 30, height), parts)


def _place(coverage: float, risk: float, top: float) -> tuple[float, float]:
    return LEFT + coverage / 100 * WIDTH, TOP + HEIGHT * (1 - risk / top)
