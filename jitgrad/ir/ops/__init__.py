"""The op table, one row an op, by family."""

from . import (  # noqa: F401  (rows)
    control,
    dynamic,
    elementwise,
    floats,
    functions,
    index,
    integers,
    kernel,
    markers,
    reduce,
    running,
    shape,
    sort,
    special,
)
from .base import TABLE, OpDef, lookup

__all__ = ["TABLE", "OpDef", "lookup"]
