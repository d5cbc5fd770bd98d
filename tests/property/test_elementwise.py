"""Every elementwise row and every ufunc on every dtype: machine code, interpreter and NumPy agree.

What moves, compares, rounds or counts must agree to the bit, signs of zeros included; functions of
the vector library are held to their ULP bounds.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitgrad.compile import compile_ir
from jitgrad.errors import JitgradError
from jitgrad.ir.build import Builder
from jitgrad.ir.core import Value, function
from jitgrad.ir.dims import symbol
from jitgrad.ir.interp import run
from jitgrad.ir.ops import TABLE, OpDef
from jitgrad.ir.types import BOOL, DTYPES, DType, tensor
from jitgrad.llvm.vecmath import BELOW_ZERO, ULP_BOUNDS
from jitgrad.testing.accuracy import oracle, ulp_error
from jitgrad.testing.traits import attributes

REAL = [d for d in DTYPES.values() if d.kind != "c"]
ROWS = [r for r in TABLE.values() if r.elementwise and r.name not in ("cast", "wrap_index")]
# which of two zeros they give is not said
ZEROS = {"maximum", "minimum", "fmax", "fmin", "clip"}
# made of other rows without rounding otherwise than their references
EXACT = {"frac", "mod", "floordiv", "fmax", "fmin", "clip", "heaviside"}
# near their zeros as good as their operands
CANCELS = {"logaddexp", "logaddexp2"}
n = symbol("n")


def special(d: DType, few: bool = False) -> np.ndarray:
    """Zeros, ones, halves, the ends of the range and what stands beside them, NaN, infinities."""
    if d is BOOL:
        return np.array([False, True])
    if d.kind == "f":
        f = np.finfo(d.np)
        values = [0, 0.5, 1, 1.5, 2, 2.5, 3, 7, 0.1, 100, 1e10, np.inf, f.max, f.tiny, f.eps,
                  f.smallest_subnormal, f.tiny * 0.75, 0.5 - f.epsneg / 2, 2.0**f.nmant + 0.5,
                  1 + f.eps]  # fmt: skip
        if few:
            values = [0, 0.5, 1, 2.5, 3, np.inf, f.max, f.smallest_subnormal]
        return np.array([*values, *(-v for v in values), np.nan], d.np)
    info = np.iinfo(d.np)
    values = [0, 1, 2, 3, 7, 8, 31, 63, 64, 100, info.max, info.max - 1, info.max // 2]
    if d.kind == "i":
        values += [-1, -2, -3, -8, -100, info.min, info.min + 1, info.min // 2]
    return np.array(values[::2] if few else values, d.np)


def operands(row: OpDef, d: DType) -> list[DType] | None:
    """The dtypes of a row's operands for one dtype; None where it does not take it."""
    kinds = [d] * (row.arity or 0)
    if row.name == "select":
        kinds[0] = BOOL
    try:
        row.types(row.name, [tensor(k, (n,)) for k in kinds], attributes(row), ())
    except JitgradError:
        return None
    return kinds


@cache
def compiled(name: str, d: DType) -> tuple[Any, Any]:
    """A row as a function of vectors, and its machine code."""
    kinds = operands(TABLE[name], d)
    assert kinds is not None
    params = [Value(tensor(k, (n,)), name="xyz"[i]) for i, k in enumerate(kinds)]
    fn = function(name, params, [Builder()(name, *params, **attributes(TABLE[name]))])
    return fn, compile_ir(fn).call


def agree(row: OpDef, d: DType, args: list[np.ndarray]) -> None:
    fn, call = compiled(row.name, d)
    try:
        (want,) = run(fn, args)
    except ValueError as err:  # an exponent that may not be negative
        with pytest.raises(ValueError, match=str(err).partition("\n")[0]):
            call(*args)
        return
    got = np.asarray(call(*args)[0])
    assert got.dtype == want.dtype and got.shape == want.shape
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
        return
    how = row.emitter(d)
    if how == "math":
        bound = ULP_BOUNDS[row.name][0 if d.bits == 64 else 1]
        order = attributes(row).get("n", 0)
        least: Any = 0
        if row.name in BELOW_ZERO:
            least = np.where(args[0] < 0, BELOW_ZERO[row.name] * math.factorial(order), 0)
        with np.errstate(all="ignore"):
            exact = oracle(f"{row.name}.{order}" if order else row.name, d.name)(*args)
            error = ulp_error(got, exact, least)
        at = int(error.argmax()) if error.size else 0
        assert not error.size or error[at] <= bound, ([a[at] for a in args], got[at], want[at])
        return
    same_bits(got, want, args, row.name, 4 if how == "expand" and row.name not in EXACT else 0)


def same_bits(
    got: np.ndarray, want: np.ndarray, args: list[np.ndarray], name: str, ulps: float = 0
) -> None:
    """Equal, zeros by their sign; any NaN is like any other. With `ulps`, as close as that."""
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    if name not in ZEROS and not ulps:
        same &= (np.signbit(got) == np.signbit(want)) | (want != 0) | np.isnan(want)
    if ulps:
        info = np.finfo(want.dtype)
        with np.errstate(all="ignore"):
            scale = np.abs(want)
            if name in CANCELS:
                scale = np.fmax(scale, np.fmax(*(np.abs(a) for a in args)))
            same |= np.abs(got - want) <= ulps * info.eps * scale + info.tiny
    at = np.flatnonzero(~same)[:4]
    assert not at.size, [([a[k] for a in args], got[k], want[k]) for k in at]


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_special_values(row: OpDef) -> None:
    taken = 0
    for d in REAL:
        kinds = operands(row, d)
        if kinds is not None:
            values = [special(k, len(kinds) > 2) for k in kinds]
            agree(row, d, [a.ravel() for a in np.meshgrid(*values)])
            taken += 1
    assert taken


@st.composite
def arrays(draw: Any, kinds: list[DType]) -> list[np.ndarray]:
    """Vectors of one length of any bits, with special values among them."""
    size = draw(st.sampled_from((1, 0, 3, 8, 17, 33, 70)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    out = []
    for d in kinds:
        odd = rng.choice(special(d), size)
        if d is BOOL:
            out.append(odd)
            continue
        scale = draw(st.sampled_from(("bits", "small", "same")))
        if scale == "same" and out and out[-1].dtype == d.np:
            v = out[-1].copy()
        elif d.kind == "f" and scale != "bits":
            v = (rng.normal(size=size) * 3).astype(d.np)
        elif scale == "bits":
            v = rng.integers(0, 256, size * d.bits // 8, np.uint8).view(d.np)
        else:
            v = rng.integers(0, 9, size).astype(d.np)
        out.append(np.where(rng.random(size) < 0.3, odd, v))
    return out


FEW = settings(max_examples=max(settings().max_examples // 3, 1))


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
@FEW
@given(st.data())
def test_any_bits(row: OpDef, data: Any) -> None:
    d = data.draw(st.sampled_from([d for d in REAL if operands(row, d) is not None]))
    kinds = operands(row, d)
    assert kinds is not None
    agree(row, d, data.draw(arrays(kinds)))


# -- casts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", REAL, ids=str)
def test_casts(source: DType) -> None:
    x = Value(tensor(source, (n,)), name="x")
    fn = function("casts", [x], [Builder()("cast", x, dtype=d) for d in REAL])
    rng = np.random.default_rng(3)
    values = special(source)
    if source.kind == "f":
        edges = [2.0**k + e for k in (7, 8, 15, 16, 31, 32, 63, 64) for e in (-1, -0.5, 0, 0.5, 1)]
        values = np.concatenate([values, np.array([*edges, *(-e for e in edges)], source.np)])
    more = [rng.integers(0, 256, 64 * max(source.bits // 8, 1), np.uint8).view(source.np)]
    values = np.concatenate([values, *([] if source is BOOL else more)])
    want = run(fn, [values])
    got = compile_ir(fn).call(values)
    for d, g, w in zip(REAL, got, want):
        np.testing.assert_array_equal(g, w, err_msg=f"{source} to {d}")
        fits = np.ones(values.shape, bool)
        if source.kind == "f" and d.kind in "iu":
            info = np.iinfo(d.np)
            with np.errstate(all="ignore"):
                whole = np.trunc(values.astype(np.longdouble))
                fits = (whole >= info.min) & (whole <= info.max)
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(g[fits], values[fits].astype(d.np), f"{source} to {d}")
