"""How many units in the last place a result is from the exact one, and arguments to try.

    python -m jitgrad.testing.accuracy [-n 20000] [function …]

measures the functions of the vector library on this machine against their bounds.
"""

from __future__ import annotations

import argparse
import ctypes
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from ..ir import special
from ..llvm.engine import compile_module
from ..llvm.target import Target
from ..llvm.text import DTYPES, vec
from ..llvm.vecmath import BELOW_ZERO, FUNCTIONS, LIBM_BOUND, ULP_BOUNDS, MathLibrary, function

FLOATS: dict[str, type[np.floating[Any]]] = {"f32": np.float32, "f64": np.float64}
"""jitgrad float dtype -> NumPy's."""
NAMES = [*sorted(FUNCTIONS.keys() - {"polygamma"}), "polygamma.1", "polygamma.2", "polygamma.7"]
"""The functions of the vector library; polygamma has an order."""


def ulp_error(got: np.ndarray, exact: np.ndarray, least: np.ndarray | float = 0.0) -> np.ndarray:
    """|got - exact| in units in the last place of `got`'s dtype at `exact`, elementwise.

    The units are those at `least` where `exact` is smaller. `got` is f32 or f64, `exact` the same
    shape in a wider dtype. A NaN on one side only and an infinity that should have been a number,
    or the other way round, count as infinite error.

    >>> one = np.array([1.0, np.nan])
    >>> ulp_error(np.nextafter(one, 2), one.astype(np.longdouble)).tolist()
    [1.0, 0.0]
    """
    dtype = got.dtype
    info = np.finfo(dtype)
    with np.errstate(all="ignore"):
        rounded = exact.astype(dtype)
        finite = np.isfinite(rounded)
        lowest = info.minexp - info.nmant
        size = np.maximum(np.abs(exact), least)
        exponent = np.frexp(np.where(finite, size, 1))[1] - 1 - info.nmant
        exponent = np.where(size == 0, lowest, np.maximum(exponent, lowest))
        ulp = np.ldexp(np.ones((), exact.dtype), exponent)
        error = np.abs(got.astype(exact.dtype) - exact) / ulp
        same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
        regular = finite & np.isfinite(got)
        return np.where(regular, error, np.where(same, 0, np.inf)).astype(np.float64)


def worst_ulp(got: np.ndarray, exact: np.ndarray) -> float:
    """The largest of :func:`ulp_error`."""
    return float(ulp_error(got, exact).max(initial=0.0))


def wide(dtype: str) -> np.dtype:
    """A NumPy dtype with at least eleven more bits than `dtype`; ValueError if there is none."""
    if dtype == "f32":
        return np.dtype(np.float64)
    if np.finfo(np.longdouble).nmant < 63:
        raise ValueError("NumPy's longdouble is no wider than f64 on this machine")
    return np.dtype(np.longdouble)


def oracle(name: str, dtype: str) -> Callable[..., np.ndarray]:
    """The function `name` in at least :func:`wide` precision on arrays of `dtype`.

    `polygamma.2` is polygamma of order 2.
    """
    name, _, order = name.partition(".")
    attrs = {"n": int(order)} if order else {}
    own = getattr(special, _SPECIAL_NAMES.get(name, name), None)
    function = own or getattr(np, _NUMPY_NAMES.get(name, name))
    to = special.WIDE if own else wide(dtype)

    def call(*args: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            out: np.ndarray = function(*(a.astype(to) for a in args), **attrs)
            return out

    return call


_SPECIAL_NAMES = {"gammaln": "lgamma"}
_NUMPY_NAMES = {
    "pow": "power", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2",
    "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
}  # fmt: skip

SPECIAL = (
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 1.5, -1.5,
    float("inf"), float("-inf"), float("nan"),
)  # fmt: skip


def special_values(dtype: str) -> np.ndarray:
    """Zeros, small integers and halves, infinities, NaN, the extremes and denormals."""
    t = FLOATS[dtype]
    info = np.finfo(t)
    ends = [info.max, info.tiny, info.smallest_subnormal, info.tiny * 0.75, info.eps, info.eps / 2]
    return np.array([*SPECIAL, *ends, *(-e for e in ends)], dtype=t)


def regimes(dtype: str, n: int, seed: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """Named samples of `n` arguments each over the whole range of a dtype.

    Uniform over all bit patterns; magnitudes log-uniform; the unit interval, near 1, moderate and
    large numbers; the ranges where exponentials over- and underflow; neighbourhoods of the
    multiples of pi/2; denormals. Both signs.
    """
    t = FLOATS[dtype]
    info = np.finfo(t)
    rng = np.random.default_rng(seed)
    signs = rng.choice(np.array([-1, 1], t), n)
    top = np.log(float(info.max))
    bits = np.uint64 if dtype == "f64" else np.uint32
    yield "bits", rng.integers(0, np.iinfo(bits).max, n, dtype=bits, endpoint=True).view(t)
    yield "log-uniform", signs * np.exp(rng.uniform(-40, 40, n)).astype(t)
    yield "unit", rng.uniform(-1, 1, n).astype(t)
    yield "near 1", (1 + signs * np.exp(rng.uniform(-36, -1, n))).astype(t)
    yield "near -1", (-1 + signs * np.exp(rng.uniform(-36, -1, n))).astype(t)
    yield "moderate", rng.uniform(-20, 20, n).astype(t)
    yield "exponents", (rng.uniform(-1.1, 1.1, n) * top).astype(t)
    yield "overflow", (signs * (top + rng.uniform(-2, 2, n))).astype(t)
    yield "underflow", (-top - rng.uniform(-2, info.nmant, n)).astype(t)
    turns = rng.integers(-(1 << 14), 1 << 14, n) * (np.pi / 2)
    yield (
        "quarter turns",
        turns.astype(t) * (1 + signs * info.eps * rng.integers(0, 4, n)).astype(t),
    )
    yield "large", (signs * np.exp(rng.uniform(5, 28, n))).astype(t)
    yield "denormal", signs * (rng.random(n) * float(info.tiny)).astype(t)


def pairs(dtype: str, n: int, seed: int = 0) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Named samples of `n` pairs of arguments each, chosen for pow and atan2.

    Beside pairs out of :func:`regimes`: bases over the whole range and near 1 with exponents that
    take the power to the ends of the range, and integral exponents of numbers of both signs.
    """
    t = FLOATS[dtype]
    rng = np.random.default_rng(seed + 1)
    top = 1.05 * np.log(float(np.finfo(t).max))
    for regime, x in regimes(dtype, n, seed):
        yield regime, (x, rng.permutation(x))
        yield regime + " by unit", (x, rng.uniform(-1, 1, n).astype(t))
        with np.errstate(all="ignore"):
            base = np.abs(x.astype(np.float64))
            power = rng.uniform(-top, top, n) / np.log(base)
            yield regime + " to the ends", (base.astype(t), power.astype(t))
    integers = rng.integers(-40, 40, n).astype(t)
    yield "integers", (rng.uniform(-20, 20, n).astype(t), integers)


def samples(name: str, dtype: str, n: int, seed: int = 0) -> Iterator[tuple[str, tuple]]:
    """:func:`pairs` or :func:`regimes` as tuples of arguments, by the arity of the function."""
    if function(name).arity == 2:
        return pairs(dtype, n, seed)
    return ((regime, (x,)) for regime, x in regimes(dtype, n, seed))


def bound(name: str, dtype: str, target: Target) -> float:
    """What the function is held to on `target`, in ULP."""
    if target.fma or not function(name).needs_fma:
        return ULP_BOUNDS[name.split(".")[0]][0 if dtype == "f64" else 1]
    return LIBM_BOUND


def errors(name: str, args: Sequence[np.ndarray], got: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """In ULP of the result; below zero, where `BELOW_ZERO` says so, of what it says at least."""
    least = BELOW_ZERO.get(name.split(".")[0])
    if least is None:
        return ulp_error(got, exact)
    order = int(name.partition(".")[2] or 0)
    return ulp_error(got, exact, np.where(args[0] < 0, least * math.factorial(order), 0))


@cache
def compiled(
    name: str, dtype: str, lanes: int, target: Target | None = None, inline_limit: int = 100
) -> Callable[..., np.ndarray]:
    """A function of the vector library on arrays, through machine code for `target`.

    The result has the module as its attribute `module`.
    """
    target = target or Target.host()
    lib = MathLibrary(target.fma, inline_limit, target.attributes)
    symbol = lib.use(name, dtype, lanes)
    arity = function(name).arity
    text = loop_text(symbol, dtype, lanes, arity) + lib.text()
    module = compile_module(text, {}, target=target)
    pointers = [ctypes.c_void_p] * arity
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, *pointers)(module.address("run"))

    def call(*args: np.ndarray) -> np.ndarray:
        n = len(args[0])
        full = [np.ones(n + -n % lanes, FLOATS[dtype]) for _ in args]
        for whole, a in zip(full, args, strict=True):
            whole[:n] = a
        out = np.empty_like(full[0])
        run(out.ctypes.data, len(out), *(a.ctypes.data for a in full))
        return out[:n]

    call.module = module  # type: ignore[attr-defined]
    return call


def loop_text(symbol: str, dtype: str, lanes: int, arity: int) -> str:
    """``run(out, n, x[, y])``: `symbol` over arrays whose length is a multiple of `lanes`."""
    ty, scalar = vec(dtype, lanes), DTYPES[dtype]
    names = "xy"[:arity]
    loads = "".join(
        f"  %p{c} = getelementptr {scalar}, ptr %{c}, i64 %i\n"
        f"  %v{c} = load {ty}, ptr %p{c}, align 4\n"
        for c in names
    )
    return f"""
define void @run(ptr %out, i64 %n, {", ".join("ptr %" + c for c in names)}) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
{loads}  %r = call {ty} {symbol}({", ".join(f"{ty} %v{c}" for c in names)})
  %p = getelementptr {scalar}, ptr %out, i64 %i
  store {ty} %r, ptr %p, align 4
  %next = add i64 %i, {lanes}
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the worst error of each function beside its bound; 1 if one is beyond."""
    parser = argparse.ArgumentParser(prog="python -m jitgrad.testing.accuracy")
    parser.add_argument("names", nargs="*", help="functions; polygamma.3 is of order 3")
    parser.add_argument("-n", type=int, default=20_000, help="arguments a regime")
    options = parser.parse_args(argv)
    host = Target.host()
    beyond = 0
    for name in options.names or NAMES:
        for dtype in FLOATS:
            f, exact = compiled(name, dtype, 16), oracle(name, dtype)
            worst: tuple[float, list[float]] = (0.0, [])
            for _, args in samples(name, dtype, options.n):
                error = errors(name, args, f(*args), exact(*args))
                at = int(error.argmax())
                worst = max(worst, (float(error[at]), [float(a[at]) for a in args]))
            limit = bound(name, dtype, host)
            beyond += worst[0] > limit
            mark = "  BEYOND" if worst[0] > limit else ""
            print(f"{name:12} {dtype}  {worst[0]:6.3f} of {limit:5.2f}  {worst[1]}{mark}")
    return 1 if beyond else 0


if __name__ == "__main__":
    raise SystemExit(main())
