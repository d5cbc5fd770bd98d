"""Fusion: which kernels come of which programs, and that they mean what the program meant."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitgrad.compile import compile_ir
from jitgrad.ir.build import Builder
from jitgrad.ir.core import Block, Function, Op, Value, block, function
from jitgrad.ir.dims import symbol
from jitgrad.ir.interp import run
from jitgrad.ir.printer import walk
from jitgrad.ir.types import BOOL, F64, I64, tensor
from jitgrad.ir.verify import verify
from jitgrad.passes.pipelines import parse_pipeline, pipeline
from jitgrad.testing.agreement import check_same, named_dims, precision
from jitgrad.testing.arguments import arguments
from jitgrad.testing.programs import Program, programs
from jitgrad.transforms import vjp

n, m, k = symbol("n"), symbol("m"), symbol("k")


def var(name: str, *shape, dtype=F64) -> Value:
    return Value(tensor(dtype, shape), name=name)


def fused(fn: Function, *, optimize: bool = False) -> Function:
    """`fn` after fusion; interpreter and machine code give what they gave before."""
    if optimize:
        fn = pipeline("tensor").run(fn)
        fn = parse_pipeline("expand,simplify,dce").run(fn)
    out = parse_pipeline("fuse").run(fn)
    verify(out)
    args = arguments(fn, 1)
    want = run(fn, args)
    check_same(run(out, args), want, 1e-12, "fused")
    check_same(compile_ir(named_dims(fn)).call(*args), want, 1e-12, "compiled")
    return out


def kernels(fn: Function | Block) -> list[Op]:
    return [op for op in fn.ops if op.name == "kernel"]


def inside(op: Op) -> list[str]:
    """Names of all the ops in a kernel."""
    return [o.name for r in op.regions for o in walk(r)]


def loops(op: Op) -> int:
    """How many loops a kernel has, at any depth."""
    return inside(op).count("loop")


def depth(block_: Block) -> int:
    """How deep its loops nest."""
    return max((1 + depth(op.regions[0]) for op in block_.ops if op.name == "loop"), default=0)


def one_kernel(fn: Function) -> Op:
    """The only op that computes; reshapes around it cost nothing."""
    ops = [op for op in fn.ops if op.name not in ("reshape", "refine", "require", "constant")]
    (op,) = ops
    assert op.name == "kernel"
    return op


def broadcast_row(b: Builder, v: Value, axis: int) -> Value:
    """A vector along `axis` of an [n, m] space."""
    return b.broadcast(v, (n, m), (axis,))


# -- elementwise ----------------------------------------------------------------------------------


def test_a_chain_is_one_kernel_with_one_loop_over_one_long_axis():
    b, x, y = Builder(), var("x", n, m), var("y", n, m)
    op = one_kernel(fused(function("f", [x, y], [b("tanh", b.mul(b("sin", x), y))])))
    assert (loops(op), inside(op).count("store")) == (1, 1)


def test_value_and_gradient_share_one_kernel():
    b, x, y = Builder(), var("x", n), var("y", n)
    loss = b.sum(b("softplus", b.mul(x, y)), (0,))
    out = fused(vjp(function("f", [x, y], [loss])), optimize=True)
    op = one_kernel(out)
    assert loops(op) == 1 and len(op.results) == 3


def test_the_same_value_is_computed_once():
    b, x = Builder(), var("x", n)
    e = b("exp", x)
    op = one_kernel(fused(function("f", [x], [b.mul(e, e), b.add(e, x)])))
    assert inside(op).count("exp") == 1


@pytest.mark.parametrize("axis", [0, 1])
def test_a_broadcast_vector_is_read_in_place(axis: int):
    b, x = Builder(), var("x", n, m)
    v = var("v", (n, m)[axis])
    op = one_kernel(fused(function("f", [x, v], [b.add(x, broadcast_row(b, v, axis))])))
    assert depth(op.regions[0]) == 2 and len(op.operands) == 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 1), (1,), (1, 1, 1)])
def test_an_element_of_one_array_meets_another(shape):
    # flattening the space of the one must leave the other as it is
    b, x, y = Builder(), var("x", n, m), var("y", *shape)
    first = b(
        "slice", y, starts=(0,) * len(shape), stops=(1,) * len(shape), steps=(1,) * len(shape)
    )
    one = b.reshape(first, ())
    fused(function("f", [x, y], [b.mul(x, b.broadcast(one, (n, m), ()))]))


def test_an_element_of_the_array_itself():
    b, x = Builder(), var("x", n, m)
    corner = b("slice", x, starts=(1, 2), stops=(2, 3), steps=(1, 1))
    one = b.reshape(corner, ())
    fused(function("f", [x], [b.mul(x, b.broadcast(one, (n, m), ()))]))


def test_a_gathered_element_meets_an_array():
    b, x, y, i = Builder(), var("x", n, m), var("y", 4), var("i", dtype=I64)
    one = b("gather", y, i, axis=0)
    fused(function("f", [x, y, i], [b.mul(x, b.broadcast(one, (n, m), ()))]))


# -- reductions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("name", ["sum", "max", "min"])
def test_reductions_over_any_axes(axes, name: str):
    b, x = Builder(), var("x", n, m, k)
    out = b(name, b.mul(x, x), axes=axes)
    op = one_kernel(fused(function("f", [x], [out])))
    assert inside(op).count("mul") == 1


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_argmax_over_any_axis(axis: int):
    b, x = Builder(), var("x", n, m, k)
    one_kernel(fused(function("f", [x], [b("argmax", b("sin", x), axis=axis)])))


def test_several_reductions_of_one_space_share_it():
    b, x = Builder(), var("x", n, m)
    e = b("exp", x)
    out = [b.sum(e, (1,)), b("max", e, axes=(1,)), b("min", e, axes=(1,)), b.mul(e, x)]
    op = one_kernel(fused(function("f", [x], out)))
    assert inside(op).count("exp") == 1


def softmax(b: Builder, x: Value) -> Value:
    top = broadcast_row(b, b("max", x, axes=(1,)), 0)
    e = b("exp", b("sub", x, top))
    return b("div", e, broadcast_row(b, b.sum(e, (1,)), 0))


def test_a_softmax_is_one_kernel_of_three_phases():
    b, x = Builder(), var("x", n, m)
    out = fused(function("f", [x], [softmax(b, x)]))
    op = one_kernel(out)
    (rows,) = [o for o in op.regions[0].ops if o.name == "loop"]
    phases = [o for o in rows.regions[0].ops if o.name == "loop"]
    assert len(phases) == 3
    assert any("3 phases" in note for note in out.cache["fuse"])


def test_columns_are_no_phases_of_rows():
    b, x = Builder(), var("x", n, m)
    centred = b("sub", x, broadcast_row(b, b.sum(x, (0,)), 1))
    fused(function("f", [x], [centred, b.sum(centred, (0,)), b.sum(centred, (1,))]))


def test_a_phase_does_not_wait_for_another_row():
    b, x = Builder(), var("x", n, n)
    rows = b.sum(x, (1,))
    turned = b.broadcast(rows, (n, n), (1,))  # row sums along the columns: all must be there
    out = fused(function("f", [x], [b.mul(x, turned)]))
    assert len(kernels(out)) == 2


# -- index maps -----------------------------------------------------------------------------------


def test_a_stencil_reads_its_neighbours():
    b, x = Builder(), var("x", n)
    need = b.op("require", lhs=n, cmp="ge", rhs=2, message="two points")
    left = b("slice", x, starts=(0,), stops=(n - 1,), steps=(1,))
    right = b("slice", x, starts=(1,), stops=(n,), steps=(1,))
    step = b("sub", right, left)
    op = one_kernel(fused(function("f", [x], [step], [need])))
    assert inside(op).count("load") == 2


def test_the_gradient_of_a_stencil_gathers():
    b, x = Builder(), var("x", n)
    need = b.op("require", lhs=n, cmp="ge", rhs=2, message="two points")
    left = b("slice", x, starts=(0,), stops=(n - 1,), steps=(1,))
    right = b("slice", x, starts=(1,), stops=(n,), steps=(1,))
    step = b("sub", right, left)
    loss = b.sum(b.mul(step, step), (0,))
    out = fused(vjp(function("f", [x], [loss], [need])), optimize=True)
    names = [name for op in kernels(out) for name in inside(op)]
    assert "load_if" in names and not any(op.name == "scatter_add" for op in out.ops)


def test_a_concatenation_is_written_in_place():
    b, x, y = Builder(), var("x", n), var("y", m)
    out = fused(function("f", [x, y], [b("concatenate", b("sin", x), b("cos", y), x, axis=0)]))
    op = one_kernel(out)
    assert inside(op).count("store") == 3 and loops(op) == 3


def test_a_gather_is_read_where_it_is_used():
    b, x, i = Builder(), var("x", n, 3), var("i", m, dtype=I64)
    at = b("and", i, b.const(1, i.type))
    rows = b("gather", x, at, axis=0)
    op = one_kernel(fused(function("f", [x, i], [b.mul(rows, rows)])))
    assert inside(op).count("load") == 2  # the index and the element


@pytest.mark.parametrize("interior", [0, 1, 2])
def test_pads_of_slices_and_back(interior: int):
    b, x, fill = Builder(), var("x", 4, n), var("fill")
    wide = b("pad", x, fill, lo=(1, 0), hi=(0, 2), interior=(interior, 0))
    size = wide.type.shape[0]
    back = b("slice", wide, starts=(1, 0), stops=(size, n), steps=(1 + interior, 1))
    one_kernel(fused(function("f", [x, fill], [b.mul(back, x)])))
    fused(function("f", [x, fill], [b.mul(back, x), b.add(wide, wide)]))


# -- what is stored -------------------------------------------------------------------------------


def test_what_is_dear_and_shared_is_stored():
    b, x = Builder(), var("x", n, m)
    p = b("pow", x, x)
    out = fused(function("f", [x], [b.sum(p, (0,)), b.sum(p, (1,))]))
    assert sum(inside(op).count("pow") for op in kernels(out)) == 1


def test_what_is_cheap_and_shared_is_computed_again():
    b, x = Builder(), var("x", n, m)
    p = b("neg", x)
    out = fused(function("f", [x], [b.sum(p, (0,)), b.sum(p, (1,))]))
    assert sum(inside(op).count("neg") for op in kernels(out)) == 2


def test_a_dear_column_is_not_computed_a_row_at_a_time():
    b, v, x = Builder(), var("v", m), var("x", n, m)
    out = fused(function("f", [v, x], [b.mul(x, broadcast_row(b, b("pow", v, v), 1))]))
    assert len(kernels(out)) == 2


# -- buffers --------------------------------------------------------------------------------------


def results_of(b: Builder, x: Value) -> dict[str, list[Value]]:
    e = b("exp", x)
    dense = b.const(np.arange(3.0), tensor(F64, (3,)))
    return {
        "a parameter": [x],
        "a parameter twice": [x, x],
        "a value twice": [e, e],
        "a reshape of a result": [e, b.reshape(e, (n, 1))],
        "a reshape of a parameter": [b.reshape(x, (1, n))],
        "a reshape and the parameter": [b.reshape(x, (1, n)), x, e],
        "a constant array": [dense],
        "a constant array twice": [dense, dense, e],
        "a splat": [b.const(2, x.type)],
        "of a library op twice": [(c := b("cumsum", x, axis=0)), c, b.reshape(c, (n, 1))],
    }


@pytest.mark.parametrize("what", results_of(Builder(), var("x", n)))
def test_results_are_fresh_and_distinct(what: str):
    x = var("x", n)
    fn = function("f", [x], results_of(Builder(), x)[what])
    out = fused(fn)
    values = [id(v) for v in out.results]
    assert len(set(values)) == len(values) and not set(values) & {id(p) for p in out.params}
    (arg,) = arguments(fn, 1)
    got = compile_ir(fn).call(arg)
    for a in got:
        assert not np.shares_memory(a, arg) and not any(
            np.shares_memory(a, c) for c in got if c is not a
        )


LIBRARY: dict[str, Callable[[Builder, Value, Value], Value]] = {
    "matmul": lambda b, x, y: b("matmul", x, y, ta=False, tb=True),
    "cumsum": lambda b, x, y: b("cumsum", x, axis=1),
    "cumprod": lambda b, x, y: b("cumprod", x, axis=0),
    "sort": lambda b, x, y: b("sort", x, axis=0),
    "take_along": lambda b, x, y: b("take_along", x, b("argsort", y, axis=1), axis=1),
    "searchsorted": lambda b, x, y: b("searchsorted", b("sort", x, axis=1), y, right=False),
    "scatter": lambda b, x, y: b("scatter", x, b("iota", type=tensor("i64", (n,)), axis=0), y,
                                 axis=0),
    "dynamic slices": lambda b, x, y: b("dynamic_update_slice", y, b(
        "dynamic_slice", x, *[b.const(7, tensor("i64", ()))] * 2, sizes=(n, 1)),
        *[b.const(1, tensor("i64", ()))] * 2),
    "reshape": lambda b, x, y: b.reshape(x, (n * m,)),
    "refine": lambda b, x, y: b.add(b("refine", x, shape=(n, m)), y),
    "elementwise": lambda b, x, y: b.add(x, y),
    "reduction": lambda b, x, y: b.sum(b.mul(x, y), (1,)),
    "all at once": lambda b, x, y: b.add(b("matmul", x, b.reshape(x, (m, n)), ta=False, tb=False),
                                         b("matmul", x, y, ta=False, tb=True)),
}  # fmt: skip


def odd_layout(a: np.ndarray, how: str) -> np.ndarray:
    """`a` with the same elements at other places in memory."""
    if a.ndim == 0 or a.size == 0 or how == "c":
        return a
    if how == "fortran":
        return np.asfortranarray(a)
    if how == "reversed":
        return np.ascontiguousarray(a[::-1])[::-1]
    wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


@pytest.mark.parametrize("how", ["fortran", "reversed", "step"])
@pytest.mark.parametrize("what", LIBRARY)
def test_strided_parameters(what: str, how: str):
    x, y = var("x", n, m), var("y", n, m)
    plain = function("f", [x, y], [LIBRARY[what](Builder(), x, y)])
    fn = Function("f", plain.body, ("strided", "strided"))
    out = parse_pipeline("fuse").run(fn)
    verify(out)
    args = arguments(fn, 1)
    want = run(fn, args)
    check_same(run(out, args), want, 1e-12, "fused")
    odd = [odd_layout(a, how) for a in args]
    check_same(compile_ir(fn).call(*odd), want, 1e-12, "compiled")


# -- regions --------------------------------------------------------------------------------------


def test_regions_are_fused_too():
    b, p, x = Builder(), var("p", dtype=BOOL), var("x", n)
    ax, bx = var("ax", n), var("bx", n)
    yes = block([ax], [b("sin", b.mul(ax, ax))])
    no = block([bx], [bx])
    cond = b.op("cond", p, x, regions=(yes, no)).results[0]
    c, u = var("c", n), var("u")
    step = b("tanh", b.add(c, b.broadcast(u, (n,), ())))
    body = block([c, u], [step, b.sum(step, (0,))])
    us = var("us", 4)
    scan = b.op("scan", cond, us, regions=(body,), length=4, carries=1, consts=0, reverse=False)
    out = fused(function("f", [p, x, us], list(scan.results)))
    for op in out.ops:
        for region in op.regions:
            if op.name != "kernel":
                assert all(o.name in ("kernel", "reshape") for o in region.ops)
                assert kernels(region)


# -- any program ----------------------------------------------------------------------------------


@given(programs(), st.sampled_from(["c", "fortran", "reversed", "step"]), st.booleans())
def test_fused_programs_mean_the_same(program: Program, how: str, optimize: bool):
    fn, args = program
    fn = Function(fn.name, fn.body, ["strided"] * len(fn.params))
    want = run(fn, args)
    before = "inline,expand" + (",simplify,dce" if optimize else "")
    out = parse_pipeline(f"{before},fuse").run(fn)
    verify(out)
    odd = [odd_layout(np.asarray(a), how) for a in args]
    check_same(run(out, odd), want, precision(fn), "fused")
    check_same(compile_ir(fn).call(*odd), want, precision(fn), "compiled")
