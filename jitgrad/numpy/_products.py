"""Products of arrays: dot, matmul, tensordot, einsum, outer …, all on the one matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError, at
from ..frontend.ops import broadcast_shapes, cast, find_root, lift, result_dtype, spread, strong
from ..frontend.protocol import BY_NUMPY, METHODS
from ..frontend.source import here
from ..frontend.trace import ARRAY, SCALAR, Root, Tracer, wrap
from ..ir.core import Value
from ..ir.dims import DimLike, product
from ..ir.types import BOOL, I64
from ._base import FUNCTIONS, no_out, one, public


def _pair(a: Any, b: Any) -> tuple[Root, Tracer, Tracer]:
    root = find_root((a, b))
    xs = [strong(a, root), strong(b, root)]
    dtype = result_dtype(xs)
    return root, cast(xs[0], dtype), cast(xs[1], dtype)


def _inner_dims(root: Root, name: str, a: DimLike, b: DimLike, x: Tracer, y: Tracer) -> None:
    def text() -> str:
        shapes = " and ".join(str(root.sizes(t.value.type.shape)) for t in (x, y))
        return f"shapes {shapes} not aligned: {' != '.join(map(str, root.sizes((a, b))))}"

    if not root.same_dim(a, b, name, text):
        raise ShapeError(at(f"{name}: {text()}", here()))


def _form(v: Value) -> int:
    return ARRAY if v.type.shape else SCALAR


def _product(root: Root, x: Value, y: Value, **flags: bool) -> Value:
    """The matrix product of stacks; bools by way of ints."""
    b = root.b
    if x.type.dtype is BOOL:
        out = b("matmul", b.cast(x, I64), b.cast(y, I64), ta=False, tb=False)
        return b("ne", out, b.zeros(out.type))
    return b("matmul", x, y, ta=flags.get("ta", False), tb=flags.get("tb", False))


def _matmul(x1: Any, x2: Any, out: Any = None, **kw: Any) -> Tracer:
    no_out("matmul", out)
    root, x, y = _pair(x1, x2)
    if not x.ndim or not y.ndim:
        raise ValueError(at("matmul: Input operand does not have enough dimensions; use *", here()))
    b, mask = root.b, x.mask | y.mask
    xs, ys = x.value.type.shape, y.value.type.shape
    k = ys[-2] if len(ys) > 1 else ys[-1]
    _inner_dims(root, "matmul", xs[-1], k, x, y)
    xv = root.refine(x.value, (*xs[:-1], k))
    yv = y.value
    if len(xs) == 1 and len(ys) == 1:
        return _dot_vectors(root, xv, yv, mask)
    if len(xs) == 1:
        xv = b.reshape(xv, (1, k))
    if len(ys) == 1:
        yv = b.reshape(yv, (k, 1))
    if xv.type.rank == 2 and yv.type.rank == 2:
        v = _product(root, xv, yv)
    elif yv.type.rank == 2 and len(ys) > 1:  # a stack by one matrix is one tall product
        rows = product(xv.type.shape[:-1])
        v = _product(root, b.reshape(xv, (rows, k)), yv)
        v = b.reshape(v, (*xv.type.shape[:-1], v.type.shape[-1]))
    else:
        lead = broadcast_shapes(root, [xv.type.shape[:-2], yv.type.shape[:-2]], "matmul")
        v = _product(root, spread(root, xv, (*lead, *xv.type.shape[-2:])),
                     spread(root, yv, (*lead, *yv.type.shape[-2:])))  # fmt: skip
    shape = list(v.type.shape)
    if len(xs) == 1:
        del shape[-2]
    if len(ys) == 1:
        del shape[-1]
    v = b.reshape(v, shape)
    return wrap(root, v, mask, _form(v))


public(np.matmul)(_matmul)
BY_NUMPY[np.matmul] = _matmul


def _dot_vectors(root: Root, x: Value, y: Value, mask: int) -> Tracer:
    b = root.b
    y = root.refine(y, x.type.shape)
    if x.type.dtype is BOOL:
        v = b.sum(b("and", x, y), (0,))
    else:
        v = b.sum(b.mul(x, y), (0,))
    return wrap(root, v, mask, SCALAR)


@public(np.dot)
def _dot(a: Any, b: Any, out: Any = None) -> Tracer:
    no_out("dot", out)
    root, x, y = _pair(a, b)
    if not x.ndim or not y.ndim:
        return FUNCTIONS["multiply"](x, y)
    if x.ndim <= 2 and y.ndim <= 2:
        return _matmul(x, y)
    return _contract(root, x, y, [x.ndim - 1], [max(y.ndim - 2, 0)], "dot")


def _contract(
    root: Root, x: Tracer, y: Tracer, xs: Sequence[int], ys: Sequence[int], name: str
) -> Tracer:
    """Sum over axes xs of x and ys of y; the axes left follow each other."""
    b = root.b
    a, c = x.value.type.shape, y.value.type.shape
    for i, j in zip(xs, ys):
        _inner_dims(root, name, a[i], c[j], x, y)
    left = [i for i in range(len(a)) if i not in xs]
    right = [j for j in range(len(c)) if j not in ys]
    inner = tuple(c[j] for j in ys)
    rows, cols, k = product(a[i] for i in left), product(c[j] for j in right), product(inner)
    xv = root.refine(b.transpose(x.value, (*left, *xs)), (*(a[i] for i in left), *inner))
    yv = b.transpose(y.value, (*ys, *right))
    v = _product(root, b.reshape(xv, (rows, k)), b.reshape(yv, (k, cols)))
    v = b.reshape(v, (*(a[i] for i in left), *(c[j] for j in right)))
    return wrap(root, v, x.mask | y.mask, ARRAY)


@public(np.tensordot)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Tracer:
    root, x, y = _pair(a, b)
    if isinstance(axes, (int, np.integer)):
        xs, ys = list(range(x.ndim - axes, x.ndim)), list(range(axes))
    else:
        left, right = ([t] if isinstance(t, (int, np.integer)) else list(t) for t in axes)
        xs, ys = [int(i) % x.ndim for i in left], [int(j) % y.ndim for j in right]
    if len(xs) != len(ys) or len(xs) > min(x.ndim, y.ndim):
        raise ValueError(at("shape-mismatch for sum", here()))
    return _contract(root, x, y, xs, ys, "tensordot")


@public(np.inner)
def _inner(a: Any, b: Any) -> Tracer:
    root, x, y = _pair(a, b)
    if not x.ndim or not y.ndim:
        return FUNCTIONS["multiply"](x, y)
    if x.ndim == y.ndim == 1:
        return _matmul(x, y)
    return _contract(root, x, y, [x.ndim - 1], [y.ndim - 1], "inner")


@public(np.vdot)
def _vdot(a: Any, b: Any) -> Tracer:
    _, x, y = _pair(a, b)
    return _matmul(FUNCTIONS["ravel"](x), FUNCTIONS["ravel"](y))


@public(np.vecdot)
def _vecdot(x1: Any, x2: Any, axis: int = -1) -> Tracer:
    return FUNCTIONS["sum"](FUNCTIONS["multiply"](x1, x2), axis)


@public(np.outer)
def _outer(a: Any, b: Any, out: Any = None) -> Tracer:
    no_out("outer", out)
    _, x, y = _pair(a, b)
    column = FUNCTIONS["reshape"](x, (x.size, 1))
    return FUNCTIONS["multiply"](column, FUNCTIONS["ravel"](y))


METHODS["multiply", "outer"] = lambda a, b, **kw: _outer_of("multiply", a, b)
for _name in ("add", "subtract", "divide", "maximum", "minimum", "power", "equal", "less",
              "greater"):  # fmt: skip
    METHODS[_name, "outer"] = lambda a, b, _n=_name, **kw: _outer_of(_n, a, b)


def _outer_of(name: str, a: Any, b: Any) -> Tracer:
    root, x = one(a, b)
    y = lift(b, root)
    return FUNCTIONS[name](FUNCTIONS["reshape"](x, (*x.shape, *(1,) * y.ndim)), y)


@public(np.kron)
def _kron(a: Any, b: Any) -> Tracer:
    _, x, y = _pair(a, b)
    rank = max(x.ndim, y.ndim)
    xs = (*(1,) * (rank - x.ndim), *x.shape)
    ys = (*(1,) * (rank - y.ndim), *y.shape)
    left = [d for n in xs for d in (n, 1)]
    right = [d for n in ys for d in (1, n)]
    wide = FUNCTIONS["reshape"](x, left) * FUNCTIONS["reshape"](y, right)
    return FUNCTIONS["reshape"](wide, [n * m for n, m in zip(xs, ys)])


@public(np.cross)
def _cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1,
           axis: Any = None) -> Tracer:  # fmt: skip
    if axis is not None:
        axisa = axisb = axisc = axis
    _, x, y = _pair(a, b)
    x, y = FUNCTIONS["moveaxis"](x, axisa, -1), FUNCTIONS["moveaxis"](y, axisb, -1)
    if x.shape[-1] != 3 or y.shape[-1] != 3:
        raise ValueError(at("cross takes vectors of 3 components", here()))
    (a0, a1, a2), (b0, b1, b2) = ([t[..., i] for i in range(3)] for t in (x, y))
    parts = [a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0]
    return FUNCTIONS["stack"](parts, axisc)


# -- einsum ---------------------------------------------------------------------------------------


@public(np.einsum)
def _einsum(*operands: Any, out: Any = None, optimize: Any = False, **kw: Any) -> Tracer:
    """Pairs of operands are contracted from the left, each by one matrix product."""
    no_out("einsum", out)
    root = find_root(operands)
    if not isinstance(operands[0], str):
        operands = _from_lists(operands)
    spec, arrays = operands[0].replace(" ", ""), [strong(a, root) for a in operands[1:]]
    dtype = result_dtype(arrays)
    xs = [cast(a, dtype) for a in arrays]
    terms, result = _parse(spec, [x.ndim for x in xs])
    work = [_own_sums(root, t, x, _outside(terms, i, result)) for i, (t, x) in
            enumerate(zip(terms, xs))]  # fmt: skip
    while len(work) > 1:
        (t, x), (u, y) = work[0], work[1]
        needed = set(result).union(*(w for w, _ in work[2:]))
        work[:2] = [_pairwise(root, t, x, u, y, needed)]
    term, x = work[0]
    term, x = _own_sums(root, term, x, set(result))
    v = root.b.transpose(x.value, [term.index(c) for c in result])
    return wrap(root, v, x.mask, _form(v))


def _from_lists(operands: tuple) -> tuple:
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

    def text(labels: Any) -> str:
        return "".join("..." if c is Ellipsis else letters[c] for c in labels)

    pairs = list(zip(operands[::2], operands[1::2]))
    spec = ",".join(text(labels) for _, labels in pairs)
    if len(operands) % 2:
        spec += "->" + text(operands[-1])
    return (spec, *(a for a, _ in pairs))


def _parse(spec: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """Labels of each operand and of the result; those of an ellipsis are digits."""
    left, arrow, right = spec.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(
            at(f"einsum {spec!r} is for {len(terms)} operands, not {len(ranks)}", here())
        )
    dots = max([r - len(t.replace("...", "")) for t, r in zip(terms, ranks) if "..." in t] or [0])
    marks = "".join(chr(0x2460 + i) for i in range(dots))
    full = []
    for t, r in zip(terms, ranks):
        n = r - len(t.replace("...", ""))
        if n < 0 or (n and "..." not in t):
            raise ValueError(at(f"einsum {spec!r}: the labels {t!r} do not fit an operand with "
                                f"{r} axes", here()))  # fmt: skip
        full.append(t.replace("...", marks[dots - n :]))
    if arrow:
        return full, right.replace("...", marks)
    every = "".join(full)
    once = sorted(c for c in set(every) if every.count(c) == 1 and c not in marks)
    return full, marks + "".join(once)


def _outside(terms: Sequence[str], i: int, result: str) -> set[str]:
    return set(result).union(*(t for j, t in enumerate(terms) if j != i))


def _own_sums(root: Root, term: str, x: Tracer, needed: set[str]) -> tuple[str, Tracer]:
    """Repeated labels become diagonals, labels that nobody else has are summed over."""
    for c in sorted(set(term)):
        while term.count(c) > 1:
            i = term.index(c)
            j = term.index(c, i + 1)
            x = FUNCTIONS["diagonal"](x, 0, i, j)
            term = term[:i] + term[i + 1 : j] + term[j + 1 :] + c
    gone = tuple(i for i, c in enumerate(term) if c not in needed)
    if gone:
        name = "any" if x.value.type.dtype is BOOL else "sum"
        x = wrap(root, root.b(name, x.value, axes=gone), x.mask, ARRAY)
        term = "".join(c for c in term if c in needed)
    return term, x


def _pairwise(
    root: Root, t: str, x: Tracer, u: str, y: Tracer, needed: set[str]
) -> tuple[str, Tracer]:
    b = root.b
    size: dict[str, DimLike] = dict(zip(u, y.value.type.shape))
    for c, d in zip(t, x.value.type.shape):
        if c in size and size[c] != 1 and d != 1:
            _inner_dims(root, "einsum", d, size[c], x, y)
        elif c not in size or size[c] == 1:
            size[c] = d
    both = [c for c in t if c in u]
    batch = [c for c in both if c in needed]
    inner = [c for c in both if c not in needed]
    left, right = [c for c in t if c not in u], [c for c in u if c not in t]
    out = "".join([*batch, *left, *right])

    def arranged(term: str, v: Value, order: list[str]) -> Value:
        v = b.transpose(v, [term.index(c) for c in order])
        want = tuple([size[c] for c in order])
        return spread(root, v, want)

    def dims(labels: list[str]) -> tuple[DimLike, ...]:
        return tuple([size[c] for c in labels])

    mask = x.mask | y.mask
    if not inner:  # no sum: an elementwise product
        full = (*dims(batch), *dims(left), *dims(right))
        xv = arranged(t, x.value, [*batch, *left])
        xv = b.broadcast(xv, full, tuple(range(len(batch) + len(left))))
        yv = arranged(u, y.value, [*batch, *right])
        yv = b.broadcast(yv, full, (*range(len(batch)),
                                    *range(len(batch) + len(left), len(full))))  # fmt: skip
        v = b("and", xv, yv) if xv.type.dtype is BOOL else b.mul(xv, yv)
        return out, wrap(root, v, mask, ARRAY)
    k, m, n = product(dims(inner)), product(dims(left)), product(dims(right))
    xv = b.reshape(arranged(t, x.value, [*batch, *left, *inner]), (*dims(batch), m, k))
    yv = b.reshape(arranged(u, y.value, [*batch, *inner, *right]), (*dims(batch), k, n))
    v = b.reshape(_product(root, xv, yv), (*dims(batch), *dims(left), *dims(right)))
    return out, wrap(root, v, mask, ARRAY)
