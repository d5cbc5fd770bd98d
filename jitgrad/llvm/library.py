"""What is no elementwise loop: which code makes a library op, and constants.

Most are written as kernels of the IR, for which there is an emitter already; the others are steps
of core (BLAS calls, running sums along the last axis, sorts).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ir.core import Op
from ..ir.types import BOOL
from . import running, scatter
from .nests import copy, fill
from .products import matmul, uses_blas
from .sorting import scratch_of

_KERNELS: dict[str, Callable[[Op], Op]] = {
    "matmul": matmul,
    "constant": fill,
    "dynamic_update_slice": scatter.block,
    **dict.fromkeys(running.COMBINE, running.kernel),
    **dict.fromkeys(scatter.COMBINE, scatter.kernel),
}
_SORTS = ("sort", "argsort")


def as_kernel(op: Op) -> Op:
    """A library op as a kernel of the same operands and results; KeyError for other ops."""
    return _KERNELS[op.opdef.name](op)


def step_kind(op: Op, blas: Any) -> str:
    """Which step of core makes an op, or "kernel"."""
    name = op.opdef.name
    if name == "matmul":
        return "blas" if uses_blas(op, blas) else "kernel"
    if name in running.COMBINE:
        return "running" if op.attrs["axis"] == op.result.type.rank - 1 else "kernel"
    if name in _SORTS:
        return "sort"
    return "search" if name == "searchsorted" else "kernel"


def is_splat(op: Op) -> bool:
    """A constant whose elements are one number (and more than one element)."""
    value = op.attrs["value"]
    return not hasattr(value, "shape") and bool(op.result.type.shape)


def constant_data(op: Op) -> bytes:
    """The bytes of a dense constant, in C order."""
    import numpy as np

    type_ = op.result.type
    data = np.ascontiguousarray(np.asarray(op.attrs["value"], type_.dtype.np))
    return data.tobytes() if type_.dtype is not BOOL else data.astype(np.uint8).tobytes()


__all__ = ["as_kernel", "constant_data", "copy", "is_splat", "scratch_of", "step_kind"]
