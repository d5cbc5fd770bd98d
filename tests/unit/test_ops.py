"""The op table: every row is complete, and its parts agree with each other on its test cases.

The reference is the meaning; type rule, derivative, transpose and batching are held against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from jitgrad.errors import JitgradError
from jitgrad.ir.build import Builder
from jitgrad.ir.core import Value, function
from jitgrad.ir.interp import eval_term, run
from jitgrad.ir.ops import TABLE, OpDef
from jitgrad.ir.ops.kernel import MONOIDS
from jitgrad.ir.ops.markers import IDENTITIES
from jitgrad.ir.parser import _KINDS as READ
from jitgrad.ir.parser import parse_function
from jitgrad.ir.printer import _KINDS as SHOWN
from jitgrad.ir.printer import format_function
from jitgrad.ir.terms import Term
from jitgrad.ir.types import DTYPES, F64, DType, TensorType, tensor
from jitgrad.ir.verify import _IS as CHECKED
from jitgrad.ir.verify import verify
from jitgrad.testing.programs import covered
from jitgrad.testing.traits import APART

ROWS = list(TABLE.values())
PLAIN = [r for r in ROWS if r.ref is not None]
REAL = [d for d in DTYPES.values() if d.kind != "c"]
SHAPE = (2, 3)


def ids(row: OpDef) -> str:
    return row.name


# -- completeness ---------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_row_is_complete(row: OpDef) -> None:
    assert row.name.isidentifier() or row.name in ("and", "or", "not")
    assert callable(row.types)
    assert row.doc
    assert row.emit, "no key for the code generator"
    assert set(row.attrs.values()) <= set(SHOWN) == set(READ) == set(CHECKED)
    assert row.props <= {"commutative", "associative", "effect", "alias", "raises", "prints"}
    if row.family in ("control", "kernel"):
        assert row.ref is None, "the interpreter runs control and kernels itself"
        return
    assert row.ref is not None
    assert row.batch is not None
    ways = [row.deriv is not None, bool(row.linear), row.jvp is not None, bool(row.nondiff)]
    mixed = row.linear and row.jvp is not None and len(row.linear) < (row.arity or 9)
    assert sum(ways) == (2 if mixed else 1), "one derivative, or one reason why there is none"
    if row.elementwise:
        assert row.deriv is not None or row.linear or row.nondiff
        assert row.arity == len(row.domain)
        if row.deriv is not None and not callable(row.deriv):
            assert len(row.deriv) == row.arity
        if row.emit == "expand":
            assert row.expand is not None
    else:
        assert row.cases
        assert all(set(c.attrs) == set(row.attrs) for c in row.cases)
    if row.linear:
        assert row.transpose is not None


def test_every_row_is_drawn_by_random_programs() -> None:
    inner = {"kernel", "loop", "load", "load_if", "store"}
    assert set(TABLE) - covered() == inner | APART | {"print"}


def test_names_are_looked_up() -> None:
    assert TABLE["exp"].__reduce__()[0](*TABLE["exp"].__reduce__()[1]) is TABLE["exp"]
    with pytest.raises(KeyError):
        Builder()("no_such_op")


# -- examples: every row on every dtype its type rule takes ---------------------------------------


class Example:
    """A row with operand types, attributes and arrays."""

    def __init__(self, row: OpDef, types: Sequence[TensorType], attrs: dict, ints: Any) -> None:
        self.row, self.types, self.attrs = row, tuple(types), attrs
        rng = np.random.default_rng(7)
        self.arrays = [
            fill(t, rng, ints[k] if row.elementwise else ints) for k, t in enumerate(self.types)
        ]

    @property
    def floats(self) -> list[int]:
        return [k for k, t in enumerate(self.types) if t.dtype.is_float]


def fill(t: TensorType, rng: np.random.Generator, span: Any) -> np.ndarray:
    shape: Any = t.shape
    if t.dtype.kind == "b":
        return np.asarray(rng.integers(0, 2, shape), bool)
    if t.dtype.kind in "iu":
        lo, hi = (int(v) for v in span)
        return np.asarray(rng.integers(max(lo, 0), max(hi, 1), shape), t.dtype.np)
    lo, hi = span if isinstance(span[0], float) else (-4.0, 4.0)
    return np.asarray(rng.uniform(lo, hi, shape), t.dtype.np)


def examples(row: OpDef, dtype: DType) -> Iterator[Example]:
    """The row's cases with `dtype` in place of f64; none where the type rule refuses it."""
    if row.elementwise:
        attrs = {"dtype": dtype, "size": 3, "n": 2}
        attrs = {k: attrs[k] for k in row.attrs}
        t = tensor(dtype, SHAPE)
        given = tensor(F64, SHAPE) if row.name == "cast" else t
        mask = [tensor("bool", SHAPE)] if row.name == "select" else []
        candidates = [([*mask, *[given] * (len(row.domain) - len(mask))], attrs, row.domain)]
    else:
        candidates = []
        for case in row.cases:
            types = [as_type(s, dtype) for s in case.types]
            attrs = dict(case.attrs)
            if "type" in attrs:
                attrs["type"] = attrs["type"].with_dtype(dtype)
                if "value" in attrs:
                    attrs["value"] = {"b": True, "f": 1.5}.get(dtype.kind, 1)
            candidates.append((types, attrs, case.ints))
    for types, attrs, ints in candidates:
        try:
            row.types(row.name, types, attrs, ())
        except JitgradError:
            continue
        yield Example(row, types, attrs, ints)


def as_type(text: str, dtype: DType) -> TensorType:
    found = parse_function(f"func @f(%x: {text}) -> () {{ return }}").params[0].type
    return found.with_dtype(dtype) if found.dtype is F64 else found


@pytest.mark.parametrize("row", PLAIN, ids=ids)
def test_reference_agrees_with_type_rule(row: OpDef) -> None:
    seen = set()
    for dtype in REAL:
        for e in examples(row, dtype):
            seen.add(dtype.name)
            (want,) = row.types(row.name, e.types, e.attrs, ())
            with np.errstate(all="ignore"):
                out = np.asarray(row.ref(*e.arrays, **e.attrs))  # type: ignore[misc]
            assert out.shape == want.shape
            assert out.dtype == want.dtype.np, f"{row.name} of {e.types}"
    assert seen, "no dtype fits"


@pytest.mark.parametrize("row", PLAIN, ids=ids)
def test_rows_survive_text_and_verifier(row: OpDef) -> None:
    for dtype in REAL:
        for e in examples(row, dtype):
            params = [Value(t) for t in e.types]
            fn = function("f", params, [Builder()(row.name, *params, **e.attrs)])
            verify(fn)
            back = parse_function(format_function(fn))
            assert format_function(back) == format_function(fn)
            for a, c in zip(run(fn, e.arrays), run(back, e.arrays)):
                np.testing.assert_array_equal(a, c)


@pytest.mark.parametrize("row", PLAIN, ids=ids)
def test_wrong_operands_are_refused(row: OpDef) -> None:
    """Dtypes and shapes that do not go together: an error of ours, never a wrong type."""
    loose = ("fill", "gather", "searchsorted")  # their last operand may have any shape
    if row.arity is None or row.arity < 2 or row.name in loose:
        return
    e = next(examples(row, F64), None) or next(examples(row, DTYPES["i64"]))
    last = e.types[-1]
    for bad in (last.with_dtype(DTYPES["f32"]), last.with_shape((*last.shape, 7))):
        with pytest.raises(JitgradError):
            row.types(row.name, [*e.types[:-1], bad], e.attrs, ())


# -- derivatives ----------------------------------------------------------------------------------


def slopes(row: OpDef, e: Example, k: int, h: float = 1e-6) -> np.ndarray:
    """The derivative of an elementwise row by operand k, by central differences."""
    hi, lo = list(e.arrays), list(e.arrays)
    hi[k], lo[k] = e.arrays[k] + h, e.arrays[k] - h
    assert row.ref is not None
    return (row.ref(*hi, **e.attrs) - row.ref(*lo, **e.attrs)) / (2 * h)


@pytest.mark.parametrize("row", [r for r in PLAIN if r.elementwise], ids=ids)
def test_elementwise_derivative_is_the_slope(row: OpDef) -> None:
    for e in examples(row, F64):
        assert row.ref is not None
        out = np.asarray(row.ref(*e.arrays, **e.attrs))
        if row.name in ("cast", *IDENTITIES[1:]) or out.dtype.kind != "f":
            continue  # linear, with another derivative than its own, or without a slope
        params = [Value(t) for t in e.types]
        op = Builder().op(row.name, *params, **e.attrs)
        for k in e.floats:
            term = row.derivative(op, k)
            want = slopes(row, e, k)
            if term is None:
                np.testing.assert_allclose(want, 0, atol=1e-9)
                continue
            env = {"t": np.full(SHAPE, 2.0), "out": out, **dict(zip("xyz", e.arrays))}
            np.testing.assert_allclose(eval_term(term, env), 2 * want, rtol=1e-6, atol=1e-7)
            # the same built as IR
            t = Value(tensor(F64, SHAPE))
            b = Builder()
            op_out = b(row.name, *params, **e.attrs)
            made = b.term(term, {"t": t, "out": op_out, **dict(zip("xyz", params))}, t.type)
            (got,) = run(function("d", [*params, t], [made]), [*e.arrays, env["t"]])
            np.testing.assert_array_equal(got, eval_term(term, env))


EXPANDED = [r for r in PLAIN if r.expand is not None]


@pytest.mark.parametrize("row", EXPANDED, ids=ids)
@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_expansion_is_the_reference(row: OpDef, dtype: str) -> None:
    d = DTYPES[dtype]
    special = np.array(
        [0.0, -0.0, 1.0, -1.0, 30, -30, 700, -700, 1e5, -1e5, np.inf, -np.inf, np.nan]
    )
    grids = np.meshgrid(*[special.astype(d.np)] * (row.arity or 1))
    assert row.ref is not None and row.expand is not None
    with np.errstate(all="ignore"):
        want = row.ref(*grids)
        got = eval_term(row.expand, dict(zip("xyz", grids)))
    assert got.dtype == want.dtype
    # one ULP of a normal number; below the least normal one, digits are not promised
    np.testing.assert_allclose(got, want, rtol=4 * np.finfo(d.np).eps, atol=np.finfo(d.np).tiny)


def params_and_op(e: Example) -> tuple[list[Value], Any, Builder]:
    b = Builder()
    params = [Value(t) for t in e.types]
    return params, b.op(e.row.name, *params, **e.attrs), b


@pytest.mark.parametrize("row", [r for r in PLAIN if r.linear], ids=ids)
def test_transpose_is_the_adjoint(row: OpDef) -> None:
    """<A x, c> == <x, A' c> for each operand in which the row is linear."""
    tested = 0
    for e in examples(row, F64):
        params, op, b = params_and_op(e)
        if not e.floats:
            continue
        c = Value(op.result.type)
        ct = np.asarray(np.random.default_rng(3).normal(size=c.type.shape))  # type: ignore[arg-type]
        for k in e.floats:
            if not row.is_linear(k):
                continue
            assert row.transpose is not None and row.ref is not None
            back = row.transpose(b, op, c, k)
            assert back.type is params[k].type
            (got,) = run(function("t", [*params, c], [back]), [*e.arrays, ct])
            # linear in operand k alone: the others, where the row is not bilinear, are set to 0
            ins = [
                a if j == k or row.bilinear or not row.is_linear(j) else np.zeros_like(a)
                for j, a in enumerate(e.arrays)
            ]
            left = np.sum(row.ref(*ins, **e.attrs) * ct)
            np.testing.assert_allclose(np.sum(e.arrays[k] * got), left, rtol=1e-12, atol=1e-12)
            tested += 1
    assert tested


@pytest.mark.parametrize("row", [r for r in PLAIN if r.linear and not r.elementwise], ids=ids)
def test_transpose_of_a_mask_covers_the_cotangent(row: OpDef) -> None:
    """A mask transposed marks at least every element that a nonzero cotangent reaches."""
    for e in examples(row, F64):
        params, op, b = params_and_op(e)
        if not e.floats:
            continue
        mask = Value(op.result.type.with_dtype(DTYPES["bool"]))
        active = np.asarray(np.random.default_rng(4).random(mask.type.shape) < 0.4)  # type: ignore
        for k in e.floats:
            if not row.is_linear(k):
                continue
            assert row.transpose is not None
            back = row.transpose(b, op, mask, k)
            if back is None:
                continue  # no mask is kept
            assert back.type is params[k].type.with_dtype(DTYPES["bool"])
            (got,) = run(function("t", [*params, mask], [back]), [*e.arrays, active])
            ct = Value(op.result.type)
            (flow,) = run(
                function("t", [*params, ct], [row.transpose(b, op, ct, k)]),
                [*e.arrays, active * 1.0],
            )
            assert not np.any((flow != 0) & ~got)


@pytest.mark.parametrize("row", [r for r in PLAIN if r.jvp is not None], ids=ids)
def test_jvp_is_the_directional_derivative(row: OpDef) -> None:
    for e in examples(row, F64):
        params, op, b = params_and_op(e)
        tangents = [Value(t) if t.dtype.is_float else None for t in e.types]
        assert row.jvp is not None and row.ref is not None
        (out,) = row.jvp(b, op, tangents)
        rng = np.random.default_rng(5)
        dirs = [rng.normal(size=a.shape) if t else 0 for a, t in zip(e.arrays, tangents)]
        moved = [d for d, t in zip(dirs, tangents) if t]
        (got,) = run(
            function("j", [*params, *[t for t in tangents if t]], [out]), [*e.arrays, *moved]
        )
        h = 1e-6
        up, down = (
            row.ref(*[a + s * d if t else a for a, d, t in zip(e.arrays, dirs, tangents)],
                    **e.attrs)
            for s in (h, -h)
        )  # fmt: skip
        np.testing.assert_allclose(got, (up - down) / (2 * h), rtol=1e-5, atol=1e-7)
        assert row.jvp(b, op, [None] * len(tangents)) == (None,)


# -- batching -------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", PLAIN, ids=ids)
def test_batching_is_a_loop(row: OpDef) -> None:
    size = 3
    for dtype in (F64, DTYPES["i64"], DTYPES["bool"]):
        for e in examples(row, dtype):
            for flags in flag_sets(len(e.types)):
                _, op, b = params_and_op(e)
                rng = np.random.default_rng(11)
                ins, values = [], []
                for t, a, batched in zip(e.types, e.arrays, flags):
                    # permuted copies stay in the row's domain
                    stack = np.stack([rng.permuted(a) if a.ndim else a for _ in range(size)])
                    ins.append(stack if batched else a)
                    values.append(Value(t.with_shape((size, *t.shape)) if batched else t))
                assert row.batch is not None and row.ref is not None
                (out,) = row.batch(b, op, values, flags, size)
                assert out.type is op.result.type.with_shape((size, *op.result.type.shape))
                (got,) = run(function("b", values, [out]), ins)
                for i in range(size):
                    one = [x[i] if f else x for x, f in zip(ins, flags)]
                    with np.errstate(all="ignore"):
                        want = row.ref(*one, **e.attrs)
                    np.testing.assert_allclose(got[i], want, rtol=1e-13)


def flag_sets(arity: int) -> Iterator[tuple[bool, ...]]:
    if arity == 0:
        yield ()
    for bits in range(1, 1 << arity):
        yield tuple(bool(bits >> k & 1) for k in range(arity))


# -- monoids of kernels ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(MONOIDS))
def test_monoid_has_a_neutral_and_associates(name: str) -> None:
    monoid = MONOIDS[name]
    assert monoid.doc
    dtype = DTYPES["bool"] if name in ("any", "all") else F64
    first = [True, False] if dtype.kind == "b" else [1.0, 2.0, 2.0, -np.inf, np.inf, np.nan, 0.5]
    elements = [(np.asarray(v, dtype.np), np.int64(i)) for i, v in enumerate(first)]
    types = (dtype, DTYPES["i64"])[: monoid.arity]
    neutral = tuple(t.np.type(f(t)) for t, f in zip(types, monoid.init))

    def join(a: tuple, b: tuple) -> tuple:
        env = {**{f"a{j}": v for j, v in enumerate(a)}, **{f"b{j}": v for j, v in enumerate(b)}}
        return tuple(eval_term(c, env) for c in monoid.combine)

    def same(a: tuple, b: tuple) -> None:
        for p, q in zip(a, b):
            np.testing.assert_array_equal(p, q)

    cut = [e[: monoid.arity] for e in elements]
    for a in cut:
        same(join(neutral, a), a)
        same(join(a, neutral), a)
        for c in cut:
            for d in cut:
                left, right = join(join(a, c), d), join(a, join(c, d))
                same(left, right)


def test_terms_print() -> None:
    term = TABLE["div"].deriv[1]  # type: ignore[index]
    assert isinstance(term, Term)
    assert str(term) == "-(t * out / y)"
