"""The verifier: one broken function for each rule, and random programs that obey all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from jitgrad.errors import Loc, VerifyError
from jitgrad.ir.build import Builder
from jitgrad.ir.core import Block, Function, Op, Value, block, function
from jitgrad.ir.dims import symbol
from jitgrad.ir.interp import run
from jitgrad.ir.ops import TABLE
from jitgrad.ir.parser import parse_function
from jitgrad.ir.types import F64, scalar, tensor
from jitgrad.ir.verify import verify
from jitgrad.testing.programs import Program, programs

n, k = symbol("n"), symbol("k")
S = scalar(F64)
B = Builder()


def param(type_: object = S, name: str = "x") -> Value:
    return Value(type_, name=name)  # type: ignore[arg-type]


@given(programs())
def test_random_programs_obey_the_rules(program: Program) -> None:
    verify(program.fn)
    for a, v in zip(run(program.fn, program.args), program.fn.results):
        assert a.dtype == v.type.dtype.np
        if a.dtype.kind == "f":
            assert np.isfinite(a).all()


@given(programs(differentiable=True, dtypes=("f64", "i64", "bool")))
def test_differentiable_programs_give_finite_floats(program: Program) -> None:
    verify(program.fn)
    for a in run(program.fn, program.args):
        assert a.dtype == np.float64
        assert np.isfinite(a).all()
        assert np.all(np.abs(a) < 1e6)


def use_before_definition() -> Function:
    x = param()
    e = B("exp", x)
    s = B("sin", e)
    return Function("f", Block([x], [s.op, e.op], [s]))  # type: ignore[list-item]


def undefined_result() -> Function:
    x = param()
    return Function("f", Block([x], [], [B("exp", x)]))


def other_functions_parameter() -> Function:
    e = B("exp", param())
    return Function("f", Block([param()], [e.op], [e]))  # type: ignore[list-item]


def op_twice() -> Function:
    x = param()
    e = B("exp", x)
    return Function("f", Block([x], [e.op, e.op], [e]))  # type: ignore[list-item]


def parameter_twice() -> Function:
    x = param()
    return Function("f", Block([x, x], [], [x]))


def parameter_with_op() -> Function:
    e = B("exp", param())
    return Function("f", Block([e], [], [e]))


def one_op(*args: object, operands: int = 1) -> Function:
    """A function of one op made past the builder: (row, attrs, types, regions)."""
    x = param()
    name, attrs, types, *regions = args
    op = Op(TABLE[name], (x,) * operands, attrs, types, tuple(regions))  # type: ignore
    return Function("f", Block([x], [op], op.results))


def region_sees_outside() -> Function:
    x, p = param(), param(scalar("bool"), "p")
    a = param()
    inside = B("mul", a, x)
    regions = (Block([a], [inside.op], [inside]), block([a], [a]))  # type: ignore[list-item]
    return function("f", [x, p], [B.op("cond", p, x, regions=regions).result])


def region_uses_undefined() -> Function:
    x, p, a = param(), param(scalar("bool"), "p"), param()
    regions = (Block([a], [], [B("exp", a)]), block([a], [a]))
    return function("f", [x, p], [B.op("cond", p, x, regions=regions).result])


def unbound_dim() -> Function:
    return function("f", [], [B.const(0.0, tensor("f64", (n,)))])


def unbound_dim_in_attribute() -> Function:
    return function("f", [], [B("dim", expr=n + 1)])


def composite_dim_only() -> Function:
    x = param(tensor("f64", (2 * n,)))
    return function("f", [x], [x])


def unbound_dim_in_callee() -> Function:
    x = param(tensor("f64", (k,)))
    g = function("g", [], [B("dim", expr=n)])
    return function("f", [x], [B.op("call", callee=g).result])


def kernel_text(body: str, operands: str = "%in: f64[n]", out: str = "f64[n]") -> Function:
    return parse_function(
        f"func @f<n>(%x: f64[n]) -> ({out}) {{ %0: {out} = kernel %x {{\n"
        f"^({operands}, %out: {out}):\n{body}\n}} return %0 }}"
    )


LOOP = 'loop {var="i", extent=n, vector=%s, monoids=[]} {\n%s\n}'


def dollar_out_of_range() -> Function:
    body = "%a: f64 = load %in {index=[$0]}\nstore %a, %out {index=[i]}"
    return kernel_text(LOOP % ("true", body))


def loop_variable_outside_loop() -> Function:
    return kernel_text("%a: f64 = load %in {index=[i]}\nstore %a, %out {index=[0]}")


def loop_variable_taken() -> Function:
    inner = LOOP % ("false", "%a: f64 = load %in {index=[i]}\nstore %a, %out {index=[i]}")
    return kernel_text(LOOP % ("false", inner))


def vector_in_vector() -> Function:
    inner = 'loop {var="j", extent=n, vector=true, monoids=[]} {\n%a: f64 = load %in {index=[j]}\n}'
    return kernel_text(LOOP % ("true", inner))


def use_of_loops_inside() -> Function:
    # what a loop's region computes is not seen behind it
    x = param(tensor("f64", (n,)))
    buf, out = param(tensor("f64", (n,))), param(tensor("f64", (n,)))
    load = B.op("load", buf, index=(0,))
    attrs = {"var": "i", "extent": n, "vector": False, "monoids": ()}
    loop = B.op("loop", regions=(Block([], [load], []),), **attrs)
    store = B.op("store", load.result, out, index=(0,))
    kernel = B.op("kernel", x, regions=(Block([buf, out], [loop, store], []),))
    return function("f", [x], [kernel.result])


def tensor_op_in_kernel() -> Function:
    return kernel_text("%a: f64 = sum %in {axes=[0]}\nstore %a, %out {index=[0]}")


def whole_tensors_in_kernel() -> Function:
    return kernel_text("%a: f64[n] = exp %in\n%b: f64 = load %a {index=[0]}")


def store_into_operand() -> Function:
    return kernel_text("%a: f64 = load %in {index=[0]}\nstore %a, %in {index=[0]}")


def load_outside_kernel() -> Function:
    x = param(tensor("f64", (3,)))
    return function("f", [x], [B("load", x, index=(0,))])


def store_outside_kernel() -> Function:
    x, v = param(tensor("f64", (3,))), param(S, "v")
    return Function("f", Block([x, v], [B.op("store", v, x, index=(0,))], []))


def guard_in_kernel() -> Function:
    body = (
        '%a: f64 = load %in {index=[0]}\n%b: bool = eq %a, %a\nguard %b {expect=true, message=""}'
    )
    return kernel_text(body)


def no_such_monoid() -> Function:
    x = param()
    op = Op(TABLE["loop"], (), {"var": "i", "extent": 3, "vector": False, "monoids": ("mean",)}, ())
    return Function("f", Block([x], [op], [x]))


def layouts_missing() -> Function:
    x = param()
    return Function("f", Block([x], [], [x]), [])


def unknown_layout() -> Function:
    x = param()
    return Function("f", Block([x], [], [x]), ["fortran"])


def results_made_elsewhere() -> Function:
    x = param()
    e, s = B("exp", x), B("exp", x)
    assert e.op is not None and s.op is not None
    op = Op(TABLE["exp"], (x,), {}, (S,))
    op.results = e.op.results
    return Function("f", Block([x], [op], [e]))


SUM = {"axes": (0,)}
CONST = {"value": 1.0, "type": S, "spelling": ""}
BROKEN: list[tuple[Callable[[], Function], str]] = [
    (use_before_definition, "operand 0 of sin is not defined above it or not in scope"),
    (undefined_result, "a result of @f is not defined"),
    (other_functions_parameter, "operand 0 of exp is not defined"),
    (op_twice, "exp stands twice in this scope"),
    (parameter_twice, "a parameter of @f stands twice"),
    (parameter_with_op, "a parameter of @f is the result of an op"),
    (lambda: one_op("exp", {}, (scalar("f32"),)), "has type f32, the rule says f64"),
    (lambda: one_op("exp", {}, (S, S)), "exp gives 1 results, not 2"),
    (lambda: one_op("exp", {}, (S,), operands=2), "exp takes 1 operands, not 2"),
    (lambda: one_op("exp", {"a": 1}, (S,)), "exp has the attributes ['a'], not []"),
    (lambda: one_op("exp", {}, (S,), Block([], [], [])), "exp has 1 regions"),
    (lambda: one_op("sum", {}, (S,)), "sum has the attributes [], not ['axes']"),
    (lambda: one_op("sum", {"axes": [0]}, (S,)), "axes=[0] is not of the kind ints"),
    (lambda: one_op("sum", {"axes": (np.int64(0),)}, (S,)), "is not of the kind ints"),
    (lambda: one_op("sum", SUM, (S,)), "sum of f64 over axes (0,)"),
    (lambda: one_op("constant", {**CONST, "value": 1}, (S,), operands=0),
     "constant of f64 holds 1"),
    (lambda: one_op("constant", {**CONST, "value": np.float32(1)}, (S,), operands=0),
     "of the kind value"),
    (lambda: one_op("constant", {**CONST, "value": np.array(1, "f4")}, (S,), operands=0),
     "constant of f64 holds an array of float32"),
    (lambda: one_op("scan", {"length": 3, "carries": 0, "consts": 5, "reverse": False}, (S,),
                    Block([], [], [])), "scan"),
    (lambda: one_op("cond", {}, (S,)), "cond has 0 regions"),
    (lambda: one_op("require", {"lhs": 1, "cmp": "lt", "rhs": 2, "message": ""}, (), operands=0),
     "require compares by eq or ge"),
    (lambda: one_op("dim", {"expr": np.int64(3)}, (scalar("i64"),), operands=0), "of the kind dim"),
    (region_sees_outside, "operand 1 of mul is not defined above it or not in scope"),
    (region_uses_undefined, "a result of the region of cond is not defined"),
    (unbound_dim, "nothing gives the size of the dim n"),
    (unbound_dim_in_attribute, "nothing gives the size of the dim n"),
    (composite_dim_only, "nothing gives the size of the dim n"),
    (unbound_dim_in_callee, "nothing gives the size of the dim n"),
    (dollar_out_of_range, "$0 stands for no computed index here"),
    (loop_variable_outside_loop, "nothing gives the size of the dim i"),
    (loop_variable_taken, "the loop variable 'i' is no name or taken already"),
    (vector_in_vector, "a vector loop stands in another one"),
    (use_of_loops_inside, "operand 0 of store is not defined"),
    (tensor_op_in_kernel, "sum cannot stand in a kernel"),
    (whole_tensors_in_kernel, "exp in a kernel takes and gives single elements"),
    (store_into_operand, "store goes into a result of the kernel"),
    (load_outside_kernel, "load stands outside a kernel"),
    (store_outside_kernel, "store stands outside a kernel"),
    (guard_in_kernel, "guard cannot stand in a kernel"),
    (no_such_monoid, "loop"),
    (layouts_missing, "0 layouts for 1 parameters"),
    (unknown_layout, "a layout is one of c, strided, not 'fortran'"),
    (results_made_elsewhere, "result 0 of exp says it is made elsewhere"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), BROKEN)
def test_broken_functions(make: Callable[[], Function], message: str) -> None:
    with pytest.raises(VerifyError) as err:
        verify(make())
    assert message in str(err.value)
    assert str(err.value).startswith("@")


def test_the_message_shows_op_neighbours_and_line(tmp_path: Path) -> None:
    source = tmp_path / "user.py"
    source.write_text("import jitgrad\ny = sin(exp(x))\n")
    b = Builder(Loc(str(source), 2, "loss"))
    x = param()
    e = b("exp", x)
    s = b("sin", e)
    c = b("cos", x)
    with pytest.raises(VerifyError) as err:
        verify(Function("f", Block([x], [c.op, s.op, e.op], [s])))  # type: ignore[list-item]
    assert str(err.value) == (
        "@f: operand 0 of sin is not defined above it or not in scope\n"
        "    func @f(%x: f64) -> (f64) {\n"
        "      %0: f64 = cos %x\n"
        "  >   %2: f64 = sin %1\n"
        "      %3: f64 = exp %x\n"
        "      return %2\n"
        f'  at "{source}", line 2, in loss\n'
        "    y = sin(exp(x))"
    )


def test_callers_dims_are_the_callees() -> None:
    x = param(tensor("f64", (n,)))
    g = function("g", [], [B("dim", expr=n)])
    fn = function("f", [x], [B.op("call", callee=g).result])
    verify(fn)
    verify(g, dims=("n",))
    assert run(fn, [np.zeros(5)])[0] == 5


def test_loops_see_what_is_around_them() -> None:
    verify(
        kernel_text(
            LOOP % ("true", "%a: f64 = load %in {index=[i]}\nstore %a, %out {index=[n - 1 - i]}")
        )
    )
