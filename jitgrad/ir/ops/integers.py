"""Elementwise rows of ints alone: shifts, powers, counts of bits, divisors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..types import DTYPES, TensorType, tensor
from .base import check_dtype, same
from .elementwise import row

_SMALL = (0, 4)

row("shl", 2, same("int"), np.left_shift, "x * 2**y, wrapped", deriv=(None, None), emit="shl",
     domain=(_SMALL, _SMALL),
     edges="0 for a y that is negative or as large as x has bits")  # fmt: skip
row("shr", 2, same("int"), np.right_shift, "x / 2**y rounded down", deriv=(None, None), emit="shr",
     domain=(_SMALL, _SMALL),
     edges="0 (-1 of a negative x) for a y that is negative or as large as x has bits")  # fmt: skip


def _power(v: Any, n: Any) -> Any:
    v, n = np.asarray(v), np.asarray(n)
    e = n.view(f"u{n.dtype.itemsize}")
    out, base, one = np.ones(np.broadcast_shapes(v.shape, n.shape), v.dtype), v, e.dtype.type(1)
    while e.any():
        out = np.where(e & one != 0, out * base, out)
        base, e = base * base, e >> one
    return out


row("ipow", 2, same("int"), _power, "x to the y, wrapped", deriv=(None, None), emit="ipow",
     domain=(_SMALL, _SMALL),
     edges="x**0 is 1; a negative y counts as y + 2**bits: front ends see to it that there is "
     "none, by nonnegative")  # fmt: skip


def _nonnegative(v: Any) -> Any:
    if np.any(np.asarray(v) < 0):
        raise ValueError("Integers to negative integer powers are not allowed.")
    return v


row("nonnegative", 1, same("int"), _nonnegative, "x itself, an exponent, which may not be "
     "negative", deriv=(None,), emit="nonnegative", props=("raises",), domain=(_SMALL,),
     edges="ValueError for a negative element")  # fmt: skip
row("gcd", 2, same("int"), np.gcd, "the greatest common divisor", deriv=(None, None), emit="gcd",
     props=("commutative", "associative"), domain=(_SMALL, _SMALL),
     edges="never negative, save that the least int is its own absolute value; gcd(x, 0) is "
     "|x|")  # fmt: skip
row("lcm", 2, same("int"), np.lcm, "the least common multiple, wrapped", deriv=(None, None),
     emit="lcm", props=("commutative",), domain=(_SMALL, _SMALL),
     edges="0 if either is")  # fmt: skip


def _count_types(name: str, types: Sequence[TensorType], attrs: Mapping, regions: tuple) -> tuple:
    check_dtype(name, types[0], "int")
    return (tensor(DTYPES["u8"], types[0].shape),)


row("bitwise_count", 1, _count_types, np.bitwise_count, "how many bits of |x| are set, as u8",
     deriv=(None,), emit="bitwise_count", domain=(_SMALL,), edges="1 of the least int")  # fmt: skip
