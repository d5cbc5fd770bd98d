"""Random graphs of loops and choices against NumPy, their gradients against differences; and what
passes make of loops and branches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitgrad.tensor as T
from jitgrad import function, scan
from jitgrad.ifelse import ifelse
from jitgrad.ir.verify import verify
from jitgrad.tensor import grad

Env = dict[str, Any]
Pair = tuple[Any, Callable[[Env], Any]]  # a variable, and its value


class Program:
    """A graph over a vector x and flags c0, c1, c2, grown at random, with NumPy's version of it."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.x = T.dvector("x")
        self.flags = [T.bscalar(f"c{k}") for k in range(3)]
        pool = self.grow([(self.x, lambda e: e["x"])], int(self.rng.integers(3, 11)), 0)
        (y, f), (z, g) = pool[-1], self.pick(pool)
        self.y, self.value = y + z, lambda e: f(e) + g(e)

    def pick(self, pool: list[Pair]) -> Pair:
        return pool[self.rng.integers(len(pool))]

    def grow(self, pool: list[Pair], n: int, depth: int) -> list[Pair]:
        for _ in range(n):
            (a, fa), (b, fb) = self.pick(pool), self.pick(pool)
            kind = int(self.rng.integers(9))
            if kind < 2:
                pool.append((a + b, lambda e, fa=fa, fb=fb: fa(e) + fb(e)))
            elif kind == 2:
                pool.append((a * T.sin(b), lambda e, fa=fa, fb=fb: fa(e) * np.sin(fb(e))))
            elif kind == 3:
                pool.append((T.tanh(a) * a.sum() * 0.1,
                             lambda e, fa=fa: np.tanh(fa(e)) * fa(e).sum() * 0.1))  # fmt: skip
            elif kind < 7:
                pool.append(self.choice(a, fa, b, fb))
            elif depth < 2:
                pool.append(self.loop(pool, a, fa, b, fb, depth))
        return pool

    def choice(self, a: Any, fa: Any, b: Any, fb: Any) -> Pair:
        k = int(self.rng.integers(3))
        flag, test = self.flags[k], lambda e: e[f"c{k}"]
        if self.rng.integers(3) == 0:
            flag, test = a.sum() > 0, lambda e: fa(e).sum() > 0
        return ifelse(flag, a, b), lambda e: fa(e) if test(e) else fb(e)

    def loop(self, pool: list[Pair], a: Any, fa: Any, b: Any, fb: Any, depth: int) -> Pair:
        steps, name = int(self.rng.integers(0, 4)), f"h{depth}"
        outer = [self.pick(pool) for _ in range(2)]
        made: list[Pair] = []

        def step(h: Any) -> Any:
            made[:] = self.grow([(h, lambda e: e[name]), *outer], int(self.rng.integers(1, 5)),
                                depth + 1)  # fmt: skip
            return T.tanh(made[-1][0])

        out, _ = scan(step, outputs_info=b, n_steps=steps)
        inner = made[-1][1]

        def run(e: Env) -> np.ndarray:
            h, hs = fb(e), np.zeros((steps, 3))
            for t in range(steps):
                h = hs[t] = np.tanh(inner({**e, name: h}))
            return hs

        if steps and self.rng.integers(2):
            return out[-1], lambda e: run(e)[-1]
        return out.sum(0) + 0 * a, lambda e: run(e).sum(0) + 0 * fa(e)


@pytest.mark.parametrize("seed", range(24))
def test_random_programs(seed: int) -> None:
    p = Program(seed)
    cost = (p.y * T.cos(p.y)).sum()
    g = grad(cost, p.x, disconnected_inputs="ignore")
    outs = [p.y, cost, g]
    second = seed % 4 == 0
    if second:
        outs.append(grad((g * g).sum(), p.x, disconnected_inputs="ignore"))
    ins = [p.x, *p.flags]
    mode = "FAST_COMPILE" if seed % 5 == 1 else "FAST_RUN"
    f = function(ins, outs, on_unused_input="ignore", mode=mode)
    if mode == "FAST_RUN":
        verify(f.maker.compiled.optimized)
    for _ in range(2):
        v, flags = p.rng.standard_normal(3), p.rng.integers(0, 2, 3).astype("int8")
        env = {f"c{k}": bool(c) for k, c in enumerate(flags)}
        got = f(v, *flags)
        np.testing.assert_allclose(got[0], p.value({**env, "x": v}), rtol=1e-9, atol=1e-9)

        def costs(x: np.ndarray, env: Env = env) -> Any:
            y = p.value({**env, "x": x})
            return (y * np.cos(y)).sum()

        def squares(x: np.ndarray, flags: np.ndarray = flags) -> Any:
            return (f(x, *flags)[2] ** 2).sum()

        np.testing.assert_allclose(got[2], _slope(costs, v, 1e-6), rtol=1e-5, atol=1e-5)
        if second:
            np.testing.assert_allclose(got[3], _slope(squares, v, 1e-5), rtol=1e-4, atol=1e-4)


def _slope(f: Callable[[np.ndarray], Any], x: np.ndarray, eps: float) -> np.ndarray:
    steps = eps * np.eye(len(x))
    return np.array([(f(x + e) - f(x - e)) / (2 * eps) for e in steps])


def _loops(f: Any) -> list[Any]:
    return [op for op in f.maker.compiled.optimized.ops if op.name in ("scan", "cond")]


def test_a_value_and_its_gradient_share_the_loop() -> None:
    X, W, h = T.dmatrix("X"), T.dmatrix("W"), T.dvector("h")
    hs, _ = scan(lambda x, h: T.tanh(T.dot(h, W) + x), X, h)
    cost = T.log(1 + T.exp(hs[-1])).sum()
    f = function([X, W, h], [cost, *grad(cost, [W, h])])
    forward, back = _loops(f)
    assert not forward.attrs["reverse"] and back.attrs["reverse"]
    # what is kept: the last state, and what each step began with
    assert [r.type.rank for r in forward.results] == [1, 2]


def test_only_the_last_state_is_kept() -> None:
    x, k = T.dvector("x"), T.lscalar("k")
    (a, b), _ = scan(lambda p: [p + 1, p * 2], outputs_info=[x, None], n_steps=k)
    (loop,) = _loops(function([x, k], [a[-1], b[-1]]))
    assert [r.type.rank for r in loop.results] == [1, 1]


def test_what_is_not_asked_for_is_not_computed() -> None:
    x = T.dvector("x")
    (a, _), _ = scan(lambda p, q: [p + 1, T.sin(q) * p], outputs_info=[x, x], n_steps=4)
    (loop,) = _loops(function([x], a))
    assert loop.attrs["carries"] == 1
    assert "sin" not in {op.name for op in loop.regions[0].ops}


def test_a_value_and_its_gradient_share_the_branch() -> None:
    c, x = T.bscalar("c"), T.dvector("x")
    y = ifelse(c, T.exp(T.sin(x)).sum(), x.sum())
    (cond,) = _loops(function([c, x], [y, grad(y, x)]))
    assert [op.name for op in cond.regions[0].ops].count("exp") == 1
