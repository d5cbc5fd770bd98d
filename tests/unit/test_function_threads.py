"""Functions with a state in threads and forked processes: no update is lost, nothing is torn."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import jitgrad.tensor as T
from jitgrad import In, function, shared
from jitgrad.frontend.symbolic_shared import guards_of


@pytest.fixture(autouse=True)
def _often() -> Iterator[None]:
    was = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(was)


def together(work: Callable[[int], Any], n: int = 4) -> None:
    failed: list[BaseException] = []

    def run(k: int) -> None:
        try:
            work(k)
        except BaseException as err:
            failed.append(err)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed, failed


@pytest.mark.parametrize(("size", "calls"), [(2, 2000), (200_000, 100)])
@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_no_update_is_lost(size: int, calls: int, mode: str) -> None:
    w = shared(np.zeros(size), "w")
    up = function([], w, updates=[(w, w + 1)], mode=mode)
    other = function([], None, updates={w: w + 1})
    calls //= 10 if mode == "FAST_COMPILE" else 1
    seen: list[float] = []
    together(lambda k: [seen.append(up()[0]) if k % 2 else other() for _ in range(calls)])
    assert np.array_equal(w.get_value(), np.full(size, 4.0 * calls))
    assert len(set(seen)) == len(seen) == 2 * calls


def test_an_input_with_a_state_in_threads() -> None:
    s, x = T.dscalars("s", "x")
    f = function([x, In(s, value=0.0, update=s + x)], s)
    together(lambda k: [f(1.0) for _ in range(1000)])
    assert f["s"] == 4000


def test_sizes_that_are_computed_in_threads() -> None:
    n = shared(0, "n")
    f = function([], T.arange(n), updates=[(n, n + 1)])
    seen: list[int] = []
    together(lambda k: [seen.append(len(f())) for _ in range(300)])
    assert sorted(seen) == list(range(1200))


def test_what_is_updated_together_is_read_together() -> None:
    a, b = shared(np.zeros(50_000), "a"), shared(np.zeros(50_000), "b")
    up = function([], None, updates=[(a, a + 1), (b, b + 1)])
    read = function([], [a[0], b[-1]])

    def work(k: int) -> None:
        if k % 2:
            for _ in range(200):
                up()
        else:
            for _ in range(2000):
                x, y = read()
                assert x == y

    together(work)
    assert a.get_value()[0] == b.get_value()[0] == 400


def test_updates_in_both_orders_do_not_wait_for_each_other() -> None:
    a, b, c = shared(0, "a"), shared(0, "b"), shared(0, "c")
    one = function([], None, updates=[(a, a + 1)])
    two = function([], None, updates=[(b, b + 1)])
    three = function([], None, updates=[(b, b + 1), (c, c + 1), (a, a + 1)])
    four = function([], None, updates=[(a, a + 1), (b, b + 1)])
    assert len(guards_of([a.container, b.container, c.container])) == 2
    together(lambda k: [(one, two, three, four)[k]() for _ in range(2000)])
    assert (a.get_value(), b.get_value(), c.get_value()) == (6000, 6000, 2000)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_is_not_locked_out() -> None:
    w = shared(np.zeros(100_000), "w")
    up = function([], None, updates=[(w, w + 1)])
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            up()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        for _ in range(10):
            child = os.fork()
            if child == 0:
                ok = False
                try:
                    import signal

                    signal.alarm(20)
                    w.set_value(np.zeros(3))
                    up()
                    ok = bool(np.array_equal(w.get_value(), np.ones(3)))
                finally:
                    os._exit(0 if ok else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        over.set()
        thread.join()
