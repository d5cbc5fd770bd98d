"""Values for variables: what a type takes, converted where nothing is lost, else refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.types import DType
from .symbolic import TensorVariable

AXES = "Wrong number of dimensions: expected {}, got {} with shape {}"


class Misfit(Exception):
    """A value that a variable does not take; the text says why. `rank`: it has the wrong one."""

    def __init__(self, text: str, rank: bool = False) -> None:
        super().__init__(text)
        self.rank = rank


def fitted(value: Any, dtype: DType, rank: int, downcast: bool | None = None,
           strict: bool = False, advice: str = "allow_downcast=True") -> np.ndarray:  # fmt: skip
    """`value` as an array of this dtype and rank; `value` itself where it is one already.

    downcast  True: converted whatever is lost; False: never where something is; None: only Python
              floats to float32, and Python numbers whose values are kept
    strict    nothing is converted: only an array of the very dtype will do

    Integers and bools become floats freely. Raises `Misfit`.
    """
    want = dtype.np
    array = value if value.__class__ is np.ndarray else _array(value, strict)
    if array.dtype != want:
        native = array.dtype.newbyteorder("=")
        if strict or native.kind not in "biuf":
            raise Misfit(f"expected {want.name}, got {array.dtype}"
                         + (", and strict=True converts nothing" if strict else ""))  # fmt: skip
        loose = not isinstance(value, (np.ndarray, np.generic))
        ok = downcast is True or np.can_cast(native, want, "safe")
        ok = ok or (native.kind in "biu" and want.kind == "f")
        if not ok and loose and downcast is None:
            ok = value.__class__ is float and want.kind == "f"
        if not ok and loose and (want.kind == "f" or native.kind != "f" or array.size == 0):
            with np.errstate(all="ignore"):
                made = array.astype(want)
            ok = bool(np.all((made == array) | (made != made))) and want.kind != "b"
        if not ok:
            raise Misfit(f"expected {want.name}, got {native.name}, which loses precision or kind; "
                         f"convert it by .astype({want.name!r}), or give {advice}")  # fmt: skip
    if array.ndim != rank:
        raise Misfit(AXES.format(rank, array.ndim, array.shape), rank=True)
    if array.dtype == want and array.dtype.isnative:  # C's long long is an int64 of another number
        return array if array.dtype.num == want.num else array.view(want)
    with np.errstate(all="ignore"):
        return array.astype(want)


def _array(value: Any, strict: bool) -> np.ndarray:
    if isinstance(value, TensorVariable):
        raise Misfit("expected an array-like object, but found a variable: maybe you are trying "
                     "to call a function on a (possibly shared) variable instead of a "
                     "number?")  # fmt: skip
    mask = getattr(value, "mask", None) if isinstance(value, np.ndarray) else None
    if mask is not None and np.any(mask):
        raise Misfit("a masked array has elements without a value; give .filled(...) of it")
    if strict and not isinstance(value, np.ndarray):
        raise Misfit(f"expected an ndarray, got {type(value).__name__}, and strict=True converts "
                     "nothing")  # fmt: skip
    try:
        return np.asarray(value)
    except ValueError as err:
        raise Misfit(f"it is no array: {err}") from None
