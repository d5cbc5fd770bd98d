"""`T`: variables and functions of the symbolic front end under Theano's names.

Theano's tutorial on derivatives:

>>> import jitgrad.tensor as T
>>> from jitgrad import function, pp
>>> x = T.dscalar('x')
>>> y = x ** 2
>>> gy = T.grad(y, x)
>>> pp(gy)
'((fill((x ** 2), 1.0) * 2) * (x ** (2 - 1)))'
>>> f = function([x], gy)
>>> f(4)
array(8.)
>>> f(94.2)
array(188.4)
>>> pp(f.maker.fgraph.outputs[0])
'(2.0 * x)'
>>> x = T.dmatrix('x')
>>> s = T.sum(1 / (1 + T.exp(-x)))
>>> gs = T.grad(s, x)
>>> dlogistic = function([x], gs)
>>> dlogistic([[0, 1], [-1, -2]])
array([[0.25      , 0.19661193],
       [0.19661193, 0.10499359]])
"""

from __future__ import annotations

from typing import Any

from ..frontend.pp import pp
from ..frontend.pp_tree import debugprint
from ..frontend.symbolic_nnet import log_softmax, logsumexp, relu, softmax
from ..frontend.symbolic_variables import constructor, constructor_names
from ..gradient import (
    Lop,
    Rop,
    consider_constant,
    disconnected_grad,
    grad,
    grad_clip,
    grad_scale,
    hessian,
    hessian_vector_product,
    jacobian,
    numeric_grad,
    undefined_grad,
    verify_grad,
    zero_grad,
)
from ..symbolic_function import evaluate_variable
from . import (
    basic,
    extra_ops,
    nlinalg,
    nnet,
    shared_randomstreams,
    sharedvar,
    signal,
    subtensor,
    type,
    utils,
)
from .basic import *

TensorVariable.eval = evaluate_variable  # type: ignore[attr-defined]
TensorVariable.grad = lambda self, wrt, **k: grad(self, wrt, **k)  # type: ignore[attr-defined]


def __getattr__(name: str) -> Any:
    """`dscalar`, `fmatrices` … : a constructor made from its name."""
    made = constructor(name)
    if made is None:
        raise AttributeError(f"module 'jitgrad.tensor' has no attribute {name!r}")
    return globals().setdefault(name, made)


def __dir__() -> list[str]:
    return sorted([*globals(), *constructor_names()])
