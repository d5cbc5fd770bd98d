"""BLAS and LAPACK by address: the library that NumPy itself uses, called without the GIL.

NumPy's wheels carry OpenBLAS with 64-bit integers under decorated names
(``scipy_cblas_dgemm64_``, ``scipy_dpotrf_64_``); other builds link a system BLAS under plain
names. Compiled code names them plainly (``cblas_dgemm``, ``dpotrf``) and is linked to addresses.
"""

from __future__ import annotations

import ctypes
import functools
import glob
import importlib.util
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

_CBLAS = ("gemm", "gemv", "dot", "axpy", "scal", "nrm2", "ger", "symm", "syrk", "trmm", "trsm")
_LAPACK = ("potrf", "potrs", "getrf", "getrs", "gesv", "trtrs", "syevd", "geqrf", "gesdd")
_DECORATIONS = (("scipy_", "64_"), ("", "64_"), ("scipy_", ""), ("", ""))


class Blas(NamedTuple):
    """``symbols``: address by plain name, empty if no library was found; ``ints_64``: whether its
    integers are 64-bit; ``library``: the file it came from, for reports."""

    symbols: dict[str, int]
    ints_64: bool
    library: str


def blas_symbols() -> dict[str, int]:
    """Addresses by plain name: cblas_{s,d}{gemm,gemv,dot,...} and LAPACK's {s,d}{potrf,...}.

    Empty if no BLAS was found: the compiler then emits loops of its own.

    >>> all(address > 0 for address in blas_symbols().values())
    True
    """
    return blas().symbols


@functools.cache
def blas() -> Blas:
    """The BLAS of this process; looked for on the first call."""
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for prefix, suffix in _DECORATIONS:
            symbols = _collect(library, prefix, suffix)
            if "cblas_dgemm" in symbols and _answers(symbols, suffix == "64_"):
                return Blas(symbols, suffix == "64_", path)
    return Blas({}, False, "")


def _candidates() -> Iterator[str]:
    """Files to look in, best first. A lookup in a library also searches those that it links."""
    package = os.path.dirname(np.__file__)
    for folder in (package + ".libs", os.path.join(package, ".dylibs")):
        yield from sorted(glob.glob(os.path.join(glob.escape(folder), "*openblas*")))
    yield np._core._multiarray_umath.__file__  # type: ignore[attr-defined]
    for name in ("scipy_openblas64", "scipy_openblas32"):
        spec = importlib.util.find_spec(name)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            pattern = os.path.join(glob.escape(folder), "lib", "*openblas*")
            yield from (p for p in sorted(glob.glob(pattern)) if not p.endswith((".a", ".lib")))


def _collect(library: Any, prefix: str, suffix: str) -> dict[str, int]:
    names = {f"cblas_{t}{n}": f"{prefix}cblas_{t}{n}{suffix}" for n in _CBLAS for t in "sd"}
    names |= {f"{t}{n}": f"{prefix}{t}{n}_{suffix}" for n in _LAPACK for t in "sd"}
    found = {}
    for plain, decorated in names.items():
        try:
            address = ctypes.cast(getattr(library, decorated), ctypes.c_void_p).value
        except AttributeError:
            continue
        if address:
            found[plain] = address
    return found


def _answers(symbols: dict[str, int], ints_64: bool) -> bool:
    """Whether ``cblas_dgemm`` multiplies: a library of another ABI is not to be trusted."""
    integer = ctypes.c_int64 if ints_64 else ctypes.c_int32
    enums, real, data = [ctypes.c_int] * 3, ctypes.c_double, ctypes.c_void_p
    gemm = ctypes.CFUNCTYPE(
        None, *enums, *[integer] * 3, real, data, integer, data, integer, real, data, integer
    )(symbols["cblas_dgemm"])
    a, b, c = np.arange(6.0), np.arange(6.0) - 2, np.zeros(4)
    row_major, plain = 101, 111
    at = [x.ctypes.data for x in (a, b, c)]
    gemm(row_major, plain, plain, 2, 2, 3, 1.0, at[0], 3, at[1], 2, 0.0, at[2], 2)
    return c.reshape(2, 2).tolist() == (a.reshape(2, 3) @ b.reshape(3, 2)).tolist()
