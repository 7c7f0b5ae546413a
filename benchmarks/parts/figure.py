"""Two ways to do one thing, timed in turns, become one line: ours, the alternative, their ratio.

Seconds are of this process's CPU, on one thread where a benchmark says so: neighbours on the
machine then count for less. A ratio is of two numbers of one run, and of several the median.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch


@dataclass(frozen=True)
class Figure:
    """What a benchmark found. ratio is to be at least, or at most, the target."""

    name: str
    ours: float
    alternative: float
    unit: str
    ratio: float
    target: float
    wanted: Literal["at least", "at most"]
    about: str
    """What was compared, and with which size of network."""

    @property
    def reached(self) -> bool:
        """Whether the ratio is on the right side of the target."""
        if self.wanted == "at least":
            return self.ratio >= self.target
        return self.ratio <= self.target


def faster(name: str, pairs: Sequence[tuple[float, float]], target: float, about: str) -> Figure:
    """Return the figure of seconds: pairs are ours and the alternative's, of the same turn."""
    ours = statistics.median(pair[0] for pair in pairs)
    alternative = statistics.median(pair[1] for pair in pairs)
    ratio = statistics.median(pair[1] / pair[0] for pair in pairs)
    return Figure(name, ours, alternative, "s", ratio, target, "at least", about)


def in_turns(
    ours: Callable[[], object], alternative: Callable[[], object], repeats: int
) -> list[tuple[float, float]]:
    """Time both after each other, `repeats` times, in CPU seconds of this process."""
    return [(cpu_seconds(ours), cpu_seconds(alternative)) for _ in range(repeats)]


def cpu_seconds(do: Callable[[], object]) -> float:
    """Return the CPU seconds of this process that a call takes."""
    start = time.process_time()
    do()
    return time.process_time() - start


def one_thread() -> None:
    """Let torch compute on one thread."""
    torch.set_num_threads(1)


def tell(figure: Figure, description: str | None = None) -> None:
    """Print the figure; with --json as one line of JSON."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="One line of JSON.")
    as_json = parser.parse_args().json
    if as_json:
        print(json.dumps(asdict(figure) | {"reached": figure.reached, "machine": machine()}))
        return
    print(f"{figure.name}: {figure.about}, on {machine()}")
    print(
        f"  ours {figure.ours:.3f} {figure.unit}, alternative {figure.alternative:.3f}: "
        f"{figure.ratio:.2f}, wanted {figure.wanted} {figure.target:g}"
    )


def machine() -> str:
    """Return what the figures depend on: cores, processor, its bf16, torch."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    able = torch.cpu.get_capabilities()
    bf16 = able.get("avx512_bf16") or able.get("amx_bf16")
    vectors = "AVX-512" if able.get("avx512_f") else "AVX2" if able.get("avx2") else "no AVX2"
    return (
        f"{os.cpu_count()} x {names[0] if names else platform.machine()}, {vectors}, "
        f"bf16 {'native' if bf16 else 'emulated'}, torch {torch.__version__}"
    )
