"""Examples of the rules of slices, joins, gathers, sorts and casts; see `rule_examples`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.build import Builder
from ..ir.core import Value, block
from ..ir.types import DTYPES, F64, I64, tensor
from .rule_examples import M, S, V, example, n, two

_ZERO = tensor(F64, ())
_INDEX = tensor(I64, ())


def _cut(b: Builder, x: Value, starts: Any, stops: Any) -> Value:
    return b("slice", x, starts=starts, stops=stops, steps=(1,) * len(starts))


def _pad(b: Builder, x: Value, lo: Any, hi: Any, value: float = 0.0) -> Value:
    return b("pad", x, b.const(value, _ZERO), lo=lo, hi=hi, interior=(0,) * len(lo))


def _count(b: Builder, size: Any) -> Value:
    return b("iota", type=tensor(I64, (size,)), axis=0)


# -- slices ---------------------------------------------------------------------------------------
example(
    "slice-reverse",
    M,
    lambda b, x: _cut(b, b("reverse", x, axes=(0,)), (2, 1), (n, 3)),
    lambda b, x: b("slice", b("reverse", x, axes=(0,)), starts=(0, 1), stops=(n, 3), steps=(2, 1)),
)
example(
    "slice-transpose",
    S,
    lambda b, x: _cut(b, b.transpose(x, (1, 0)), (1, 0), (4, 2)),
    lambda b, x: b.transpose(_cut(b, x, (1, 0), (3, 2)), (1, 0)),
)
example(
    "slice-inside-pad",
    M,
    lambda b, x: _cut(b, _pad(b, x, (2, 1), (3, 0)), (1, 0), (n + 4, 3)),
    lambda b, x: _cut(b, _pad(b, x, (2, 1), (3, 0)), (0, 0), (n + 5, 4)),
)
example(
    "slice-inside-pad", V, lambda b, x: _cut(b, _pad(b, x, (2,), (3,), 1.5), (n + 2,), (n + 4,))
)
example(
    "slice-some-parts",
    (V, "f64[2]", V),
    lambda b, x, y, z: _cut(b, b("concatenate", x, y, z, axis=0), (1,), (n + 2,)),
    lambda b, x, y, z: _cut(b, b("concatenate", x, y, z, axis=0), (1,), (n + 3,)),
)
example(
    "slice-squeeze",
    M,
    lambda b, x: _cut(b, b.reshape(x, (n, 1, 3)), (1, 0, 1), (n, 1, 3)),
    lambda b, x: _cut(b, b.reshape(x, (3 * n, 1)), (1, 0), (n, 1)),
)
# -- joins ----------------------------------------------------------------------------------------
example(
    "concatenate-equal",
    V,
    lambda b, x: b(
        "concatenate", x, b.const(2, tensor(F64, (2,))), b.const(2, tensor(F64, (n,))), axis=0
    ),
    lambda b, x: b(
        "concatenate", x, b.const(0.0, tensor(F64, (2,))), b.const(-0.0, tensor(F64, (n,))), axis=0
    ),
)
example(
    "concatenate-same",
    "f64[n, 1]",
    lambda b, x: b("concatenate", x, x, x, axis=1),
    lambda b, x: b("concatenate", x, x, x, axis=0),
)
example(
    "concatenate-transpose",
    (S, "f64[2, 4]"),
    lambda b, x, y: b("concatenate", b.transpose(x, (1, 0)), b.transpose(y, (1, 0)), axis=1),
    lambda b, x, y: b("concatenate", b.transpose(x, (1, 0)), y, axis=1),
    (S, "f64[4, 2]"),
)
example(
    "concatenate-transpose",
    "f64[2, 3, 4]",
    lambda b, x: b(
        "pad",
        b.transpose(x, (2, 0, 1)),
        b.const(1.0, _ZERO),
        lo=(1, 0, 2),
        hi=(0, 3, 0),
        interior=(0, 1, 0),
    ),
)

# -- indices and gathers --------------------------------------------------------------------------
example(
    "wrap-in-range",
    M,
    lambda b, x: b("wrap_index", b("argmax", x, axis=1), size=3),
    lambda b, x: b("wrap_index", b("argmax", x, axis=1), size=2),
)
example("wrap-in-range", V, lambda b, x: b("wrap_index", _count(b, n), size=n))
example(
    "wrap-in-range",
    "i64[n]",
    lambda b, x: b("wrap_index", b("wrap_index", x, size=9), size=9),
    lambda b, x: b("wrap_index", b("wrap_index", x, size=9), size=8),
)
example(
    "wrap-of-constant",
    V,
    lambda b, x: b("wrap_index", b.const(-1, _INDEX), size=n + 1),
    lambda b, x: b("wrap_index", b.const(-2, _INDEX), size=n + 1),
)
example("wrap-of-constant", V, lambda b, x: b("wrap_index", b.const(2, _INDEX), size=n + 3))
example(
    "gather-all",
    S,
    lambda b, x: b("gather", x, _count(b, 4), axis=1),
    lambda b, x: b("gather", x, _count(b, 3), axis=1),
)
example(
    "gather-iota",
    "i64[5]",
    lambda b, x: b("gather", b("iota", type=tensor(F64, (9,)), axis=0), x, axis=0),
    lambda b, x: b("gather", b("iota", type=tensor(F64, (3, 9)), axis=0), x, axis=0),
)
example(
    "gather-broadcast",
    (V, "i64[2, 5]"),
    lambda b, x, y: b("gather", b.broadcast(x, (9, n, 4), (1,)), y, axis=0),
    lambda b, x, y: b("gather", b.reshape(x, (1, n, 1)), y, axis=1),
    ("f64[n]", "i64"),
)
example(
    "gather-broadcast",
    ("f64[9]", "i64[2, 5]"),
    lambda b, x, y: b("gather", b.broadcast(x, (4, 9, 4), (1,)), y, axis=1),
)
example(
    "gather-single",
    ("f64[2, 1, 3]", "i64[4]"),
    lambda b, x, y: b("gather", x, b("sub", y, y), axis=1),
    lambda b, x, y: b("gather", x, b("wrap_index", b("sub", y, y), size=1), axis=1),
)
example(
    "gather-gather",
    ("f64[9, 9]", "i64[9]", "i64[2, 2]"),
    lambda b, x, y, z: b("gather", b("gather", x, y, axis=0), z, axis=0),
    lambda b, x, y, z: b("gather", b("gather", x, y, axis=0), z, axis=1),
)
example(
    "gather-constant-rows",
    "f64[9, 2]",
    lambda b, x: b("gather", x, b.const(np.array([1, 4, 7]), tensor(I64, (3,))), axis=0),
    lambda b, x: b("gather", x, b.const(np.array([1, 4, 8]), tensor(I64, (3,))), axis=0),
)

# -- scatters and blocks --------------------------------------------------------------------------
for _op in ("scatter", "scatter_add", "scatter_max", "scatter_min", "scatter_mul"):
    example(
        "scatter-all",
        (M, M),
        lambda b, x, y, op=_op: b(op, x, _count(b, n), y, axis=0),
        lambda b, x, y, op=_op: b(op, x, _count(b, 2), b("slice", y, starts=(0, 0), stops=(2, 3),
                                                        steps=(1, 1)), axis=0),
        ("f64[4, 3]", "f64[4, 3]"),
    )  # fmt: skip
example(
    "scatter-scatter",
    ("f64[4]", "i64[2]", "f64[2]"),
    lambda b, x, y, z: b("scatter", b("scatter", x, y, z, axis=0), y, two(b, z), axis=0),
    lambda b, x, y, z: b("scatter_add", b("scatter", x, y, z, axis=0), y, two(b, z), axis=0),
)
example(
    "gather-scatter",
    ("f64[4, 3]", "i64", "f64[3]"),
    lambda b, x, y, z: b("gather", b("scatter", x, y, z, axis=0), y, axis=0),
    lambda b, x, y, z: b("gather", b("scatter", x, y, z, axis=0), y, axis=1),
)


def _block(b: Builder, x: Value, *at: Any, sizes: Any) -> Value:
    starts = [b.const(a, _INDEX) if isinstance(a, int) else a for a in at]
    return b("dynamic_slice", x, *starts, sizes=sizes)


example(
    "block-known",
    "f64[5, 4]",
    lambda b, x: _block(b, x, 1, 9, sizes=(2, 2)),
    lambda b, x: _block(b, x, 1, 0, sizes=(2, 2)),
    M,
)
example("block-known", M, lambda b, x: _block(b, x, -1, 0, sizes=(n, 2)))
example(
    "block-all",
    (S, S, "i64"),
    lambda b, x, y, z: b("dynamic_update_slice", x, y, z, z),
    lambda b, x, y, z: b("dynamic_update_slice", x, y, z, z),
    (S, "f64[2, 4]", "i64"),
)
example(
    "block-back",
    (S, "f64[2, 2]", "i64"),
    lambda b, x, y, z: _block(b, b("dynamic_update_slice", x, y, z, z), z, z, sizes=(2, 2)),
    lambda b, x, y, z: _block(b, b("dynamic_update_slice", x, y, z, z), z, 0, sizes=(2, 2)),
)

# -- branches, casts, rounding, sorting -----------------------------------------------------------


def _cond(b: Builder, flag: Value, x: Value, swap: bool) -> Value:
    regions = []
    for k, name in enumerate(("exp", "neg")):
        p, q = Value(x.type, name="p"), Value(x.type, name="q")
        kept = (p, q)[k if swap else 0]
        regions.append(block([p, q], [b(name, p), kept]))
    a, c = b.op("cond", flag, x, b("sin", x), regions=tuple(regions)).results
    return b.mul(a, c)


example(
    "cond-same",
    ("bool", V),
    lambda b, f, x: _cond(b, f, x, False),
    lambda b, f, x: _cond(b, f, x, True),
)
example(
    "cast-cast",
    "i64[n]",
    lambda b, x: b.cast(b.cast(x, DTYPES["i32"]), DTYPES["u8"]),
    lambda b, x: b.cast(b.cast(x, DTYPES["u8"]), DTYPES["i32"]),
)
example(
    "cast-select",
    "bool[n]",
    lambda b, x: b.cast(
        b.select(x, b.const(1, tensor(I64, (n,))), b.const(-3, tensor(I64, (n,)))), F64
    ),
    lambda b, x: b.cast(b.select(x, b.cast(x, I64), b.const(-3, tensor(I64, (n,)))), F64),
)
example(
    "round-whole",
    V,
    lambda b, x: b("floor", b("neg", b("rint", x))),
    lambda b, x: b("floor", b("add", two(b, x), b("rint", x))),
)
example("sign-sign", V, lambda b, x: b("sign", b("sign", x)), lambda b, x: b("sign", b("neg", x)))
example(
    "sort-sort",
    S,
    lambda b, x: b("sort", b("sort", x, axis=0), axis=0),
    lambda b, x: b("sort", b("sort", x, axis=0), axis=1),
)
example(
    "sort-equal",
    V,
    lambda b, x: b("sort", b.broadcast(x, (n, 3), (0,)), axis=1),
    lambda b, x: b("sort", b.broadcast(x, (n, 3), (0,)), axis=0),
)
example(
    "take-argsort",
    S,
    lambda b, x: b("take_along", x, b("argsort", x, axis=1), axis=1),
    lambda b, x: b("take_along", x, b("argsort", b("neg", x), axis=1), axis=1),
)
example(
    "running-extreme-twice",
    S,
    lambda b, x: b("cummax", b("cummax", x, axis=0), axis=0),
    lambda b, x: b("cummin", b("cummax", x, axis=0), axis=0),
)
example(
    "index-short",
    "f64[n, 1]",
    lambda b, x: b("argsort", x, axis=1),
    lambda b, x: b("argsort", x, axis=0),
)
for _name, _attrs in (("transpose", {"perm": (1, 0)}), ("reverse", {"axes": (0,)})):
    example(
        f"elementwise-{_name}",
        (S, S),
        lambda b, x, y, name=_name, a=_attrs: b.mul(
            b(name, x, **a), b("exp", b.mul(b(name, y, **a), two(b, b(name, y, **a))))
        ),
        lambda b, x, y, name=_name, a=_attrs: b.mul(x, b(name, y, **a)),
        ("f64[3, 3]", "f64[3, 3]"),
    )
example(
    "compare-cast-bool",
    "bool[n]",
    lambda b, x: b("gt", b.cast(x, F64), b.const(0.5, tensor(F64, (n,)))),
    lambda b, x: b("gt", b.cast(x, F64), b.cast(b("not", x), F64)),
)
for _op in ("eq", "lt"):
    example(
        "compare-cast-bool",
        "bool[n]",
        lambda b, x, op=_op: b(op, b.cast(x, I64), b.const(0, tensor(I64, (n,)))),
    )
