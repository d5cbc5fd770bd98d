"""Threads that compile and call at once, fork, fail and convert in between."""

from __future__ import annotations

import subprocess
import sys

import pytest

SOAK = r"""
import faulthandler, os, sys, threading, time, traceback
import numpy as np
import jitgrad.numpy as jnp
from jitgrad import jit, value_and_grad

shared = jit(lambda x: jnp.sum(jnp.exp(x) * 2))
gather = jit(lambda a, i: a[i])
big = np.linspace(0, 1, 50_000)
errors, stop = [], time.monotonic() + 4


def expect(kind, f, *args):
    try:
        f(*args)
    except kind:
        return
    errors.append(f"no {kind.__name__}")


def turn(k, rng):
    c = float(rng.integers(1, 50))
    own = jit(value_and_grad(lambda x: jnp.sum(jnp.tanh(x) * c)))
    x = rng.normal(size=int(rng.integers(0, 40)))
    value, slope = own(x)
    np.testing.assert_allclose(value, np.sum(np.tanh(x) * c), atol=1e-9)
    np.testing.assert_allclose(slope, c / np.cosh(x) ** 2, atol=1e-9)
    for _ in range(20):
        for a in (x, big, x[::-1]):
            np.testing.assert_allclose(shared(a), np.sum(np.exp(a) * 2), rtol=1e-9)
        expect(IndexError, gather, x, np.array([len(x) + 3]))
        expect(TypeError, shared, "no number")
    if k == 0:
        pid = os.fork()
        if pid == 0:
            faulthandler.dump_traceback_later(20, exit=True)
            os._exit(jit(lambda x: x * 3)(np.ones(2)).tolist() != [3.0, 3.0])
        if os.waitpid(pid, 0)[1]:
            errors.append("a child failed")


def work(k):
    rng = np.random.default_rng(k)
    try:
        while time.monotonic() < stop:
            turn(k, rng)
    except BaseException:
        errors.append(traceback.format_exc())


threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
sys.exit("\n".join(errors[:3]) or None)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_soak() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SOAK], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
