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

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from .errors import at
from .frontend.pp import debugprint, pp
from .frontend.source import here
from .frontend.symbolic import TensorType, TensorVariable, as_tensor_variable, constant
from .frontend.symbolic_index import take
from .frontend.symbolic_ops import cast, clip, dot, elemwise, power, square, switch, unary
from .frontend.symbolic_reduce import (
    all,
    any,
    argmax,
    argmin,
    cumsum,
    max,
    mean,
    min,
    std,
    sum,
    var,
)
from .frontend.symbolic_shape import (
    arange,
    concatenate,
    dimshuffle,
    fill,
    flatten,
    join,
    ones,
    ones_like,
    reshape,
    shape,
    stack,
    transpose,
    zeros,
    zeros_like,
)
from .gradient import consider_constant, disconnected_grad, grad
from .symbolic_function import evaluate_variable

TensorVariable.eval = evaluate_variable  # type: ignore[attr-defined]
TensorVariable.grad = lambda self, wrt, **k: grad(self, wrt, **k)  # type: ignore[attr-defined]

# -- constructors ---------------------------------------------------------------------------------

_PREFIX = {"": "float64", "b": "int8", "w": "int16", "i": "int32", "l": "int64", "f": "float32",
           "d": "float64"}  # fmt: skip
_PATTERN = {"scalar": (), "vector": (False,), "matrix": (False, False), "row": (True, False),
            "col": (False, True), "tensor3": (False,) * 3, "tensor4": (False,) * 4}  # fmt: skip
_PLURAL = {"matrix": "matrices"}


def _one(type_: TensorType, plain: bool) -> Callable[..., TensorVariable]:
    def make(name: str | None = None, dtype: Any = None) -> TensorVariable:
        if dtype is not None and plain:
            return TensorType("float64" if dtype == "floatX" else dtype, type_.broadcastable)(name)
        return type_(name)

    make.__doc__ = f"A variable of {type_}."
    return make


def _many(one: Callable[..., TensorVariable]) -> Callable[..., Any]:
    def make(*names: Any) -> Any:
        if len(names) == 1 and isinstance(names[0], int):
            names = (None,) * names[0]
        elif len(names) == 1 and isinstance(names[0], str):
            names = tuple(names[0].split())
        made = [one(n) for n in names]
        return made[0] if len(made) == 1 else made

    make.__doc__ = "Variables by names (`('x', 'y')` or `'x y'`), or a number of unnamed ones."
    return make


def __getattr__(name: str) -> Any:
    """`dscalar`, `fmatrices` … : a constructor made from its name."""
    for kind, pattern in _PATTERN.items():
        for ending in (kind, _PLURAL.get(kind, kind + "s")):
            prefix = name.removesuffix(ending)
            if name.endswith(ending) and prefix in _PREFIX:
                one = _one(TensorType(_PREFIX[prefix], pattern), not prefix)
                made = one if ending == kind else _many(one)
                made.__name__ = name
                return globals().setdefault(name, made)
            if name.endswith(ending) and prefix in ("z", "c"):
                raise AttributeError(f"T.{name}: complex variables are not there yet")
    raise AttributeError(f"module 'jitgrad.tensor' has no attribute {name!r}")


def __dir__() -> list[str]:
    names = [p + k for k in _PATTERN for p in _PREFIX]
    return sorted([*globals(), *names, *(p + _PLURAL.get(k, k + "s") for k in _PATTERN
                                         for p in _PREFIX)])  # fmt: skip


# -- elementwise functions ------------------------------------------------------------------------


def _unary(op: str, doc: str) -> Callable[[Any], TensorVariable]:
    def make(x: Any) -> TensorVariable:
        return unary(op, x)

    make.__doc__ = doc
    return make


def _binary(op: str, doc: str) -> Callable[[Any, Any], TensorVariable]:
    def make(x: Any, y: Any) -> TensorVariable:
        return elemwise(op, x, y)

    make.__doc__ = doc
    return make


exp = _unary("exp", "e to the x, elementwise.")
expm1 = _unary("expm1", "exp(x) - 1 without cancellation.")
log = _unary("log", "The natural logarithm.")
log1p = _unary("log1p", "log(1 + x) without cancellation.")
sqrt = _unary("sqrt", "The square root.")
sin = _unary("sin", "The sine.")
cos = _unary("cos", "The cosine.")
tan = _unary("tan", "The tangent.")
tanh = _unary("tanh", "The hyperbolic tangent.")
erf = _unary("erf", "The error function.")
sigmoid = _unary("sigmoid", "1 / (1 + exp(-x)).")
softplus = _unary("softplus", "log(1 + exp(x)).")
floor = _unary("floor", "Rounded down.")
isnan = _unary("isnan", "Whether x is NaN.")
neg = _unary("neg", "-x.")
abs_ = _unary("abs", "|x|; the gradient at 0 is 0.")
sgn = _unary("sign", "-1, 0 or 1.")
invert = _unary("not", "Bitwise (of bools: logical) not.")
sqr = square
identity = _unary("identity", "x itself.")

add = _binary("add", "x + y.")
sub = _binary("sub", "x - y.")
mul = _binary("mul", "x * y.")
true_div = _binary("div", "x / y, a float.")
maximum = _binary("maximum", "The larger; equal elements share the gradient.")
minimum = _binary("minimum", "The smaller; equal elements share the gradient.")
logaddexp = _binary("logaddexp", "log(exp(x) + exp(y)).")
eq = _binary("eq", "Whether elements are equal (`==` compares variables).")
neq = _binary("ne", "Whether elements differ.")
lt = _binary("lt", "x < y.")
le = _binary("le", "x <= y.")
gt = _binary("gt", "x > y.")
ge = _binary("ge", "x >= y.")
and_ = _binary("and", "Bitwise (of bools: logical) and.")
or_ = _binary("or", "Bitwise (of bools: logical) or.")
xor = _binary("xor", "Bitwise (of bools: logical) exclusive or.")
pow = power
where = switch


def outer(x: Any, y: Any) -> TensorVariable:
    """The matrix of products of the elements of two vectors (tensors are flattened)."""
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    return x.flatten().dimshuffle(0, "x") * y.flatten().dimshuffle("x", 0)


def relu(x: Any, alpha: float = 0.0) -> TensorVariable:
    """max(x, 0), or alpha·x below 0."""
    if alpha == 0:
        return elemwise("maximum", x, 0)
    return switch(elemwise("gt", x, 0), x, elemwise("mul", x, alpha))


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """log(sum(exp(x))); compiled without overflow."""
    return log(sum(exp(x), axis, keepdims))


def softmax(x: Any, axis: int = -1) -> TensorVariable:
    """exp(x) / sum(exp(x)) along an axis; compiled without overflow."""
    e = exp(x)
    return e / sum(e, axis, keepdims=True)


def log_softmax(x: Any, axis: int = -1) -> TensorVariable:
    """log(softmax(x)); compiled in its stable form."""
    return log(softmax(x, axis))


def binary_crossentropy(output: Any, target: Any) -> TensorVariable:
    """-target·log(output) - (1 - target)·log(1 - output), elementwise; stable for a sigmoid."""
    output, target = as_tensor_variable(output), as_tensor_variable(target)
    return -(target * log(output) + (1 - target) * log(1 - output))


def categorical_crossentropy(coding_dist: Any, true_dist: Any) -> TensorVariable:
    """-sum(true·log(coding)) over the last axis of a matrix of distributions.

    `true_dist` is a matrix of distributions too, or a vector of the right classes' numbers.

    >>> p, y = TensorType("float64", (False, False))("p"), TensorType("int64", (False,))("y")
    >>> categorical_crossentropy(p, y).eval({p: [[0.5, 0.5], [1.0, 0.0]], y: [1, 0]})
    array([ 0.69314718, -0.        ])
    """
    p, true = as_tensor_variable(coding_dist), as_tensor_variable(true_dist)
    if true.ndim == p.ndim:
        return -sum(true * log(p), -1)
    if true.ndim != p.ndim - 1 or p.ndim != 2:
        raise TypeError(at("categorical_crossentropy takes a matrix, and a matrix or a vector of "
                           f"integers, not {p.type} and {true.type}", here()))  # fmt: skip
    return -log(p)[arange(p.shape[0]), true]


nnet = SimpleNamespace(sigmoid=sigmoid, softplus=softplus, softmax=softmax, relu=relu,
                       logsoftmax=log_softmax, binary_crossentropy=binary_crossentropy,
                       categorical_crossentropy=categorical_crossentropy)  # fmt: skip

__all__ = [
    "TensorType", "TensorVariable", "abs_", "add", "all", "and_", "any", "arange", "argmax",
    "argmin", "as_tensor_variable", "cast", "clip", "concatenate", "consider_constant", "constant",
    "cos", "cumsum", "debugprint", "dimshuffle", "disconnected_grad", "dot", "eq", "erf", "exp",
    "expm1", "fill", "flatten", "floor", "ge", "grad", "gt", "identity", "invert", "isnan", "join",
    "le", "log", "log1p", "log_softmax", "logaddexp", "logsumexp", "lt", "max", "maximum", "mean",
    "min", "minimum", "mul", "neg", "neq", "nnet", "ones", "ones_like", "or_", "outer", "pow", "pp",
    "relu", "reshape", "sgn", "shape", "sigmoid", "sin", "softmax", "softplus", "sqr", "sqrt",
    "stack", "std", "sub", "sum", "switch", "take", "tan", "tanh", "transpose", "true_div", "var",
    "where", "xor", "zeros", "zeros_like",
]  # fmt: skip
