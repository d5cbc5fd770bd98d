"""Examples of the structural rules: graphs on which each fires, and graphs on which it must not.

The rule checker runs them, and the golden files of `tests/golden/rules-*` are made from them. Those
of reductions and of stabilization stand in `rule_examples_sums`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir.build import Builder
from ..ir.core import Function, Value, block, function
from ..ir.dim_parser import parse_dim
from ..ir.dims import symbol
from ..ir.types import BOOL, DTYPES, F64, I64, TensorType, tensor

Build = Callable[..., Value]
n = symbol("n")
V, M, S = "f64[n]", "f64[n, 3]", "f64[3, 4]"


class Example(NamedTuple):
    """Graphs on which a rule fires, and some on which it must stay away, over typed parameters."""

    fires: tuple[tuple[Sequence[str], Build], ...]
    stays: tuple[tuple[Sequence[str], Build], ...]


EXAMPLES: dict[str, Example] = {}


def _type(text: str) -> TensorType:
    name, _, shape = text.partition("[")
    return tensor(name, tuple(map(parse_dim, filter(None, shape.rstrip("]").split(",")))))


def graph(types: Sequence[str], build: Build) -> Function:
    """The function of one example."""
    params = [Value(_type(t), name="xyzw"[i]) for i, t in enumerate(types)]
    return function("f", params, [build(Builder(), *params)])


def example(name: str, types: Sequence[str] | str, fires: Build, stays: Build | None = None,
             stays_types: Sequence[str] | str | None = None) -> None:  # fmt: skip
    """Add an example: parameter types, a graph that fires, one that does not (and its types)."""
    types = (types,) if isinstance(types, str) else tuple(types)
    other = stays_types if stays_types is not None else types
    other = (other,) if isinstance(other, str) else tuple(other)
    old = EXAMPLES.get(name, Example((), ()))
    EXAMPLES[name] = Example(
        (*old.fires, (types, fires)), (*old.stays, *(((other, stays),) if stays else ()))
    )


def two(b: Builder, v: Value) -> Value:
    return b.const(2.0, v.type)


# -- canonical forms ------------------------------------------------------------------------------
example(
    "drop-spelling",
    V,
    lambda b, x: b.mul(b.const(2, x.type, "2"), x),
    lambda b, x: b.mul(two(b, x), x),
)
example(
    "drop-spelling",
    "f64[2]",
    lambda b, x: b.mul(b.const(np.array([2.0, 2.0]), x.type), x),
    lambda b, x: b.mul(b.const(np.array([0.0, -0.0]), x.type), x),
)
example("constant-first", V, lambda b, x: b.mul(x, two(b, x)), lambda b, x: b("sub", x, two(b, x)))
example(
    "splat-through",
    V,
    lambda b, x: b.mul(x, b.broadcast(b.const(2, tensor(F64, ())), (n,), ())),
    lambda b, x: b.mul(
        x,
        b(
            "pad",
            b.const(2, tensor(F64, (1,))),
            b.const(3, tensor(F64, ())),
            lo=(0,),
            hi=(n - 1,),
            interior=(0,),
        ),
    ),
)
example(
    "fill-broadcast",
    (V, "f64"),
    lambda b, x, y: b("fill", x, y),
    lambda b, x, y: b.broadcast(y, (n,), ()),
)
example(
    "static-dim",
    "f64",
    lambda b, x: b.mul(x, b.cast(b("dim", expr=3), F64)),
    lambda b, x: b.sum(b.mul(x, b.broadcast(b.cast(b("dim", expr=n), F64), (n,), ())), (0,)),
    V,
)
example(
    "broadcast-same",
    V,
    lambda b, x: b("broadcast", x, shape=(n,), dims=(0,)),
    lambda b, x: b("broadcast", x, shape=(2, n), dims=(1,)),
)
example(
    "broadcast-broadcast",
    V,
    lambda b, x: b.broadcast(b.broadcast(x, (n, 3), (0,)), (2, n, 3), (1, 2)),
    lambda b, x: b.broadcast(b("exp", b.broadcast(x, (n, 3), (0,))), (2, n, 3), (1, 2)),
)
example(
    "broadcast-is-reshape",
    V,
    lambda b, x: b.broadcast(x, (1, n, 1), (1,)),
    lambda b, x: b.broadcast(x, (1, n, 2), (1,)),
)
example(
    "broadcast-squeeze",
    "f64[n, 1]",
    lambda b, x: b.broadcast(x, (n, 4), (0, 1)),
    lambda b, x: b.broadcast(x, (n, 4), (0,)),
    V,
)
example(
    "reshape-same",
    V,
    lambda b, x: b("reshape", x, shape=(n,)),
    lambda b, x: b("reshape", x, shape=(n, 1)),
)
example(
    "reshape-reshape",
    S,
    lambda b, x: b.reshape(b.reshape(x, (12,)), (6, 2)),
    lambda b, x: b.reshape(b("exp", b.reshape(x, (12,))), (6, 2)),
)
example(
    "reshape-broadcast",
    V,
    lambda b, x: b.reshape(b.broadcast(x, (n, 3), (0,)), (n, 1, 3)),
    lambda b, x: b.reshape(b.broadcast(x, (n, 3), (0,)), (3 * n,)),
)
_HALVES = (n + 1) // 2 + n // 2  # n, though not by canonical form
example(
    "refine-refine",
    V,
    lambda b, x: b("refine", b("refine", x, shape=(_HALVES,)), shape=(n,)),
    lambda b, x: b("refine", b("exp", b("refine", x, shape=(n,))), shape=(n,)),
)
example(
    "transpose-same",
    M,
    lambda b, x: b("transpose", x, perm=(0, 1)),
    lambda b, x: b("transpose", x, perm=(1, 0)),
)
example(
    "transpose-same",
    "f64[n, 1, 3]",
    lambda b, x: b("transpose", x, perm=(1, 0, 2)),
    lambda b, x: b("transpose", x, perm=(2, 1, 0)),
)
example(
    "transpose-transpose",
    "f64[2, 3, 4]",
    lambda b, x: b.transpose(b.transpose(x, (2, 0, 1)), (1, 0, 2)),
    lambda b, x: b.transpose(b("exp", b.transpose(x, (2, 0, 1))), (1, 0, 2)),
)
example(
    "transpose-broadcast",
    S,
    lambda b, x: b.transpose(b.broadcast(x, (2, 3, 4), (1, 2)), (2, 0, 1)),
    lambda b, x: b.transpose(b.reshape(x, (2, 2, 3)), (2, 0, 1)),
)
example(
    "reverse-short",
    "f64[n, 1]",
    lambda b, x: b("reverse", x, axes=(0, 1)),
    lambda b, x: b("reverse", x, axes=(0,)),
)
example(
    "reverse-reverse",
    S,
    lambda b, x: b("reverse", b("reverse", x, axes=(0, 1)), axes=(1,)),
    lambda b, x: b("reverse", b("exp", b("reverse", x, axes=(0,))), axes=(0,)),
)
example(
    "reverse-broadcast",
    V,
    lambda b, x: b("reverse", b.broadcast(x, (n, 3), (0,)), axes=(0, 1)),
    lambda b, x: b("reverse", b.broadcast(x, (n, 3), (0,)), axes=(0,)),
)
example(
    "elementwise-broadcast",
    (V, V),
    lambda b, x, y: b.mul(b.broadcast(x, (3, n), (1,)), b.broadcast(y, (3, n), (1,))),
    lambda b, x, y: b.mul(b.broadcast(x, (n, n), (1,)), b.broadcast(y, (n, n), (0,))),
)
example(
    "elementwise-broadcast",
    V,
    lambda b, x: b.mul(b.const(2, tensor(F64, (3, n))), b("exp", b.broadcast(x, (3, n), (1,)))),
)
example(
    "elementwise-reshape",
    (V, V),
    lambda b, x, y: b.mul(b.reshape(x, (n, 1)), b("exp", b.reshape(y, (n, 1)))),
    lambda b, x, y: b.mul(x, b.reshape(y, (n, 1))),
    ("f64[n, 1]", V),
)

# -- slices, pads, joins --------------------------------------------------------------------------


def _slice(b: Builder, x: Value, lo: Any, hi: Any, step: int = 1) -> Value:
    return b("slice", x, starts=(lo,), stops=(hi,), steps=(step,))


_ZERO = tensor(F64, ())
example("slice-all", V, lambda b, x: _slice(b, x, 0, n), lambda b, x: _slice(b, x, 0, n, 2))
example(
    "slice-slice",
    "f64[20]",
    lambda b, x: _slice(b, _slice(b, x, 1, 20, 3), 1, 6, 2),
    lambda b, x: _slice(b, b("exp", _slice(b, x, 1, 20, 3)), 1, 6, 2),
)
example(
    "slice-pad",
    V,
    lambda b, x: _slice(
        b, b("pad", x, b.const(0, _ZERO), lo=(2,), hi=(1,), interior=(0,)), 2, n + 2
    ),
    lambda b, x: _slice(
        b, b("pad", x, b.const(0, _ZERO), lo=(2,), hi=(1,), interior=(0,)), 1, n + 1
    ),
)
example(
    "slice-concatenate",
    (V, V),
    lambda b, x, y: _slice(b, b("concatenate", x, y, axis=0), n, 2 * n),
    lambda b, x, y: _slice(b, b("concatenate", x, y, axis=0), 1, 4),
    ("f64[2]", "f64[3]"),
)
example(
    "slice-broadcast",
    V,
    lambda b, x: b(
        "slice", b.broadcast(x, (4, n), (1,)), starts=(1, 0), stops=(3, n), steps=(1, 1)
    ),
    lambda b, x: b(
        "slice", b.broadcast(x, (4, 2), (0, 1)), starts=(1, 0), stops=(3, 2), steps=(1, 1)
    ),
    "f64[4, 1]",
)
example(
    "pad-nothing",
    V,
    lambda b, x: b("pad", x, b.const(0, _ZERO), lo=(0,), hi=(0,), interior=(0,)),
    lambda b, x: b("pad", x, b.const(0, _ZERO), lo=(0,), hi=(1,), interior=(0,)),
)
example(
    "pad-pad",
    V,
    lambda b, x: b(
        "pad",
        b("pad", x, b.const(1, _ZERO), lo=(1,), hi=(2,), interior=(0,)),
        b.const(1, _ZERO),
        lo=(3,),
        hi=(0,),
        interior=(0,),
    ),
    lambda b, x: b(
        "pad",
        b("pad", x, b.const(1, _ZERO), lo=(1,), hi=(2,), interior=(0,)),
        b.const(-1, _ZERO),
        lo=(3,),
        hi=(0,),
        interior=(0,),
    ),
)
example(
    "concatenate-parts",
    (V, "f64[0]", V),
    lambda b, x, y, z: b("concatenate", b("concatenate", x, y, axis=0), z, axis=0),
    lambda b, x, y, z: b("concatenate", x, z, axis=0),
)
example(
    "concatenate-slices",
    (V, V),
    lambda b, x, y: b("concatenate", _slice(b, x, 0, 1), _slice(b, x, 1, n), y, axis=0),
    lambda b, x, y: b("concatenate", _slice(b, x, 1, n), _slice(b, x, 0, 1), y, axis=0),
)
example(
    "gather-constant",
    S,
    lambda b, x: b("gather", x, b.const(2, tensor(I64, ())), axis=0),
    lambda b, x: b("gather", x, b.const(0, tensor(I64, ())), axis=0),
    M,
)

# -- casts and markers ----------------------------------------------------------------------------


def _cond(b: Builder, flag: Value, x: Value) -> Value:
    regions = []
    for name in ("exp", "neg"):
        p = Value(x.type, name="p")
        regions.append(block([p], [b(name, p)]))
    return b.op("cond", flag, x, regions=tuple(regions)).result


example("cond-constant", V, lambda b, x: _cond(b, b.const(False, tensor(BOOL, ())), x))
example(
    "cond-constant",
    ("bool", V),
    lambda b, f, x: _cond(b, b.const(True, f.type), x),
    lambda b, f, x: _cond(b, f, x),
)
example(
    "cast-same",
    V,
    lambda b, x: b("cast", x, dtype=F64),
    lambda b, x: b("cast", x, dtype=DTYPES["f32"]),
)
example(
    "cast-cast",
    "f32[n]",
    lambda b, x: b.cast(b.cast(x, F64), DTYPES["f32"]),
    lambda b, x: b.cast(b.cast(x, F64), I64),
    "i64[n]",
)
example(
    "drop-marker",
    V,
    lambda b, x: b("exp", b("stop_gradient", b("identity", x))),
    lambda b, x: b("exp", x),
)
