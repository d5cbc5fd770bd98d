"""Rows with callees and regions, and the guards. Their transforms stand in `transforms/regions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...errors import DTypeError, ShapeError
from ..types import BOOL, TensorType
from .base import define

Types = Sequence[TensorType]


def _agree(name: str, what: str, have: Types, want: Types) -> None:
    if list(have) != list(want):
        raise ShapeError(f"{name}: {what} {', '.join(map(str, have))} where "
                         f"{', '.join(map(str, want))} is needed")  # fmt: skip


def _call_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    fn = attrs["callee"]
    _agree(name, f"@{fn.name} gets", types, [p.type for p in fn.params])
    return tuple(r.type for r in fn.results)


define("call", "control", None, _call_types, None, "the results of another function",
       attrs={"callee": "function"}, emit="inline",
       edges="a callee's dims are the caller's: types agree to the letter")  # fmt: skip


def _cond_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    if types[0].dtype is not BOOL or types[0].shape:
        raise DTypeError(f"cond takes a scalar bool, not {types[0]}")
    yes, no = regions
    for r in regions:
        _agree(name, "a branch takes", [p.type for p in r.params], types[1:])
    _agree(name, "the branches give", [v.type for v in no.results], [v.type for v in yes.results])
    return tuple(v.type for v in yes.results)


define("cond", "control", None, _cond_types, None,
       "the first region's results where x is true, else the second's; only one is run",
       emit="control")  # fmt: skip


def _scan_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    length, nc, nk = attrs["length"], attrs["carries"], attrs["consts"]
    (body,) = regions
    consts, carries, xs = types[:nk], types[nk : nk + nc], types[nk + nc :]
    for t in xs:
        if not t.shape or t.shape[0] != length:
            raise ShapeError(f"scan over {t} does not have {length} steps")
    _agree(name, "the body takes", [p.type for p in body.params],
           [*consts, *carries, *(t.with_shape(t.shape[1:]) for t in xs)])  # fmt: skip
    _agree(name, "the body carries on", [v.type for v in body.results[:nc]], carries)
    ys = [v.type for v in body.results[nc:]]
    return (*carries, *(t.with_shape((length, *t.shape)) for t in ys))


define("scan", "control", None, _scan_types, None,
       "a loop: operands are constants, first carries, stacked inputs; the region gives the next "
       "carries and a slice of each stacked output",
       attrs={"length": "dim", "carries": "int", "consts": "int", "reverse": "bool"},
       emit="control", edges="of no steps: the first carries and empty stacks")  # fmt: skip


def _no_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    return ()


def _guard_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    if types[0].dtype is not BOOL or types[0].shape:
        raise DTypeError(f"guard takes a scalar bool, not {types[0]}")
    return ()


define("guard", "control", 1, _guard_types, None,
       "the value x had while tracing; another value ends the call before any effect",
       attrs={"expect": "bool", "message": "str"}, props=("effect",), emit="guard",
       nondiff="it has no result")  # fmt: skip
define("require", "control", 0, _no_types, None,
       "a relation of dims (eq, ge) that shapes must satisfy, checked before anything runs",
       attrs={"lhs": "dim", "cmp": "str", "rhs": "dim", "message": "str"}, props=("effect",),
       emit="require", nondiff="it has no result")  # fmt: skip
