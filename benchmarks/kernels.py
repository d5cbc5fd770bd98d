"""Kernels against NumPy in one interleaved run, the time of a copy of the same bytes beside."""

from __future__ import annotations

import numpy as onp
from timing import interleave, show

import jitgrad.numpy as np
from jitgrad import jit, value_and_grad


def sigmoid_grad(x):
    s = 1 / (1 + onp.exp(-x))
    return onp.sum(s), s * (1 - s)


def softmax(x):
    e = onp.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def main() -> None:
    rng = onp.random.default_rng(0)
    small, large = rng.normal(size=10_000), rng.normal(size=4_000_000)
    rows = rng.normal(size=(2000, 512))
    total = jit(value_and_grad(lambda x: np.sum(1 / (1 + np.exp(-x)))))
    chain = jit(lambda a, b: a**2 + b**2 + 2 * a * b)
    tanh = jit(lambda x: np.tanh(0.5 * x + 1.0) * 3.0)
    soft = jit(
        lambda x: (
            np.exp(x - np.max(x, axis=1, keepdims=True))
            / np.sum(np.exp(x - np.max(x, axis=1, keepdims=True)), axis=1, keepdims=True)
        )
    )
    table = [
        ("sum of sigmoid, value and gradient, 1e4", lambda: total(small),
         lambda: sigmoid_grad(small), small),
        ("the same, 4e6", lambda: total(large), lambda: sigmoid_grad(large), large),
        ("a**2 + b**2 + 2ab, 1e4", lambda: chain(small, small),
         lambda: small**2 + small**2 + 2 * small * small, small),
        ("the same, 4e6", lambda: chain(large, large),
         lambda: large**2 + large**2 + 2 * large * large, large),
        ("tanh(0.5 x + 1) * 3, 1e4", lambda: tanh(small),
         lambda: onp.tanh(0.5 * small + 1.0) * 3.0, small),
        ("softmax of rows 2000 x 512", lambda: soft(rows), lambda: softmax(rows), rows),
        ("sum, 1e4", lambda f=jit(np.sum): f(small), lambda: onp.sum(small), small),
    ]  # fmt: skip
    print(f"{'':42}{'jitgrad':>12}{'NumPy':>12}{'ratio':>8}{'copy':>12}")
    for name, ours, theirs, data in table:
        target = onp.empty_like(data)
        times = interleave(
            {"ours": ours, "numpy": theirs, "copy": lambda a=data, b=target: onp.copyto(b, a)}, 0.6
        )
        a, b, c = (times[k][1] for k in ("ours", "numpy", "copy"))
        print(f"{name:42}{show(a):>12}{show(b):>12}{a / b:8.2f}{show(c):>12}")


if __name__ == "__main__":
    main()
