"""Timing for noisy shared machines: interleaved batches, minimum and median."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter
from typing import Any


def _batch(f: Callable[[], Any], calls: int) -> float:
    start = perf_counter()
    for _ in range(calls):
        f()
    return (perf_counter() - start) / calls


def interleave(
    rivals: Mapping[str, Callable[[], Any]], seconds: float = 1.0
) -> dict[str, tuple[float, float]]:
    """(minimum, median) seconds a call of each rival; batches of all of them in turn.

    >>> times = interleave({"nothing": lambda: None}, seconds=0.01)
    >>> 0 < times["nothing"][0] <= times["nothing"][1]
    True
    """
    calls = {}
    for name, f in rivals.items():
        f()
        once = max(_batch(f, 3), 1e-8)
        calls[name] = max(1, min(200_000, int(0.005 / once)))
    found: dict[str, list[float]] = {name: [] for name in rivals}
    stop = perf_counter() + seconds * len(rivals)
    while perf_counter() < stop or len(next(iter(found.values()))) < 3:
        for name, f in rivals.items():
            found[name].append(_batch(f, calls[name]))
    return {name: (min(t), median(t)) for name, t in found.items()}


def show(seconds: float) -> str:
    """A duration with three digits and its unit.

    >>> show(4.2e-8), show(0.0123)
    ('42.0 ns', '12.3 ms')
    """
    for unit, scale in (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3)):
        if seconds < 999.5 * scale:
            value = seconds / scale
            return f"{value:.{max(0, 3 - len(str(int(value))))}f} {unit}"
    return f"{seconds:.2f} s"
