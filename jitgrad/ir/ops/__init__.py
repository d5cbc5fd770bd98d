"""The op table, one row an op, by family."""

from . import control, elementwise, functions, index, kernel, reduce, shape  # noqa: F401  (rows)
from .base import TABLE, OpDef, lookup

__all__ = ["TABLE", "OpDef", "lookup"]
