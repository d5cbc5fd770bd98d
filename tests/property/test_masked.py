"""Masked lanes on random routes: an infinite derivative behind a mask is as if it were not there.

A function with a pole is taken of numbers some of which sit on the pole, moved and mixed on a
random route, and the lanes that the pole has reached are masked off at the end. The reference is
the same program with the bad numbers replaced before the pole: "select before and after".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jitgrad.ir.build import Builder
from jitgrad.ir.core import Function, Value, block, function
from jitgrad.ir.interp import run
from jitgrad.ir.types import BOOL, F64, I64, tensor
from jitgrad.testing.agreement import check_compiled, check_same, seeds
from jitgrad.transforms import batched, jvp, vjp

POLES = {
    "sqrt": lambda b, x: b("sqrt", x),
    "log": lambda b, x: b("log", x),
    "1/x": lambda b, x: b("div", b.const(1, x.type), x),
    "x**-0.5": lambda b, x: b("pow", x, b.const(-0.5, x.type)),
    "log1p(x - 1)": lambda b, x: b("log1p", b("sub", x, b.const(1, x.type))),
}
Step = tuple[str, int]


def steps(v: Value) -> list[str]:
    """What may be done to a value."""
    r = v.type.rank
    out = ["exp", "square", "cond", "call"]
    if r:
        out += ["reverse", "gather", "scatter", "pad", "concatenate", "cumsum", "sum", "max",
                "reshape", "slice", "scan"]  # fmt: skip
    if r == 2:
        out += ["transpose", "matmul left", "matmul right"]
    return [*out, "broadcast"] if r < 3 else out


def apply(b: Builder, v: Value, step: Step, reached: bool) -> Value:
    """A step on a value; with `reached`, on the count of poles that have reached each lane."""
    name, seed = step
    rng = np.random.default_rng(seed)
    shape = tuple(int(d) for d in v.type.shape)
    r = len(shape)
    axis = int(rng.integers(r)) if r else 0
    at = [int(a == axis) for a in range(r)]

    def indices(count: int) -> Value:
        return b.const(rng.integers(0, shape[axis], count), tensor(I64, (count,)))

    def local(p: Value) -> Value:
        return p if reached else b.mul(b("exp", b("tanh", p)), p)

    if name in ("exp", "square"):
        return v if reached else b("exp", v) if name == "exp" else b.mul(v, v)
    if name == "reverse":
        return b("reverse", v, axes=(axis,))
    if name == "gather":
        return b("gather", v, indices(int(rng.integers(1, 4))), axis=axis)
    if name == "scatter":
        return b("scatter_add", v, indices(shape[axis]), v, axis=axis)
    if name == "pad":
        gaps = tuple(a * int(rng.integers(2)) for a in at)
        return b("pad", v, b.const(0, tensor(F64, ())), lo=tuple(at), hi=tuple(at), interior=gaps)
    if name == "concatenate":
        return b("concatenate", v, v, axis=axis)
    if name == "cumsum":
        return b("cumsum", v, axis=axis)
    if name == "sum" or (name == "max" and reached):
        return b.sum(v, (axis,))
    if name == "max":
        return b("max", v, axes=(axis,))
    if name == "reshape":
        return b.reshape(v, (int(np.prod(shape)),))
    if name == "slice":
        first = int(rng.integers(shape[axis]))
        jumps = tuple(1 + a * int(rng.integers(2)) for a in at)
        return b("slice", v, starts=tuple(a * first for a in at), stops=shape, steps=jumps)
    if name == "transpose":
        return b.transpose(v, (1, 0))
    if name.startswith("matmul"):
        right = name.endswith("right")
        w = rng.standard_normal((shape[1] if right else shape[0], 2))
        weights = b.const(np.abs(w) if reached else w, tensor(F64, w.shape))
        pair = (v, weights) if right else (weights, v)
        return b("matmul", *pair, ta=not right, tb=False)
    if name == "broadcast":
        return b.broadcast_front(v, 2)
    if name == "call":
        p = Value(v.type)
        return b.op("call", v, callee=function("inner", [p], [local(p)])).result
    if name == "cond":
        p, q = Value(v.type), Value(v.type)
        branches = (block([p], [local(p)]), block([q], [q]))
        return b.op("cond", b.const(True, tensor(BOOL, ())), v, regions=branches).result
    assert name == "scan"
    row = Value(v.type.with_shape(shape[1:]))
    carry = Value(row.type)
    after = b.add(row, carry) if rng.integers(2) else row
    op = b.op(
        "scan", b.zeros(row.type), v, regions=(block([carry, row], [after, local(after)]),),
        length=shape[0], carries=1, consts=0, reverse=bool(rng.integers(2)),
    )  # fmt: skip
    return op.results[1]


def program(shape: tuple[int, ...], pole: str, route: Sequence[Step], safe: bool) -> Function:
    b, x = Builder(), Value(tensor(F64, shape), name="x")
    bad = b("eq", x, b.zeros(x.type))
    v = POLES[pole](b, b.select(bad, b.const(1.7, x.type), x) if safe else x)
    reached = b.cast(bad, F64)
    for step in route:
        v, reached = apply(b, v, step, False), apply(b, reached, step, True)
    clear = b("eq", reached, b.zeros(reached.type))
    return function("f", [x], [b.select(clear, v, b.zeros(v.type))])


@st.composite
def masked(draw) -> tuple[Function, Function, np.ndarray]:
    """A program, its reference, an argument with some zeros."""
    shape = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    pole = draw(st.sampled_from(sorted(POLES)))
    b, v = Builder(), Value(tensor(F64, shape))
    route: list[Step] = []
    for _ in range(draw(st.integers(0, 5))):
        step = draw(st.sampled_from(steps(v))), draw(st.integers(0, 2**16))
        after = apply(b, v, step, True)
        if after.type.rank <= 3 and int(after.type.size) <= 60:
            route.append(step)
            v = after
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    x = np.where(rng.random(shape) < 0.35, 0.0, rng.uniform(1.2, 2.0, shape))
    return program(shape, pole, route, False), program(shape, pole, route, True), np.asarray(x)


@given(masked(), st.integers(0, 99))
def test_a_masked_pole_is_not_there(case: tuple[Function, Function, np.ndarray], seed: int):
    fn, reference, x = case
    rng = np.random.default_rng(seed)
    along, cts = seeds(reference, [x], rng)
    for how, extra in ((jvp, along), (vjp, cts)):
        first, want, args = how(fn), how(reference), [x, *extra]
        check_same(run(first, args), run(want, args), 1e-9, how.__name__)
        tangents, cotangents = seeds(want, args, rng)
        for outer, more in ((jvp, tangents), (vjp, cotangents)):
            got = run(outer(first), [*args, *more])
            where = f"{outer.__name__} of {how.__name__}"
            check_same(got, run(outer(want), [*args, *more]), 1e-9, where)


@given(masked(), st.integers(0, 99))
def test_a_masked_pole_is_not_there_in_machine_code_and_batches(
    case: tuple[Function, Function, np.ndarray], seed: int
):
    fn, reference, x = case
    _, cts = seeds(reference, [x], np.random.default_rng(seed))
    want = run(vjp(reference), [x, *cts])
    check_compiled(vjp(fn), [x, *cts], want)
    lanes = [x, np.roll(x, 1), x[..., ::-1] if x.ndim else x]
    flags = [True] + [False] * len(cts)
    wanted = [run(vjp(reference), [lane, *cts]) for lane in lanes]
    got = run(batched(vjp(fn), flags, len(lanes)), [np.stack(lanes), *cts])
    check_same(got, [np.stack(w) for w in zip(*wanted)], 1e-9, "batched")
