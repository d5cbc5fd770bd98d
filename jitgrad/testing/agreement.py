"""Holds the ways to run a program together: interpreter, passes, machine code, derivatives.

What may differ is rounding. `precision` says how much of it a function may show, and errors are
measured against the largest number of an array, since sums may be taken in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..compile import compile_ir
from ..errors import GuardError
from ..ir.build import Builder
from ..ir.core import Function, Op, Value, function
from ..ir.dims import Dim, DimLike, symbol, symbols
from ..ir.interp import run
from ..ir.verify import verify
from ..passes.pipelines import LOWER, TENSOR, parse_pipeline
from ..transforms import batched, jvp, vjp
from .gradcheck import directional

Arrays = Sequence[Any]


def narrow(fn: Function) -> bool:
    """Whether single precision is on the way."""
    stack, seen = [fn.body], {id(fn.body)}
    while stack:
        body = stack.pop()
        for op in body.ops:
            callee = op.attrs.get("callee")
            inner = [*op.regions, *([callee.body] if callee is not None else [])]
            stack += [r for r in inner if id(r) not in seen]
            seen.update(map(id, inner))
            if any(v.type.dtype.name in ("f32", "c64") for v in op.results):
                return True
    return any(p.type.dtype.name in ("f32", "c64") for p in fn.params)


def precision(fn: Function) -> float:
    """What rounding may do to a moderate program: 1e-9, or 1e-3 in single precision."""
    return 1e-3 if narrow(fn) else 1e-9


def size_of(arrays: Arrays) -> float:
    """The largest finite number of the arrays, at least 1."""
    found = 1.0
    for a in arrays:
        a = np.asarray(a)
        if a.dtype.kind == "f":
            found = max(found, float(np.max(np.abs(a[np.isfinite(a)]), initial=0)))
    return found


def check_same(got: Arrays, want: Arrays, tol: float, where: str) -> None:
    """Same dtypes and shapes; ints alike, floats within `tol`, NaN and infinities in place."""
    assert len(got) == len(want), where
    size = size_of(want)
    for k, (g, w) in enumerate(zip(got, want)):
        g, w = np.asarray(g), np.asarray(w)
        what = f"{where}, result {k}"
        assert (g.dtype, g.shape) == (w.dtype, w.shape), f"{what}: {g.dtype}{g.shape}"
        rtol, atol = (tol, tol * size) if w.dtype.kind == "f" else (0, 0)
        np.testing.assert_allclose(g, w, rtol=rtol, atol=atol, err_msg=what)


def check_passes(fn: Function, args: Arrays, want: Arrays, where: str = "") -> None:
    """After every pass of both pipelines the function verifies and gives `want`."""
    tol = precision(fn)
    for step in parse_pipeline(f"{TENSOR},{LOWER}").passes:
        fn = step.run(fn)
        verify(fn)
        check_same(run(fn, args), want, tol, f"{where} after {step}")


def named_dims(fn: Function) -> Function:
    """`fn` where each dim of a parameter is a number or a symbol, as compiled functions want it.

    A parameter of f64[n - 1] becomes one of f64[k0], with k0 required to be n - 1.
    """
    b = Builder()
    params: list[Value] = []
    inner: list[Value] = []
    effects: list[Op] = []
    for p in fn.params:
        shape: list[DimLike] = []
        for d in p.type.shape:
            if isinstance(d, Dim) and repr(d) not in symbols(d):
                fresh = symbol(f"k{len(effects)}")
                effects.append(b.op("require", lhs=fresh, cmp="eq", rhs=d, message="dims"))
                d = fresh
            shape.append(d)
        new = Value(p.type.with_shape(tuple(shape)), name=p.name)
        params.append(new)
        inner.append(b("refine", new, shape=p.type.shape) if new.type is not p.type else p)
    if not effects:
        return fn
    params = [p if p.type is q.type else q for p, q in zip(fn.params, params)]
    made = b.op("call", *inner, callee=fn)
    return function(fn.name, params, made.results, [*effects, made], fn.layouts)


def check_compiled(fn: Function, args: Arrays, want: Arrays, where: str = "") -> None:
    """Machine code gives `want`."""
    fn = named_dims(fn)
    check_same(compile_ir(fn).call(*args), want, precision(fn), f"{where} in machine code")


def inexact(fn: Function, args: Arrays) -> list[np.ndarray]:
    """The arguments that have a derivative."""
    return [np.asarray(a) for p, a in zip(fn.params, args) if p.type.dtype.inexact]


def random_like(rng: np.random.Generator, arrays: Arrays) -> list[np.ndarray]:
    """Normal numbers in the shapes and dtypes of `arrays`."""
    return [np.asarray(rng.standard_normal(np.shape(a)), np.asarray(a).dtype) for a in arrays]


def seeds(fn: Function, args: Arrays, rng: np.random.Generator) -> tuple[list, list]:
    """Random tangents for the arguments and cotangents for the results of `fn`."""
    outs = [r for r, v in zip(run(fn, args), fn.results) if v.type.dtype.inexact]
    return random_like(rng, inexact(fn, args)), random_like(rng, outs)


def check_modes(fn: Function, args: Arrays, rng: np.random.Generator) -> tuple[Arrays, Arrays]:
    """⟨ct, J v⟩ = ⟨Jᵀ ct, v⟩, and the primal is what it was.

    Gives the tangents of the results and the cotangents of the arguments.
    """
    along, cts = seeds(fn, args, rng)
    primal = run(fn, args)
    verify(jvp(fn))
    verify(vjp(fn))
    forward = run(jvp(fn), [*args, *along])
    reverse = run(vjp(fn), [*args, *cts])
    for p, f, r in zip(primal, forward, reverse):
        np.testing.assert_array_equal(p, f)
        np.testing.assert_array_equal(p, r)
    dots, grads = forward[len(primal) :], reverse[len(primal) :]
    for g, a in zip(grads, inexact(fn, args)):
        assert (g.dtype, g.shape) == (a.dtype, a.shape)
    if not all(np.isfinite(a).all() for a in (*dots, *grads)):
        return dots, grads
    left = [np.float64(1) * c * d for c, d in zip(cts, dots)]
    right = [np.float64(1) * g * v for g, v in zip(grads, along)]
    size = sum(float(np.abs(a).sum()) for a in (*left, *right)) + size_of([*dots, *grads])
    gap = sum(float(a.sum()) for a in left) - sum(float(a.sum()) for a in right)
    assert abs(gap) <= precision(jvp(fn)) * size, f"⟨ct, J v⟩ - ⟨Jᵀ ct, v⟩ is {gap}"
    return dots, grads


def check_differences(fn: Function, args: Arrays, rng: np.random.Generator) -> None:
    """Forward mode is the limit of differences; for double precision."""
    along, _ = seeds(fn, args, rng)
    dots = run(jvp(fn), [*args, *along])[len(fn.results) :]
    fine = directional(fn, args, along, h=2e-3)
    coarse = directional(fn, args, along, h=4e-3)
    for d, f, c in zip(dots, fine, coarse):
        # how far the two step sizes are apart says what the differences are worth
        slack = 1e-6 * size_of([f]) + 10 * np.abs(f - c)
        assert np.all(np.abs(d - f) <= slack), f"jvp {d}, differences {f}"


def check_batched(
    fn: Function, args: Arrays, rng: np.random.Generator, *, compiled: bool = False
) -> None:
    """A batch gives what a loop over its examples gives; a guard that fails for one fails."""
    size = 3
    flags = [bool(rng.integers(2)) for _ in args]
    stacks = []
    for a, f in zip(args, flags):
        a = np.asarray(a)
        lanes = [rng.permutation(a.ravel()).reshape(a.shape) for _ in range(size)]
        if a.dtype == bool:
            lanes = [lane ^ bool(i % 2) for i, lane in enumerate(lanes)]
        stacks.append(np.stack(lanes) if f else a)
    many = batched(fn, flags, size)
    verify(many)
    try:
        want = [run(fn, [s[i] if f else s for s, f in zip(stacks, flags)]) for i in range(size)]
    except GuardError:
        for call in (run, lambda f, a: compile_ir(named_dims(f)).call(*a)):
            try:
                call(many, stacks)
            except GuardError:
                continue
            raise AssertionError("a guard fails for one example, but not for the batch") from None
        return
    wanted = [np.stack(w) for w in zip(*want)]
    check_same(run(many, stacks), wanted, precision(fn), "batched")
    if compiled:
        check_compiled(many, stacks, wanted, "batched")
