"""How cotangents cross the border of a region: which there are, and which of them have a mask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..ir.build import Builder
from ..ir.core import Value
from ..ir.types import BOOL, tensor
from .masks import Cotangent, solid
from .vjp import Maybe

# what is known of a cotangent: nothing there, a value, a value with its mask (clean or not)
NONE, VALUE, MASKED, CLEAN = range(4)


def kind(ct: Maybe) -> int:
    """How a cotangent crosses the border of a region."""
    if ct is None:
        return NONE
    return VALUE if ct.mask is None else CLEAN if ct.clean else MASKED


def form(ct: Maybe) -> int:
    """How it crosses a border where both sides must agree: NONE, VALUE or CLEAN."""
    return NONE if ct is None else VALUE if ct.mask is None else CLEAN


def join(a: int, c: int) -> int:
    """The form that holds cotangents of both forms: zero fits all, a mask only other masks."""
    if NONE in (a, c):
        return max(a, c)
    return VALUE if VALUE in (a, c) else CLEAN


def flatten(cts: Iterable[Maybe]) -> list[Value]:
    """Values and masks as operands or results."""
    return [v for ct in cts if ct is not None for v in (ct.value, ct.mask) if v is not None]


def unflatten(kinds: Iterable[int], values: Sequence[Value]) -> list[Maybe]:
    """The other way round."""
    rest = iter(values)
    out: list[Maybe] = []
    for k in kinds:
        if k == NONE:
            out.append(None)
        elif k == VALUE:
            out.append(Cotangent(next(rest)))
        else:
            out.append(Cotangent(next(rest), next(rest), k == CLEAN))
    return out


def placeholders(kinds: Sequence[int], like: Sequence[Value]) -> list[Maybe]:
    """Parameters for cotangents of these kinds."""
    out: list[Maybe] = []
    for k, v in zip(kinds, like):
        if k == NONE:
            out.append(None)
        else:
            mask = None if k == VALUE else Value(tensor(BOOL, v.type.shape))
            out.append(Cotangent(Value(v.type), mask, k == CLEAN))
    return out


def conform(b: Builder, ct: Maybe, want: int, like: Value) -> Maybe:
    """A cotangent in the form (NONE, VALUE or CLEAN) that other code agreed upon."""
    if want == NONE:
        return None
    zeros = None if ct is not None else b.zeros(like.type)
    value = zeros if ct is None else solid(b, ct)
    assert value is not None
    if want == VALUE:
        return Cotangent(value)
    mask = b.const(False, tensor(BOOL, like.type.shape)) if ct is None else ct.mask
    assert mask is not None
    return Cotangent(value, mask, True)
