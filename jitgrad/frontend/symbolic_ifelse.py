"""`ifelse`: one of two graphs, of which only the one that is taken is computed."""

from __future__ import annotations

from typing import Any
from weakref import ref

from ..errors import DTypeError, ShapeError, at
from ..ir.build import Builder
from ..ir.core import Block, Value
from ..ir.dims import Dim, DimLike
from ..ir.types import BOOL, I64
from .pp import short
from .source import here
from .symbolic import TensorVariable, as_tensor_variable
from .symbolic_body import varies
from .symbolic_dims import dim_of
from .symbolic_notes import Note, either
from .symbolic_ops import elemwise, refine


def ifelse(condition: Any, then_branch: Any, else_branch: Any, name: str | None = None) -> Any:
    """`then_branch` where the scalar `condition` is not 0, else `else_branch`; lazily.

    What only one of them needs is computed only where that one is taken, and so is its gradient: an
    index out of bounds, a NaN, or an infinite derivative in the other does not matter. The branches
    are variables, or lists (tuples) of as many; their dtypes and numbers of dims agree, their sizes
    need not.

    >>> import jitgrad.tensor as T
    >>> from jitgrad import function, grad
    >>> x = T.dscalar("x")
    >>> y = ifelse(x > 0, T.sqrt(x), -x)
    >>> f = function([x], [y, grad(y, x)])
    >>> f(4.0), f(-1.0)
    ([array(2.), array(0.25)], [array(1.), array(-1.)])

    Raises `TypeError` for branches of different dtypes or ranks and for a condition that is no
    scalar, `ValueError` for lists of different lengths.
    """
    b = Builder(here())
    c = as_tensor_variable(condition)
    if c.ndim:
        raise TypeError(at(f"ifelse takes a scalar condition, not {c!r} of {c.type}; T.switch "
                           "chooses by element", b.loc))  # fmt: skip
    if c.value.type.dtype is not BOOL:
        c = elemwise("ne", c, 0)
    many = isinstance(then_branch, (list, tuple))
    if many is not isinstance(else_branch, (list, tuple)):
        raise ValueError(at("ifelse: one branch is a list and the other is not", b.loc))
    yes = [as_tensor_variable(v).value for v in (then_branch if many else [then_branch])]
    no = [as_tensor_variable(v).value for v in (else_branch if many else [else_branch])]
    if len(yes) != len(no):
        raise ValueError(at(
            "The number of values on the `then` branch should have the same number of variables as "
            f"the `else` branch: (variables on `then` {len(yes)}, variables on `else` {len(no)})",
            b.loc))  # fmt: skip
    for v, w in zip(yes, no):
        if v.type.dtype is not w.type.dtype or v.type.rank != w.type.rank:
            raise DTypeError(at(
                "The two branches should have identical types, but they are "
                f"{TensorVariable(v).type} and {TensorVariable(w).type} respectively. Convert one "
                "of them by .astype, or give it the other's number of dims", b.loc))  # fmt: skip
    if not yes:
        return then_branch
    if varies(c.value):  # in a loop sizes are the same in all steps, and so in both branches
        no = [_same(b, v, w) for v, w in zip(yes, no)]
        yes = [_same(b, w, v) for v, w in zip(yes, no)]
    sizes: dict[tuple[DimLike, DimLike], DimLike] = {}
    shapes = [tuple(_size(b, c, a, o, v, sizes) for a, o in zip(v.type.shape, w.type.shape))
              for v, w in zip(yes, no)]  # fmt: skip
    operands = [*yes, *no]
    regions = []
    for first in (0, len(yes)):
        params = [Value(v.type, name=v.name) for v in operands]
        ops, results = [], []
        for p, shape in zip(params[first : first + len(yes)], shapes):
            # what is true where the branch is taken: nothing is to be checked
            out = p if p.type.shape == shape else b("refine", p, shape=shape)
            ops += [out.op] if out.op is not None else []
            results.append(out)
        regions.append(Block(params, ops, results))
    op = b.op("cond", c.value, *operands, regions=tuple(regions))
    outs = []
    for k, r in enumerate(op.results):
        r.name = "" if name is None else name if len(yes) == 1 else f"{name}_{k}"
        outs.append(TensorVariable(r, b.loc))
    return (tuple(outs) if isinstance(then_branch, tuple) else outs) if many else outs[0]


def _size(b: Builder, c: TensorVariable, a: DimLike, o: DimLike, v: Value,
          sizes: dict[tuple[DimLike, DimLike], DimLike]) -> DimLike:  # fmt: skip
    """The size of a result: that of both branches, or one that depends on the condition."""
    if a is o or a == o:
        return a
    found = sizes.get((a, o))
    if found is None:
        pair = [b("dim", expr=d) if d.__class__ is Dim else b.const(d, I64.rank0) for d in (a, o)]
        size = TensorVariable(b.select(c.value, *pair), b.loc)
        found = sizes[a, o] = dim_of(size, f"a size of ifelse(…, {short(v, 0)}, …)")
        assert isinstance(found, Dim)
        either[found] = (a, o)
    return found


def _same(b: Builder, v: Value, w: Value) -> Value:
    """The value of the other branch, with the sizes of this one."""
    for a, o in zip(v.type.shape, w.type.shape):
        if a != o and a.__class__ is int and o.__class__ is int:
            raise ShapeError(at(f"ifelse in a loop: the branches have the sizes {v.type.shape} and "
                                f"{w.type.shape}, but sizes cannot change from step to step",
                                b.loc))  # fmt: skip
    shape = tuple([a if a.__class__ is int else o if o.__class__ is int else a
                   for a, o in zip(v.type.shape, w.type.shape)])  # fmt: skip
    text = "ifelse in a loop: the branches differ in size"
    return refine(b, w, shape, Note("ifelse", (ref(v), ref(w)), text=text))


__all__ = ["ifelse"]
