"""The trace in progress: what is known of its values and sizes, and the guards it has made.

A `Root` is one trace, one at a time in a thread; grad, jvp and vmap nest inside it. Outside `jit`
(kind "eager") every operation is computed as it is recorded; under `jit` values are computed on
demand, to answer a branch; what depends on a batched value or an abstract argument has none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import JitgradError, TraceError, at
from ..ir.build import Builder
from ..ir.core import Op, Value
from ..ir.dims import Dim, DimLike, evaluate
from ..ir.interp import eval_op
from ..ir.types import I64, TensorType, dtype_of, scalar, tensor
from .source import here

_SMALL = 1 << 16  # captured arrays up to so many bytes are copied, so that later writes do not show

# What Tracer's operators and methods call, by name; filled by protocol and jitgrad.numpy, which
# stand above this module.
FUNCTIONS: dict[str, Callable[..., Any]] = {}


class _State(threading.local):
    root: Root | None = None
    disabled: bool = False
    interpret: bool = False


state = _State()


def current() -> Root | None:
    """The trace in progress in this thread."""
    return state.root


class Escape(TraceError):
    """A value left a jitted function (`float(x)`): the function is then run on its arrays."""


class Root:
    """One trace in progress.

    known holds the arrays of values that are computed (or given), env the observed size of each
    dim symbol, effects the guards and requirements in order, captures the arrays that a jitted
    function reads from outside, depth the number of transforms around, which is also the next
    bit of the masks that say on which differentiated or batched arguments a tracer depends.
    """

    __slots__ = ("arrays", "b", "captures", "consts", "decided", "depth", "effects", "env", "kind",
                 "known", "open", "refined", "unknown")  # fmt: skip

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.b = Builder()
        self.known: dict[Value, Any] = {}
        self.unknown: set[Value] = set()
        self.env: dict[str, int] = {}
        self.effects: list[Op] = []
        self.decided: dict[Any, bool] = {}
        self.consts: dict[Any, Value] = {}
        self.refined: dict[Any, Value] = {}
        self.captures: dict[int, tuple[np.ndarray, Value]] = {}
        self.depth = 0
        self.open = True

    # -- constants and captured arrays -------------------------------------------------------------

    def const(self, value: Any, type: TensorType) -> Value:
        """A constant in every element of `type`; equal ones are made once."""
        key = (value, type, value.__class__)
        if value == 0:
            return self.b.const(value, type)  # 0.0 equals -0.0
        found = self.consts.get(key)
        if found is None:
            found = self.consts[key] = self.b.const(value, type)
        return found

    def number(self, d: DimLike) -> Value:
        """A dim as an i64 scalar."""
        return self.b("dim", expr=d) if d.__class__ is Dim else self.const(d, scalar(I64))

    def array(self, x: np.ndarray, fixed: bool = False) -> Value:
        """A NumPy array that the function reads: a hidden argument under jit, else a constant."""
        x = np.asarray(x)
        type_ = tensor(dtype_of(x.dtype), x.shape)
        if x.dtype != type_.dtype.np:
            x = x.astype(type_.dtype.np)  # another byte order
            fixed = True
        if self.kind == "jit" and not fixed:
            found = self.captures.get(id(x))
            if found is None:
                v = Value(type_, name=f"captured{len(self.captures)}")
                found = self.captures[id(x)] = (x, v)
                self.known[v] = x.copy()
            return found[1]
        if not fixed and x.nbytes <= _SMALL:
            x = x.copy()
        return self.b("constant", value=x, type=type_, spelling="")

    # -- values ------------------------------------------------------------------------------------

    def value(self, v: Value) -> Any:
        """The array that `v` is in this call; None where there is none."""
        known, unknown = self.known, self.unknown
        got = known.get(v)
        if got is not None or v in unknown:
            return got
        op = v.op
        if op is not None and self.kind == "eager":  # nearly always the operands are there
            args = [known.get(w) for w in op.operands]
            for a in args:
                if a is None:
                    break
            else:
                for r, a in zip(op.results, self._eval(op, args)):
                    known[r] = a
                return known[v]
        todo = [v]
        while todo:
            u = todo[-1]
            op = u.op
            if u in known or u in unknown:
                todo.pop()
                continue
            if op is None:
                unknown.add(u)
                continue
            missing = [w for w in op.operands if w not in known and w not in unknown]
            if missing:
                todo.extend(missing)
                continue
            todo.pop()
            if unknown and any(w in unknown for w in op.operands):
                unknown.update(op.results)
                continue
            for r, a in zip(op.results, self._eval(op, [known[w] for w in op.operands])):
                known[r] = a
        return known.get(v)

    def _eval(self, op: Op, args: list[Any]) -> tuple[Any, ...]:
        row = op.opdef
        if row.elementwise and not op.attrs and "raises" not in row.props:
            with np.errstate(all="ignore"):
                return (np.asarray(row.ref(*args), op.results[0].type.dtype.np),)  # type: ignore[misc]
        if row.name == "constant":
            value, type_ = op.attrs["value"], op.attrs["type"]
            if not isinstance(value, np.ndarray):
                if not type_.static:
                    type_ = type_.with_shape(tuple(evaluate(d, self.env) for d in type_.shape))
                value = np.broadcast_to(np.asarray(value, type_.dtype.np), type_.shape)
            return (value,)
        try:
            return eval_op(op, args, self.env)
        except (JitgradError, IndexError, ValueError, ZeroDivisionError) as err:
            if op.loc is not None and "\n  at " not in str(err):
                raise type(err)(at(str(err), op.loc)) from None
            raise

    # -- answers to Python -------------------------------------------------------------------------

    def decide(self, cond: Value, what: str) -> bool:
        """The truth of a bool scalar, guarded under jit; `TraceError` where it has no value."""
        answer = self.decided.get(cond)
        if answer is None:
            got = self.value(cond)
            if got is None:
                raise TraceError(at(
                    f"{what} needs the value of a traced array, and here it has none (under vmap, "
                    "eval_shape); compute both sides and choose with jitgrad.numpy.where",
                    here()))  # fmt: skip
            answer = self.decided[cond] = bool(got)
            if self.kind == "jit":
                message = at(f"{what} was {answer} when this path was traced", here())
                self.effects.append(self.b.op("guard", cond, expect=answer, message=message))
        return answer

    def compare(
        self, a: DimLike, cmp: str, b: DimLike, what: str = "a comparison of sizes"
    ) -> bool:
        """a cmp b of dims: by canonical form and symbols being at least 2, else from the observed
        sizes, with a guard."""
        diff = a - b
        if diff.__class__ is not Dim:
            return COMPARE[cmp](diff, 0)
        low = _lower_bound(diff)
        if low is not None and low > 0:
            return COMPARE[cmp](low, 0)
        if low == 0 and cmp in ("ge", "lt"):
            return cmp == "ge"
        low = _lower_bound(-1 * diff)
        if low is not None and low > 0:
            return COMPARE[cmp](-low, 0)
        if low == 0 and cmp in ("le", "gt"):
            return cmp == "le"
        key = (a, cmp, b)
        answer = self.decided.get(key)
        if answer is None:
            self.b.loc = here()
            cond = self.b(cmp, self.number(a), self.number(b))
            answer = self.decided[key] = self.decide(cond, what)
        return answer

    def same_dim(self, a: DimLike, b: DimLike, op: str, shapes: Callable[[], str]) -> bool:
        """Whether two dims are one; what is only observed to be so is required of later calls."""
        if a is b or a == b:
            return True
        if a.__class__ is not Dim and b.__class__ is not Dim:
            return False
        if not (_at_least_two(a) and _at_least_two(b)):
            return self.compare(a, "eq", b, f"an equality of sizes in {op}")
        if evaluate(a, self.env) != evaluate(b, self.env):
            return False
        if ("require", a, b) not in self.decided:
            self.decided["require", a, b] = True
            message = at(f"{op}: {shapes()}", here())
            self.effects.append(self.b.op("require", lhs=a, cmp="eq", rhs=b, message=message))
        return True

    def refine(self, v: Value, shape: tuple[DimLike, ...]) -> Value:
        """`v` with dims that were found equal to `shape` under those names."""
        if v.type.shape == shape:
            return v
        key = (v, shape)
        found = self.refined.get(key)
        if found is None:
            found = self.refined[key] = self.b("refine", v, shape=shape)
        return found

    def sizes(self, shape: tuple[DimLike, ...]) -> tuple[int, ...]:
        """A shape in numbers, as this call has them (for messages)."""
        return tuple([evaluate(d, self.env) for d in shape])


COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b}  # fmt: skip


def _lower_bound(d: DimLike) -> int | None:
    """The least value of a sum of positive multiples of symbols, each at least 2."""
    if not isinstance(d, Dim):
        return d
    low = 0
    for mono, c in d.terms:
        if not mono:
            low += c
        elif c > 0 and all(a.__class__ is str for a in mono):
            low += c * 2 ** len(mono)
        else:
            return None
    return low


def _at_least_two(d: DimLike) -> bool:
    low = _lower_bound(d)
    return low is not None and low >= 2


@contextmanager
def activate(root: Root) -> Iterator[Root]:
    """Make `root` this thread's trace."""
    before, state.root = state.root, root
    was, root.open = root.open, True
    try:
        yield root
    finally:
        state.root = before
        root.open = was and before is root
