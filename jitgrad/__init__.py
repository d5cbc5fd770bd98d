"""jitgrad: NumPy functions and their gradients, compiled to machine code in milliseconds.

The names are loaded when they are first used, so that `import jitgrad` costs what `import numpy`
costs; LLVM is loaded by the first compile.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "api": (
        "jit", "grad", "value_and_grad", "elementwise_grad", "jacobian", "jacrev", "jacfwd",
        "hessian", "hessian_vector_product", "jvp", "vjp", "make_jvp", "make_vjp", "vmap",
        "stop_gradient", "linearize", "grad_and_aux", "deriv", "make_hvp", "hessian_tensor_product",
        "tensor_jacobian_product", "at", "eval_shape", "make_ir", "disable_jit", "ShapeDtypeStruct",
    ),
    "symbolic_function": ("function", "In", "Out", "Param", "Mode", "SharedVariable", "shared"),
    "updates": ("OrderedUpdates",),
    "compile.mode": ("predefined_modes",),
    "compile.profilemode": ("ProfileMode",),
    "tensor": ("dot",),
    "frontend.pp": ("pp",),
    "printing": ("pprint",),
    "gradient": ("Lop", "Rop", "subgraph_grad"),
    "scan_module": ("scan", "map", "reduce", "foldl", "foldr"),
    "frontend.symbolic_clone": ("clone", "clone_replace"),
    "errors": (
        "JitgradError", "ShapeError", "DTypeError", "TraceError", "GuardError",
        "DisconnectedInputError", "NotDifferentiableError", "NullTypeGradError", "GradientError",
        "UnusedInputError", "MissingInputError",
    ),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_MODULES = ("tensor", "numpy", "gradient", "tree", "testing", "config", "compile", "updates",
            "sandbox", "scan_module", "ifelse", "graph", "gof", "printing")  # fmt: skip

__all__ = [*_HOME, *_MODULES]

if TYPE_CHECKING:
    from . import compile as compile
    from . import config as config
    from . import gradient as gradient
    from . import graph as graph
    from . import ifelse as ifelse
    from . import numpy as numpy
    from . import printing as printing
    from . import sandbox as sandbox
    from . import scan_module as scan_module
    from . import tensor as tensor
    from . import testing as testing
    from . import tree as tree
    from . import updates as updates
    from .api import *  # noqa: F403
    from .compile.mode import predefined_modes
    from .compile.profilemode import ProfileMode
    from .errors import (
        DisconnectedInputError,
        DTypeError,
        GuardError,
        JitgradError,
        MissingInputError,
        NotDifferentiableError,
        ShapeError,
        TraceError,
        UnusedInputError,
    )
    from .frontend.pp import pp
    from .frontend.symbolic_clone import clone, clone_replace
    from .scan_module import foldl, foldr, map, reduce, scan
    from .symbolic_function import In, Mode, Out, Param, SharedVariable, function, shared
    from .tensor import dot
    from .updates import OrderedUpdates


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is not None:
        value = getattr(import_module(f".{home}", __name__), name)
    elif name in _MODULES:
        value = import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
