"""The reference interpreter: runs any stage of the IR on NumPy arrays, op by op.

It is the oracle of the tests, the constant folder, and what `grad(f)(x)` runs on outside `jit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import GuardError, JitgradError, ShapeError, at
from .core import Block, Function, Op, Value
from .dims import Dim, evaluate
from .ops import TABLE
from .ops.kernel import MONOIDS
from .terms import Term
from .types import TensorType, tensor

Env = dict[str, int]
_CALL = TABLE["call"]


class Watched(Env):
    """Sizes of dims for a run that somebody watches: `seen(op, args, results)` after every op."""

    __slots__ = ("seen",)

    def __init__(self, seen: Callable[[Op, Sequence[Any], Sequence[Any]], None]) -> None:
        self.seen = seen


def bind_dims(params: Sequence[Value], args: Sequence[Any], env: Env) -> None:
    """Give the dim symbols of `params` the sizes of `args`; `ShapeError` where they disagree."""
    later = []
    for p, a in zip(params, args):
        shape = np.shape(a)
        if len(shape) != len(p.type.shape):
            raise ShapeError(f"{p.name or 'an argument'} takes {p.type}, not shape {shape}")
        for d, size in zip(p.type.shape, shape):
            if d.__class__ is Dim:
                mono, c = d.terms[0]
                if len(d.terms) == 1 and c == 1 and len(mono) == 1 and mono[0].__class__ is str:
                    if env.setdefault(mono[0], size) == size:
                        continue
                    raise ShapeError(
                        f"{p.name or 'an argument'}: {d} is {env[mono[0]]} elsewhere, "
                        f"but {size} in shape {shape}"
                    )
            later.append((p, d, size, shape))
    for p, d, size, shape in later:
        if evaluate(d, env) != size:
            raise ShapeError(f"{p.name or 'an argument'} takes {p.type}, not shape {shape}")


def resolve(attr: Any, env: Mapping[str, int]) -> Any:
    """An attribute with its dims as numbers."""
    if attr.__class__ is Dim:
        return evaluate(attr, env)
    if attr.__class__ is tuple:
        return tuple([resolve(a, env) for a in attr])
    if attr.__class__ is TensorType and not attr.static:
        return tensor(attr.dtype, resolve(attr.shape, env))
    return attr


def eval_op(op: Op, args: Sequence[Any], env: Env) -> tuple[Any, ...]:
    """Results of one op on arrays; `env` has the dim symbols."""
    row = op.opdef
    if row.ref is not None:
        attrs = {k: resolve(v, env) for k, v in op.attrs.items()}
        with np.errstate(all="ignore"):
            out = row.ref(*args, **attrs)
        want = op.results[0].type.dtype.np
        return (np.asarray(out, want),)
    return _CONTROL[row.name](op, args, env)


def run(fn: Function, args: Sequence[Any], env: Env | None = None) -> tuple[np.ndarray, ...]:
    """Run a function on arrays of its parameters' dtypes and ranks.

    `env` takes the sizes of dims; with a `Watched` one, somebody sees every op's results.

    Raises `ShapeError` where shapes contradict the parameters' types, and what the ops raise.
    """
    if len(args) != len(fn.params):
        raise TypeError(f"@{fn.name} takes {len(fn.params)} arguments, not {len(args)}")
    arrays = []
    for p, a in zip(fn.params, args):
        a = np.asarray(a)
        if a.dtype != p.type.dtype.np:
            raise TypeError(f"@{fn.name}: {p.name or 'an argument'} takes {p.type}, not {a.dtype}")
        arrays.append(a)
    env = {} if env is None else env
    bind_dims(fn.params, arrays, env)
    return run_block(fn.body, arrays, env)


def run_block(block: Block, args: Sequence[Any], env: Env) -> tuple[Any, ...]:
    """Results of a block on its parameters' values. Calls may nest to any depth."""
    values: dict[int, Any] = {id(p): a for p, a in zip(block.params, args)}
    ops = iter(block.ops)
    seen = env.seen if isinstance(env, Watched) else None
    callers: list[tuple[Block, dict[int, Any], Iterator[Op], Op]] = []
    while True:
        for op in ops:
            if op.opdef is _CALL:  # types agree to the letter: the caller's dims are the callee's
                callers.append((block, values, ops, op))
                block = op.attrs["callee"].body
                values = {id(p): values[id(v)] for p, v in zip(block.params, op.operands)}
                ops = iter(block.ops)
                break
            try:
                ins = [values[id(v)] for v in op.operands]
                outs = eval_op(op, ins, env)
            except (JitgradError, IndexError, ValueError, ZeroDivisionError) as err:
                locs = (o.loc for o in (op, *(c[3] for c in reversed(callers))))
                loc = next((here for here in locs if here is not None), None)
                if loc is not None and "\n  at " not in str(err):
                    raise type(err)(at(str(err), loc)) from None
                raise
            if seen is not None:
                seen(op, ins, outs)
            for v, a in zip(op.results, outs):
                values[id(v)] = a
        else:
            found = tuple([values[id(v)] for v in block.results])
            if not callers:
                return found
            block, values, ops, op = callers.pop()
            for v, a in zip(op.results, found):
                values[id(v)] = a


# -- control --------------------------------------------------------------------------------------


def _call(op: Op, args: Sequence[Any], env: Env) -> tuple[Any, ...]:
    return run_block(op.attrs["callee"].body, args, env)


def _cond(op: Op, args: Sequence[Any], env: Env) -> tuple[Any, ...]:
    return run_block(op.regions[0 if bool(args[0]) else 1], args[1:], env)


def _scan(op: Op, args: Sequence[Any], env: Env) -> tuple[Any, ...]:
    (body,) = op.regions
    nk, nc = op.attrs["consts"], op.attrs["carries"]
    steps = resolve(op.attrs["length"], env)
    consts, carries, xs = list(args[:nk]), list(args[nk : nk + nc]), args[nk + nc :]
    ys = [np.zeros(resolve(v.type.shape, env), v.type.dtype.np) for v in op.results[nc:]]
    order = range(steps - 1, -1, -1) if op.attrs["reverse"] else range(steps)
    for i in order:
        outs = run_block(body, [*consts, *carries, *(x[i] for x in xs)], env)
        carries = list(outs[:nc])
        for y, o in zip(ys, outs[nc:]):
            y[i] = o
    return (*carries, *ys)


def _guard(op: Op, args: Sequence[Any], env: Env) -> tuple[Any, ...]:
    if bool(args[0]) != op.attrs["expect"]:
        raise GuardError(op.attrs["message"])
    return ()


def _require(op: Op, args: Sequence[Any], env: Env) -> tuple[Any, ...]:
    a, b = resolve(op.attrs["lhs"], env), resolve(op.attrs["rhs"], env)
    if not (a == b if op.attrs["cmp"] == "eq" else a >= b):
        raise ShapeError(
            f"{op.attrs['message']} ({op.attrs['lhs']} is {a}, {op.attrs['rhs']} is {b})"
        )
    return ()


# -- kernels --------------------------------------------------------------------------------------


def _kernel(op: Op, args: Sequence[Any], env: Env) -> tuple[Any, ...]:
    (body,) = op.regions
    outs = [np.zeros(resolve(r.type.shape, env), r.type.dtype.np) for r in op.results]
    values = {id(p): a for p, a in zip(body.params, [*args, *outs])}
    _run_level(body, values, dict(env))
    return tuple(outs)


def _run_level(block: Block, values: dict[int, Any], env: Env) -> None:
    """One level of a loop tree, element by element: slow, and plainly right."""
    for op in block.ops:
        name = op.opdef.name
        ins = [values[id(v)] for v in op.operands]
        if name == "loop":
            outs: tuple[Any, ...] = _loop(op, values, env)
        elif name == "store":
            ins[1][_place(op, ins[2:], env)] = ins[0]
            outs = ()
        elif name == "load":
            outs = (ins[0][_place(op, ins[1:], env)],)
        elif name == "load_if":
            outs = (ins[0][_place(op, ins[3:], env)] if ins[1] else ins[2],)
        else:
            outs = eval_op(op, ins, env)
        for v, a in zip(op.results, outs):
            values[id(v)] = a


def _place(op: Op, computed: Sequence[Any], env: Env) -> tuple[int, ...]:
    index = op.attrs["index"]
    if computed:
        env = {**env, **{f"${k}": int(v) for k, v in enumerate(computed)}}
    return tuple([evaluate(d, env) if d.__class__ is Dim else d for d in index])


def _loop(op: Op, values: dict[int, Any], env: Env) -> tuple[Any, ...]:
    (body,) = op.regions
    monoids = [MONOIDS[m] for m in op.attrs["monoids"]]
    types = [v.type for v in body.results]
    carries: list[Any] = []
    k = 0
    for m in monoids:
        carries += [types[k + j].dtype.np.type(f(types[k + j].dtype)) for j, f in enumerate(m.init)]
        k += m.arity
    for i in range(resolve(op.attrs["extent"], env)):
        _run_level(body, values, {**env, op.attrs["var"]: i})
        new = [values[id(v)] for v in body.results]
        k = 0
        for m in monoids:
            names = {f"a{j}": carries[k + j] for j in range(m.arity)}
            names |= {f"b{j}": new[k + j] for j in range(m.arity)}
            carries[k : k + m.arity] = [eval_term(c, names) for c in m.combine]
            k += m.arity
    return tuple(np.asarray(c, t.dtype.np) for c, t in zip(carries, types))


def eval_term(term: Term, env: Mapping[str, Any]) -> Any:
    """A term on arrays or NumPy scalars: each op by its reference."""
    if term.op is None:
        return env[term.name] if term.name else term.value
    ref = TABLE[term.op].ref
    assert ref is not None
    args = [eval_term(a, env) for a in term.args]
    like = next((a for a in args if hasattr(a, "dtype") and a.dtype.kind != "b"), None)
    if like is not None:
        args = [a if hasattr(a, "dtype") else like.dtype.type(a) for a in args]
    with np.errstate(all="ignore"):
        return ref(*args, **term.attrs)


_CONTROL = {"call": _call, "cond": _cond, "scan": _scan, "guard": _guard, "require": _require,
            "kernel": _kernel}  # fmt: skip
