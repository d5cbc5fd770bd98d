"""What random programs must know of rows beyond the table: which jump, which do not round."""

from __future__ import annotations

from typing import Any

from ..ir.ops import OpDef

_ATTRIBUTES = {"n": 2}


def attributes(row: OpDef) -> dict[str, Any]:
    """Attributes for an example of an elementwise row; not for casts and indices."""
    return {name: _ATTRIBUTES[name] for name in row.attrs}


# whose derivatives are not those of what they compute: no program is made of them
APART = frozenset({"zero_grad", "undefined_grad", "grad_scale", "grad_clip"})
# what has a kink or a jump, and what hides a derivative
NOT_SMOOTH = frozenset({
    "abs", "maximum", "minimum", "max", "min", "floor", "sign", "stop_gradient", "fmax", "fmin",
    "clip", "mod", "fmod", "frac", "mantissa", "cummax", "cummin", "sort", "scatter_max",
    "scatter_min",
})  # fmt: skip
# elementwise rows that move elements or compare them: no rounding
EXACT = frozenset({
    "neg", "abs", "sign", "maximum", "minimum", "identity", "stop_gradient", "floor", "ceil",
    "trunc", "rint", "round_away", "copysign", "fmax", "fmin", "clip", "heaviside",
})  # fmt: skip
# those that turn a rounding error in an operand into another result
JUMPS = frozenset({
    "sign", "floor", "eq", "ne", "lt", "le", "gt", "ge", "isnan", "ceil", "trunc", "rint",
    "round_away", "frac", "fmod", "mod", "floordiv", "copysign", "signbit", "nextafter", "spacing",
    "ldexp", "mantissa", "exponent", "isinf", "isfinite", "heaviside",
})  # fmt: skip
# exact ones that make NaN or infinities of numbers
WILD = frozenset({"fmod", "mod", "floordiv", "ldexp"})
