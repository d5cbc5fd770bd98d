"""Interning under threads: one dim and one type for all of them."""

from __future__ import annotations

import sys
import threading

import pytest

from jitgrad.ir.dims import symbol
from jitgrad.ir.types import tensor


@pytest.fixture
def switching():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_dims_and_types_are_interned_once(switching):
    start = threading.Barrier(8)
    made: list[list] = [[] for _ in range(8)]

    def run(k: int) -> None:
        start.wait()
        for i in range(400):
            d = symbol(f"thread{i}") * 2 + 1
            made[k].append((d, tensor("f64", (d, 3))))

    threads = [threading.Thread(target=run, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for others in zip(*made):
        assert all(d is others[0][0] and t is others[0][1] for d, t in others)
