"""NumPy's namespace: NumPy itself outside traces, operations of the IR inside them.

Every function has NumPy's signature and gives what NumPy gives. Names that are not implemented for
traced arrays are NumPy's own; given a traced array they raise an error that names them.
"""

from __future__ import annotations

from typing import Any

import numpy as _np

from . import (  # noqa: F401  (they fill NAMES)
    _create,
    _elementwise,
    _join,
    _products,
    _reduce,
    _running,
    _select,
    _shape,
    _sort,
    _statistics,
    linalg,
)
from ._base import NAMES as _NAMES
from ._base import unsupported as _unsupported

globals().update(_NAMES)
ndarray = _np.ndarray
newaxis, pi, e, inf, nan = _np.newaxis, _np.pi, _np.e, _np.inf, _np.nan


def __getattr__(name: str) -> Any:
    value = getattr(_np, name)
    if callable(value) and not isinstance(value, type):
        value = _unsupported(value)
        globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(_np)})
