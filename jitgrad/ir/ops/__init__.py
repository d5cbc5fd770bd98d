"""The op table, one row an op, by family."""

from . import control, elementwise, index, kernel, reduce, shape  # noqa: F401  (rows register here)
from .base import TABLE, OpDef, lookup

__all__ = ["TABLE", "OpDef", "lookup"]
