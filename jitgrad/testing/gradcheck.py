"""Gradient checks: derivatives of IR functions against differences, and of both modes together.

The reference is numerical: central differences at three step sizes, extrapolated to zero
(Richardson 1911), so the error is of order h⁶ and 1e-9 is within reach in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import JitgradError
from ..ir.build import Builder
from ..ir.core import Function, Value, function
from ..ir.dims import evaluate
from ..ir.interp import run
from ..ir.ops import OpDef
from ..ir.ops.base import Case
from ..ir.types import BOOL, F64, I64, TensorType, dtype_of, tensor
from ..transforms import jvp, pullback, vjp
from .traits import attributes

Arrays = list[np.ndarray]


def directional(fn: Function, args: Sequence[Any], along: Sequence[Any], h: float = 4e-3) -> Arrays:
    """The derivative of the inexact results of `fn` at `args` in the direction `along`.

    `along` has one array an inexact parameter. Everything is computed in the function's dtypes.
    """

    def at(step: float) -> Arrays:
        moves = iter(along)
        moved = [
            np.asarray(a + step * next(moves), np.asarray(a).dtype) if p.type.dtype.inexact else a
            for p, a in zip(fn.params, args)
        ]
        return [r for r, v in zip(run(fn, moved), fn.results) if v.type.dtype.inexact]

    def central(step: float) -> Arrays:
        return [(p - m) / (2 * step) for p, m in zip(at(step), at(-step))]

    coarse, mid, fine = central(h), central(h / 2), central(h / 4)
    out = []
    for c, m, f in zip(coarse, mid, fine):
        one, two = (4 * m - c) / 3, (4 * f - m) / 3
        out.append((16 * two - one) / 15)
    return out


def check_derivatives(
    fn: Function,
    args: Sequence[Any],
    *,
    order: int = 2,
    seed: int = 0,
    rtol: float = 2e-7,
    atol: float = 2e-7,
    h: float = 4e-3,
) -> None:
    """Check both modes of `fn` at `args` (and, for order 2, both modes of both modes).

    Forward mode must agree with differences; reverse mode with forward mode, by the inner product
    ⟨ct, J v⟩ = ⟨Jᵀ ct, v⟩. Raises `AssertionError`.

    >>> from ..ir.types import scalar
    >>> x = Value(scalar("f64"), name="x")
    >>> check_derivatives(function("f", [x], [Builder()("exp", x)]), [np.float64(0.3)])
    """
    rng = np.random.default_rng(seed)
    ins = [np.asarray(a) for p, a in zip(fn.params, args) if p.type.dtype.inexact]
    along = [rng.standard_normal(a.shape).astype(a.dtype) for a in ins]
    forward, reverse = jvp(fn), vjp(fn)
    outs = [r for r, v in zip(run(fn, args), fn.results) if v.type.dtype.inexact]
    cts = [rng.standard_normal(o.shape).astype(o.dtype) for o in outs]
    dots = run(forward, [*args, *along])
    primal, dots = dots[: len(fn.results)], dots[len(fn.results) :]
    for a, b in zip(primal, run(fn, args)):
        np.testing.assert_array_equal(a, b)
    for got, want in zip(dots, directional(fn, args, along, h)):
        np.testing.assert_allclose(got, want, rtol, atol, err_msg=f"jvp of {fn.name}")
    grads = run(reverse, [*args, *cts])[len(fn.results) :]
    for g, a in zip(grads, ins):
        assert g.shape == a.shape and g.dtype == a.dtype, (g.shape, a.shape)
    left = sum(float(np.sum(c * d)) for c, d in zip(cts, dots))
    right = sum(float(np.sum(g * v)) for g, v in zip(grads, along))
    np.testing.assert_allclose(right, left, rtol, atol, err_msg=f"vjp of {fn.name}")
    if order > 1:
        more = {"order": order - 1, "seed": seed + 1, "rtol": 10 * rtol, "atol": 10 * atol, "h": h}
        check_derivatives(forward, [*args, *along], **more)  # type: ignore[arg-type]
        check_derivatives(reverse, [*args, *cts], **more)  # type: ignore[arg-type]


def gradient(build: Callable[..., Value], *arrays: Any, order: int = 1) -> list[np.ndarray]:
    """Gradients of `sum(build(b, *values))` by each of `arrays`, in float64.

    With `order` 2 and up, of the sum of the gradient by the first array, and so on.

    >>> gradient(lambda b, x: b("exp", x), [0.0, 0.0])
    [array([1., 1.])]
    """
    b = Builder()
    params = [Value(tensor(F64, np.shape(a)), name=f"x{i}") for i, a in enumerate(arrays)]
    out = build(b, *params)
    for _ in range(order):
        total = b.sum(out, range(out.type.rank))
        grads = pullback([total], [b.const(1, total.type)], params)
        found = [b.zeros(p.type) if g is None else g for p, g in zip(params, grads)]
        out = found[0]
    return list(run(function("gradient", params, found), [np.asarray(a, float) for a in arrays]))


# -- examples of every row ------------------------------------------------------------------------


def parse_type(text: str) -> TensorType:
    """The static type that prints as `text`.

    >>> parse_type("f64[2, 3]")
    f64[2, 3]
    """
    name, _, shape = text.partition("[")
    dims = tuple(int(d) for d in shape.rstrip("]").split(",") if d.strip())
    return tensor(dtype_of(name), dims)


def _elementwise(row: OpDef) -> Iterator[tuple[list[TensorType], dict[str, Any]]]:
    shape = (3, 4)
    arity = row.arity or 0
    if row.name == "cast":
        for a, c in (("f64", "f32"), ("f32", "f64"), ("f64", "f64"), ("i64", "f64"),
                     ("f64", "i64"), ("bool", "f64")):  # fmt: skip
            yield [tensor(a, shape)], {"dtype": dtype_of(c)}
    elif row.name == "select":
        yield [tensor(BOOL, shape), tensor(F64, shape), tensor(F64, shape)], {}
    elif row.name == "wrap_index":
        yield [tensor(I64, shape)], {"size": 3}
    elif _takes(row, tensor(F64, shape)):
        yield [tensor(F64, shape)] * arity, attributes(row)
        yield [tensor(F64, ())] * arity, attributes(row)
    else:
        for t in (tensor(BOOL, shape), tensor(I64, shape)):
            if _takes(row, t):
                yield [t] * arity, attributes(row)


def _takes(row: OpDef, t: TensorType) -> bool:
    try:
        row.types(row.name, [t] * (row.arity or 0), attributes(row), ())
    except JitgradError:
        return False
    return True


def draw(rng: np.random.Generator, t: TensorType, low: float, high: float) -> np.ndarray:
    """A random array of a static type; ints and bools from the integers of [low, high).

    Floats are drawn one from each of equal parts of the interval: no two are close, so that steps
    of a difference do not change which is the largest.
    """
    shape = tuple(evaluate(d, {}) for d in t.shape)
    if t.dtype.is_float:
        n = int(np.prod(shape))
        part = rng.permutation(n) + rng.uniform(0.25, 0.75, n)
        return np.asarray((low + (high - low) * part / n).reshape(shape), t.dtype.np)
    return np.asarray(rng.integers(int(low), max(int(high), 1), shape)).astype(t.dtype.np)


def examples(row: OpDef, seed: int = 0) -> Iterator[tuple[Function, list[np.ndarray]]]:
    """Functions of one op with arguments in the row's domain, one each for its cases.

    Rows with regions, and rows that only stand inside kernels, have none.
    """
    rng = np.random.default_rng(seed)
    todo: list[tuple[list[TensorType], dict[str, Any], Sequence[tuple[float, float]]]] = []
    if row.elementwise:
        for types, attrs in _elementwise(row):
            todo.append((types, attrs, row.domain))
    for case in row.cases:
        assert isinstance(case, Case)
        types = [parse_type(t) for t in case.types]
        todo.append((types, dict(case.attrs), [
            (-2.0, 2.0) if t.dtype.is_float else case.ints if t.dtype.kind != "b" else (0, 2)
            for t in types]))  # fmt: skip
    for types, attrs, domain in todo:
        params = [Value(t, name=f"p{i}") for i, t in enumerate(types)]
        op = Builder().op(row.name, *params, **attrs)
        args = [draw(rng, t, *d) for t, d in zip(types, domain)]
        yield function(f"{row.name}_example", params, op.results), args
