"""Elementwise functions of variables under Theano's names, and NumPy's beside them.

Ints and bools become float64 where a function is one of floats, as `sqrt` and `/` are; rounding
leaves them as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

from .symbolic import TensorVariable
from .symbolic_floats import (
    ceil,
    copysign,
    fix,
    floor,
    frexp,
    heaviside,
    iround,
    isfinite,
    isinf,
    isnan,
    isneginf,
    isposinf,
    ldexp,
    modf,
    nan_to_num,
    nextafter,
    rint,
    round,
    round_half_away_from_zero,
    round_half_to_even,
    signbit,
    spacing,
    trunc,
)
from .symbolic_ops import (
    binary,
    cast,
    clip,
    elemwise,
    on_dims,
    power,
    square,
    switch,
    unary,
)


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


def _variadic(op: str, doc: str) -> Callable[..., TensorVariable]:
    def make(x: Any, y: Any, *more: Any) -> TensorVariable:
        return reduce(lambda a, c: binary(op, a, c), more, _plain(op, x, y))

    make.__doc__ = doc
    return make


def _plain(op: str, x: Any, y: Any) -> TensorVariable:
    out = binary(op, x, y)
    return elemwise(op, x, y) if out is NotImplemented else out


# -- exponentials, trigonometry -------------------------------------------------------------------

exp = _unary("exp", "e to the x, elementwise.")
exp2 = _unary("exp2", "2 to the x.")
expm1 = _unary("expm1", "exp(x) - 1 without cancellation.")
log = _unary("log", "The natural logarithm.")
log2 = _unary("log2", "The logarithm to base 2.")
log10 = _unary("log10", "The logarithm to base 10.")
log1p = _unary("log1p", "log(1 + x) without cancellation.")
log1mexp = _unary("log1mexp", "log(1 - exp(x)) of negative x without cancellation.")
logaddexp = _binary("logaddexp", "log(exp(x) + exp(y)).")
logaddexp2 = _binary("logaddexp2", "log2(2**x + 2**y).")
sqrt = _unary("sqrt", "The square root.")
cbrt = _unary("cbrt", "The real cube root.")
sin = _unary("sin", "The sine.")
cos = _unary("cos", "The cosine.")
tan = _unary("tan", "The tangent.")
arcsin = _unary("asin", "The arc sine, in [-pi/2, pi/2].")
arccos = _unary("acos", "The arc cosine, in [0, pi].")
arctan = _unary("atan", "The arc tangent, in [-pi/2, pi/2].")
arctan2 = _binary("atan2", "The angle of the point with ordinate x and abscissa y.")
sinh = _unary("sinh", "The hyperbolic sine.")
cosh = _unary("cosh", "The hyperbolic cosine.")
tanh = _unary("tanh", "The hyperbolic tangent.")
arcsinh = _unary("asinh", "The inverse hyperbolic sine.")
arccosh = _unary("acosh", "The inverse hyperbolic cosine.")
arctanh = _unary("atanh", "The inverse hyperbolic tangent.")
hypot = _binary("hypot", "sqrt(x² + y²) without overflow or underflow on the way.")
sinc = _unary("sinc", "sin(pi x) / (pi x).")
sigmoid = _unary("sigmoid", "1 / (1 + exp(-x)).")
softplus = _unary("softplus", "log(1 + exp(x)).")
logit = _unary("logit", "log(x / (1 - x)), the inverse of sigmoid.")

# -- arithmetic -----------------------------------------------------------------------------------

add = _variadic("add", "x + y + …")
mul = _variadic("mul", "x * y * …")
sub = _binary("sub", "x - y.")
true_div = _binary("div", "x / y, a float.")
fmod = _binary("fmod", "The remainder of x / y with the sign of x; `mod` has that of y.")
neg = _unary("neg", "-x.")
abs_ = _unary("abs", "|x|; the gradient at 0 is 0.")
sgn = _unary("sign", "-1, 0 or 1; NaN of NaN.")
maximum = _binary("maximum", "The larger, NaN if either is; equal elements share the gradient.")
minimum = _binary("minimum", "The smaller, NaN if either is; equal elements share the gradient.")
fmax = _binary("fmax", "The larger, ignoring NaN; equal elements share the gradient.")
fmin = _binary("fmin", "The smaller, ignoring NaN; equal elements share the gradient.")
identity = _unary("identity", "x itself.")
gcd = _binary("gcd", "The greatest common divisor of ints.")
lcm = _binary("lcm", "The least common multiple of ints.")


def int_div(x: Any, y: Any) -> TensorVariable:
    """x / y rounded down, `x // y`: of floats too. Ints by 0 give 0.

    >>> int_div([7, -7], 2).eval(), int_div(7.5, 2).eval()
    (array([ 3, -4]), array(3.))
    """
    out = on_dims("//", x, y)
    return elemwise("floordiv", x, y) if out is NotImplemented else out


def mod(x: Any, y: Any) -> TensorVariable:
    """The remainder of x / y with the sign of y, `x % y`; of ints by 0 it is 0.

    >>> mod([7, -7], 3).eval(), mod(-0.5, 3.0).eval()
    (array([1, 2]), array(2.5))
    """
    out = on_dims("%", x, y)
    return elemwise("mod", x, y) if out is NotImplemented else out


def divmod(x: Any, y: Any) -> tuple[TensorVariable, TensorVariable]:
    """(x // y, x % y)."""
    return int_div(x, y), mod(x, y)


def ceil_intdiv(x: Any, y: Any) -> TensorVariable:
    """x / y rounded up, for ints without a float on the way.

    >>> ceil_intdiv([6, 7, -7], 3).eval()
    array([ 2,  3, -2])
    """
    down = int_div(x, y)
    return add(down, cast(neq(mod(x, y), 0), down.dtype))


def inv(x: Any) -> TensorVariable:
    """1 / x, a float."""
    return elemwise("div", 1, x)


def float_power(x: Any, y: Any) -> TensorVariable:
    """x ** y in float64."""
    return elemwise("pow", cast(x, "float64"), cast(y, "float64"))


def deg2rad(x: Any) -> TensorVariable:
    """Degrees as radians."""
    return elemwise("mul", x, 0.017453292519943295)


def rad2deg(x: Any) -> TensorVariable:
    """Radians as degrees."""
    return elemwise("mul", x, 57.29577951308232)


def largest(*args: Any) -> TensorVariable:
    """The largest of several, elementwise; NaN if any is."""
    return _fold("maximum", args)


def smallest(*args: Any) -> TensorVariable:
    """The smallest of several, elementwise; NaN if any is."""
    return _fold("minimum", args)


def _fold(op: str, args: tuple) -> TensorVariable:
    if not args:
        raise TypeError(f"the {op} of nothing")
    return reduce(lambda a, c: elemwise(op, a, c), args[1:], unary("identity", args[0]))


# -- comparisons, logic, bits ---------------------------------------------------------------------

eq = _binary("eq", "Whether elements are equal (`==` compares variables).")
neq = _binary("ne", "Whether elements differ.")
lt = _binary("lt", "x < y.")
le = _binary("le", "x <= y.")
gt = _binary("gt", "x > y.")
ge = _binary("ge", "x >= y.")
and_ = _binary("and", "Bitwise (of bools: logical) and.")
or_ = _binary("or", "Bitwise (of bools: logical) or.")
xor = _binary("xor", "Bitwise (of bools: logical) exclusive or.")
invert = _unary("not", "Bitwise (of bools: logical) not.")
left_shift = _binary("shl", "x * 2**y of ints; 0 where y is negative or as large as x has bits.")
right_shift = _binary("shr", "x / 2**y of ints, rounded down.")
bitwise_count = _unary("bitwise_count", "How many bits of |x| are set, as uint8.")


def _truth(x: Any) -> TensorVariable:
    return cast(x, "bool")


def logical_and(x: Any, y: Any) -> TensorVariable:
    """Whether both elements are not 0 (NaN is not 0)."""
    return elemwise("and", _truth(x), _truth(y))


def logical_or(x: Any, y: Any) -> TensorVariable:
    """Whether an element of either is not 0."""
    return elemwise("or", _truth(x), _truth(y))


def logical_xor(x: Any, y: Any) -> TensorVariable:
    """Whether an element of exactly one is not 0."""
    return elemwise("xor", _truth(x), _truth(y))


def logical_not(x: Any) -> TensorVariable:
    """Whether elements are 0."""
    return unary("not", _truth(x))


def isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False
            ) -> TensorVariable:  # fmt: skip
    """Whether |a - b| <= atol + rtol |b|; equal infinities are close, NaN only with `equal_nan`.

    >>> isclose([1.0, float("inf")], [1.0 + 1e-9, float("inf")]).eval()
    array([ True,  True])
    """
    near = le(abs_(sub(a, _float(b))), add(atol, mul(rtol, abs_(_float(b)))))
    same = or_(and_(near, isfinite(b)), eq(a, b))
    return or_(same, and_(isnan(a), isnan(b))) if equal_nan else same


def _float(x: Any) -> Any:
    return elemwise("mul", x, 1.0) if not isinstance(x, float) else x


def allclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False
             ) -> TensorVariable:  # fmt: skip
    """Whether all elements are close (see `isclose`), a bool scalar."""
    from .symbolic_reduce import all

    return all(isclose(a, b, rtol, atol, equal_nan))


# names of NumPy's for the same
pow = power
where = switch
sqr = square
floor_div = int_div
floor_divide = int_div
remainder = mod
abs = absolute = abs_
negative = neg
subtract, multiply, divide, true_divide = sub, mul, true_div, true_div
sign = sgn
reciprocal = inv
degrees, radians = rad2deg, deg2rad
equal, not_equal, less, less_equal, greater, greater_equal = eq, neq, lt, le, gt, ge
bitwise_and, bitwise_or, bitwise_xor, bitwise_not = and_, or_, xor, invert

__all__ = [
    "abs", "abs_", "absolute", "add", "allclose", "and_", "arccos", "arccosh", "arcsin", "arcsinh",
    "arctan", "arctan2", "arctanh", "bitwise_and", "bitwise_count", "bitwise_not", "bitwise_or",
    "bitwise_xor", "cast", "cbrt", "ceil", "ceil_intdiv", "clip", "copysign", "cos", "cosh",
    "deg2rad", "degrees", "divide", "divmod", "eq", "equal", "exp", "exp2", "expm1", "fix",
    "float_power", "floor", "floor_div", "floor_divide", "fmax", "fmin", "fmod", "frexp", "gcd",
    "ge", "greater", "greater_equal", "gt", "heaviside", "hypot", "identity", "int_div", "inv",
    "invert", "iround", "isclose", "isfinite", "isinf", "isnan", "isneginf", "isposinf", "largest",
    "lcm", "ldexp", "le", "left_shift", "less", "less_equal", "log", "log10", "log1mexp", "log1p",
    "log2", "logaddexp", "logaddexp2", "logical_and", "logical_not", "logical_or", "logical_xor",
    "logit", "lt", "maximum", "minimum", "mod", "modf", "mul", "multiply", "nan_to_num", "neg",
    "negative", "neq", "nextafter", "not_equal", "or_", "pow", "power", "rad2deg", "radians",
    "reciprocal", "remainder", "right_shift", "rint", "round", "round_half_away_from_zero",
    "round_half_to_even", "sgn", "sigmoid", "sign", "signbit", "sin", "sinc", "sinh", "smallest",
    "softplus", "spacing", "sqr", "sqrt", "square", "sub", "subtract", "switch", "tan", "tanh",
    "true_div", "true_divide", "trunc", "where", "xor",
]  # fmt: skip
