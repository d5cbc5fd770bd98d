"""Every ufunc that traces know, on every dtype: compiled, interpreted and NumPy's own agree.

Dtypes are NumPy's to the letter: arrays with arrays, with Python numbers, NumPy's scalars; where
NumPy has no loop, or one of a dtype that the IR has not, there is one clear error.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from jitgrad.api import jit
from jitgrad.errors import DTypeError
from jitgrad.frontend.ufuncs import CLIP, UFUNCS
from jitgrad.ir.types import DTYPES
from jitgrad.traced import interpreted

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
REAL = [d.np for d in DTYPES.values() if d.kind != "c"]
UNARY = [u for u in UFUNCS if u.nin == 1]
BINARY = [u for u in UFUNCS if u.nin == 2]
# equal up to rounding; all others to the bit
ROUNDED = {
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "arcsin",
    "arccos", "arctan", "arctan2", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "hypot",
    "logaddexp", "logaddexp2", "power", "float_power", "cbrt", "deg2rad", "radians", "rad2deg",
    "degrees",
}  # fmt: skip
ZEROS = {"maximum", "minimum", "fmax", "fmin", "clip"}  # which zero they give is not said


def sample(d: np.dtype, k: int = 0) -> np.ndarray:
    """Ordinary and special values of a dtype, another permutation for each k."""
    if d.kind == "b":
        v = np.array([False, True, True, False, True])
    elif d.kind == "f":
        f = np.finfo(d)
        v = np.array([0.0, -0.0, 0.5, -0.5, 1, -1, 2.5, -2.5, 7, -7, 0.3, 100, np.inf, -np.inf,
                      np.nan, f.max, f.min, f.tiny, -f.tiny, f.smallest_subnormal], d)  # fmt: skip
    else:
        info = np.iinfo(d)
        low = [-1, -2, -7, info.min, info.min + 1] if d.kind == "i" else [9, 10]
        v = np.array([0, 1, 2, 3, 7, 30, info.max, info.max - 1, *low], d)
    grid = np.meshgrid(v, v)
    return np.ascontiguousarray(grid[k % 2].ravel()) if k else v


def answer(fn: Callable[..., Any], args: tuple) -> Any:
    """What NumPy gives, or the class of its error."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return fn(*args)
        except (TypeError, ValueError, OverflowError) as err:
            return type(err)


def check(fn: np.ufunc, args: tuple, traced: tuple[int, ...], compiled: bool) -> None:
    """`fn` under jit, the operands at `traced` as arguments, the others in the function."""
    want = answer(fn, args)

    def call(*given: Any) -> Any:
        filled = list(args)
        for k, v in zip(traced, given):
            filled[k] = v
        return fn(*filled)

    def run() -> Any:
        given = [args[k] for k in traced]
        if compiled:
            return jit(call)(*given)
        with interpreted():
            return jit(call)(*given)

    outs = want if isinstance(want, tuple) else (want,)
    if isinstance(want, type) or any(o.dtype.char == "e" for o in outs):
        errors = DTypeError if not isinstance(want, type) or want is TypeError else want
        with pytest.raises((errors, TypeError)):
            run()
        return
    got = run()
    gots = got if isinstance(got, tuple) else (got,)
    assert len(gots) == len(outs)
    for g, w in zip(gots, outs):
        what = f"{fn.__name__} of {[getattr(a, 'dtype', type(a)) for a in args]}"
        g, w = np.asarray(g), np.asarray(w)
        assert (g.dtype, g.shape) == (w.dtype, w.shape), what
        same_values(fn.__name__, g, w, args, what)


def same_values(name: str, got: np.ndarray, want: np.ndarray, args: tuple, what: str) -> None:
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want, what)
        return
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    if name in ROUNDED:
        info = np.finfo(want.dtype)
        with np.errstate(all="ignore"):
            scale = np.abs(want)
            if name.startswith("logaddexp"):
                scale = np.maximum(scale, np.maximum(*(np.abs(a) for a in args)))
            same |= np.abs(got - want) <= 8 * info.eps * scale + info.tiny
            same |= np.isinf(got) & (np.abs(want) >= info.max * (1 - 8 * info.eps))
    elif name not in ZEROS:
        same &= (np.signbit(got) == np.signbit(want)) | (want != 0) | np.isnan(want)
    if not same.all():
        k = int(np.flatnonzero(~same)[0])
        where = [np.broadcast_to(a, same.shape).ravel()[k] for a in args]
        raise AssertionError(f"{what} at {where}: {got.ravel()[k]!r}, not {want.ravel()[k]!r}")


def trimmed(fn: np.ufunc, args: tuple) -> tuple:
    """Operands without those of which NumPy's answer is not defined."""
    if fn is np.reciprocal and args[0].dtype.kind in "iub":
        return (args[0][args[0] != 0],)
    if fn is np.power and all(np.asarray(a).dtype.kind in "iub" for a in args):
        return tuple(np.abs(a) if np.asarray(a).dtype.kind == "i" else a for a in args)
    return args


@pytest.mark.parametrize("fn", UNARY, ids=lambda f: f.__name__)
def test_unary(fn: np.ufunc) -> None:
    for d in REAL:
        check(fn, trimmed(fn, (sample(d),)), (0,), True)
        check(fn, trimmed(fn, (sample(d)[1:2].reshape(()),)), (0,), False)


def pairs(fn: np.ufunc) -> Iterator[tuple[tuple, tuple[int, ...], bool]]:
    """Operands, which of them are traced, whether to compile."""
    for d in REAL:
        yield (sample(d, 1), sample(d, 2)), (0, 1), True
        for number in (True, 3, 2.5, -1, 300, 2**40):
            yield (sample(d), number), (0,), False
            yield (number, sample(d)), (1,), False
        for e in REAL:
            if e != d:
                size = min(sample(d).size, sample(e).size)
                yield (sample(d)[:size], sample(e)[-size:]), (0, 1), False
        scalar = sample(d)[1]
        yield (sample(np.dtype("f4")), scalar), (0,), False
        yield (scalar, sample(np.dtype("i2"))), (0, 1), False


@pytest.mark.parametrize("fn", BINARY, ids=lambda f: f.__name__)
def test_binary(fn: np.ufunc) -> None:
    for args, traced, compiled in pairs(fn):
        check(fn, trimmed(fn, args), traced, compiled)


def test_clip() -> None:
    assert {u for u in UFUNCS if u.nin > 2} == {CLIP}
    for d in REAL:
        v = sample(d)
        check(CLIP, (v, v[1:2], np.flip(v)), (0, 1, 2), True)
        check(CLIP, (v, 1, 2), (0,), False)
        check(CLIP, (v, 0.5, v), (0, 2), False)
