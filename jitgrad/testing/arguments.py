"""Arrays for a function's parameters, made from their types alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..ir.core import Function
from ..ir.dims import evaluate
from ..ir.types import TensorType

RANGE = (-4.0, 4.0)


def arguments(
    fn: Function, rng: np.random.Generator | int = 0, sizes: Mapping[str, int] | None = None
) -> tuple[np.ndarray, ...]:
    """Arrays for the parameters of `fn`: floats in [-4, 4], integers in [0, 3], bools.

    `rng` is a generator or a seed; seed 0 gives plain numbers. Dims without a size in `sizes`
    take 3, 4, 5 … in order.
    """
    given = sizes or {}
    env = {d: given.get(d, 3 + k) for k, d in enumerate(fn.dims)}
    return tuple(random_array(p.type, rng, env, k) for k, p in enumerate(fn.params))


def random_array(
    type_: TensorType, rng: np.random.Generator | int, env: Mapping[str, int], salt: int = 0
) -> np.ndarray:
    """One array of a type; see `arguments`."""
    shape = tuple(evaluate(d, env) for d in type_.shape)
    kind, dtype = type_.dtype.kind, type_.dtype.np
    if isinstance(rng, int):
        if rng == 0:
            simple = np.arange(salt, salt + int(np.prod(shape)), dtype=np.int64)
            plain = simple % 4 if kind in "iub" else (simple * 5 % 17) / 4 - 2
            return (plain % 2 if kind == "b" else plain).astype(dtype).reshape(shape)
        rng = np.random.default_rng((rng, salt))
    if kind == "b":
        return np.asarray(rng.integers(0, 2, shape), dtype)
    if kind in "iu":
        return np.asarray(rng.integers(0, 4, shape), dtype)
    out = rng.uniform(*RANGE, shape)
    return np.asarray(out + 1j * rng.uniform(*RANGE, shape) if kind == "c" else out).astype(dtype)
