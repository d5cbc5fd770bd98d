"""Printer and parser: round trips, names, exact constants, errors, speed that is linear."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jitgrad.errors import Loc, ParseError
from jitgrad.ir.build import Builder
from jitgrad.ir.core import Block, Function, Value, block, function
from jitgrad.ir.dims import symbol
from jitgrad.ir.interp import run
from jitgrad.ir.parser import parse_function, parse_module
from jitgrad.ir.printer import callees, format_block, format_function, format_op, print_ir, walk
from jitgrad.ir.types import DTYPES, F64, I64, scalar, tensor
from jitgrad.testing.programs import Program, programs

n = symbol("n")


def check(fn: Function) -> Function:
    """`fn` printed and read again; the texts agree."""
    for locs in (True, False):
        text = format_function(fn, locs=locs)
        back = parse_function(text)
        assert format_function(back, locs=locs) == text
    return back


@given(programs())
def test_random_programs_round_trip(program: Program) -> None:
    back = check(program.fn)
    for got, want in zip(run(back, program.args), run(program.fn, program.args)):
        np.testing.assert_array_equal(got, want)
    assert [p.type for p in back.params] == [p.type for p in program.fn.params]


def test_text_of_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    b = Builder(Loc("a b.py", 3, "<lambda>"), "vjp(exp)")
    x = Value(tensor("f64", (n, 3)), name="x")
    y = b("exp", x)
    b.loc, b.made_by = Loc("c.py", 4, "g"), ""
    b.loc = Loc("c.py", 4)
    fn = function("f", [x], [b("sum", y, axes=(0, 1))], layouts=["strided"])
    print_ir(fn, locs=True)
    assert capsys.readouterr().out == (
        "func @f<n>(%x: f64[n, 3] strided) -> (f64) {\n"
        '  %0: f64[n, 3] = exp %x loc("a b.py":3 in "<lambda>") by "vjp(exp)"\n'
        '  %1: f64 = sum %0 {axes=[0, 1]} loc("c.py":4)\n'
        "  return %1\n"
        "}\n"
    )
    back = parse_function(format_function(fn, locs=True))
    assert back.ops[0].loc == Loc("a b.py", 3, "<lambda>")
    assert back.ops[0].made_by == "vjp(exp)"
    assert back.layouts == ("strided",)
    assert format_op(fn.ops[0]) == "%0: f64[n, 3] = exp %x"
    assert format_block(block([x], [y])) == "^(%x: f64[n, 3]):\n%0: f64[n, 3] = exp %x\nyield %0"


def test_names_are_made_valid_and_unique() -> None:
    b = Builder()
    names = ["x", "x", "x_1", "a b", "1st", "", "é", "x"]
    params = [Value(F64_TYPE, name=s) for s in names]
    fn = function("my func-1", params, [b("neg", params[1])])
    text = format_function(fn)
    assert text.startswith('func @"my func-1"(%x: f64, %x_1: f64, %x_1_1: f64, %a_b: f64, %_1st: ')
    assert "%0: f64, %é: f64, %x_2: f64" in text
    check(fn)


F64_TYPE = scalar(F64)


def test_many_equal_names_are_linear() -> None:
    params = [Value(F64_TYPE, name="x") for _ in range(20_000)]
    text = format_function(function("f", params, [params[-1]]))
    assert "return %x_19999" in text


def test_callees_come_first_and_once() -> None:
    b = Builder()
    x = Value(F64_TYPE, name="x")
    inner = function("g", [x], [b("sin", x)])
    twin = function("g", [x], [b("cos", x)])
    arm = Value(F64_TYPE)
    region = block([arm], [b.op("call", arm, callee=twin).result])
    p = Value(scalar("bool"), name="p")
    once = b.op("call", x, callee=inner).result
    again = b.op("call", once, callee=inner).result
    fn = function("f", [x, p], [b.op("cond", p, again, regions=(region, region)).result])
    assert callees(fn) == [inner, twin, fn]
    assert list(parse_module(format_function(fn))) == ["g", "g_1", "f"]
    (got,) = run(check(fn), [np.asarray(0.5), np.asarray(True)])
    assert got == math.cos(math.sin(math.sin(0.5)))
    assert [op.name for op in walk(fn.body)] == ["call", "call", "cond", "call", "call"]


def test_regions_may_share_ops() -> None:
    # both branches cut the same op out of the air: it is printed, and read, once for each
    b = Builder()
    a = Value(F64_TYPE, name="a")
    e = b("exp", a)
    p, x = Value(scalar("bool"), name="p"), Value(F64_TYPE, name="x")
    regions = (block([a], [e]), block([a], [b("neg", e)]))
    fn = function("f", [p, x], [b.op("cond", p, x, regions=regions).result])
    assert format_function(fn).count("= exp") == 2
    (got,) = run(check(fn), [np.asarray(False), np.asarray(1.0)])
    assert got == -np.exp(1.0)


FLOATS = [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308, 0.1, 1e22]


@pytest.mark.parametrize("value", FLOATS)
@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_float_constants_are_exact(value: float, dtype: str) -> None:
    with np.errstate(over="ignore"):
        v = Builder().const(value, tensor(dtype, (2,)), str(value))
    (op,) = check(function("f", [], [v])).ops
    back = op.attrs["value"]
    assert type(back) is float
    want = DTYPES[dtype].np.type(v.op.attrs["value"])  # type: ignore[union-attr]
    assert DTYPES[dtype].np.type(back).tobytes() == want.tobytes()
    assert op.attrs["spelling"] == str(value)


ARRAYS = [
    np.array([[1.5, -0.0], [np.nan, -np.inf]]),
    np.array([np.copysign(np.nan, -1.0), 1.0]),
    np.linspace(0, 1, 100).reshape(4, 25),
    np.linspace(0, 1, 100, dtype=np.float32)[::-1],
    np.zeros((0, 3)),
    np.zeros((2, 0), np.int32),
    np.array([True, False]),
    np.array([-(2**63), 2**63 - 1]),
    np.array([0, 2**64 - 1], np.uint64),
    np.arange(200, dtype=np.uint8),
    np.array([1 + 2j, complex(np.nan, -0.0)]),
    np.array([1 + 2j], np.complex64),
    np.array(2.5),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{list(a.shape)}")
def test_array_constants_are_exact(array: np.ndarray) -> None:
    (dtype,) = [d for d in DTYPES.values() if d.np == array.dtype]
    v = Builder()("constant", value=array, type=tensor(dtype, array.shape), spelling="")
    (back,) = run(check(function("f", [], [v])), [])
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_complex_scalar_constant() -> None:
    v = Builder().const(1 - 2.5j, scalar("c128"))
    (op,) = check(function("f", [], [v])).ops
    assert op.attrs["value"] == 1 - 2.5j


@given(st.text(), st.text())
@example("", "²")
def test_any_string_survives(message: str, name: str) -> None:
    b = Builder(Loc(message, 1, name), name)
    x = Value(scalar("bool"), name=name)
    guard = b.op("guard", x, expect=True, message=message)
    fn = check(Function(name, Block([x], [guard], [])))
    assert fn.ops[0].attrs["message"] == message
    assert fn.name == name


BAD = [
    ("", "line 1, column 1: expected 'func', found the end"),
    ("func f", "line 1, column 6: expected '@', found 'f'"),
    ("func @f(%x f64) -> () { return }", "column 12: expected ':', found 'f64'"),
    ("func @f(%x: f63) -> () { return }", "column 13: there is no dtype f63"),
    ("func @f(%x: f64[n+]) -> () { return }", "column 13: expected a dim"),
    ("func @f(%x: f64[n]) -> () { return }", "the parameters bring the dims <n>"),
    ("func @f(%x: f64) -> (f32) { return %x }", "column 22: the function returns (f64)"),
    ("func @f(%x: f64, %x: f64) -> () { return }", "column 18: %x is defined twice"),
    ("func @f() -> (f64) { return %y }", "column 29: %y is not defined above this place"),
    ("func @f() -> () {", "expected an operation, found the end"),
    ("func @f() -> () { }", "expected an operation or 'return', found '}'"),
    ("func @f(%x: f64) -> () { %0: f64 = sinn %x return }", "there is no operation sinn"),
    ("func @f(%x: f64) -> () { %0: f64 = sin %x, %x return }", "sin takes 1 operands, not 2"),
    ("func @f(%x: f64) -> () { %0: f32 = sin %x return }", "%0 is declared f32, but sin gives f64"),
    ("func @f(%x: i64) -> () { %0: i64 = sin %x return }", "sin takes floats, not i64"),
    ("func @f(%x: f64) -> () { sin %x return }", "sin has 1 results, not 0"),
    ("func @f(%x: f64) -> () { %0: f64 = sum %x {axis=[0]} return }",
     "expected the attribute axes"),
    ("func @f(%x: f64) -> () { %0: f64 = sum %x {axes=[0} return }", "expected ',' or ']'"),
    ("func @f(%x: f64) -> () { %0: f64 = sum %x {axes=[0]} return }", "sum of f64 over axes (0,)"),
    ('func @f() -> () { %0: i8 = constant {value=300, type=i8, spelling=""} return }',
     "not a value of type i8: 300 does not fit i8"),
    ('func @f() -> () { %0: i8 = constant {value=1.5, type=i8, spelling=""} return }',
     "not a value of type i8"),
    ('func @f() -> () { %0: i8[2] = constant {value=[1], type=i8[2], spelling=""} return }',
     "not a value of type i8[2]: it has the shape [1]"),
    ('func @f() -> () { %0: i8[2] = constant {value=base64"AA==", type=i8[2], spelling=""} }',
     "not a value of type i8[2]"),
    ('func @f() -> () { %0: i8 = constant {value=1, type=i8, spelling="} return }',
     "expected a string in double quotes"),
    ("func @f(%p: bool) -> () { cond %p return }", "cond is malformed here"),
    ("func @f(%p: bool) -> () { %0: f64 = call %p {callee=@g} return }", "@g is not defined above"),
    ("func @f() -> () { return } func @f() -> () { return }", "@f is defined twice"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), BAD)
def test_errors_name_the_place(text: str, message: str) -> None:
    with pytest.raises(ParseError) as err:
        parse_module(text)
    assert message in str(err.value)
    assert str(err.value).startswith("line 1, column ")
    assert str(err.value).endswith("^")


GOOD = """func @f<n>(%x: f64[n, 3]) -> (f64, i64) {
  %0: f64 = sum %x {axes=[0, 1]} loc("f.py":3 in f) by "vjp(exp)"
  %1: f64 = constant {value=[2.5], type=f64[1], spelling="2"}
  %p: bool = gt %0, %0
  %2: f64 = cond %p, %0 {
    ^(%a: f64):
    yield %a
  } {
    ^(%b: f64):
    %3: f64 = exp %b
    yield %3
  }
  %4: i64 = dim {expr=n//2 + 1}
  return %2, %4
}
""".replace("%1: f64 =", "%1: f64[1] =")


def test_broken_text_raises_parse_errors_only() -> None:
    parse_function(GOOD)
    rng = random.Random(0)
    for _ in range(3000):
        k, size = rng.randrange(len(GOOD)), rng.choice((1, 1, 2, 5))
        bad = (
            GOOD[:k]
            + rng.choice(["", "}", "{", "%", "0", "x", '"', "[", "-1", " "])
            + GOOD[k + size :]
        )
        try:
            fn = parse_function(bad)
        except ParseError:
            continue
        check(fn)


def test_nothing_is_evaluated_and_deep_nesting_is_an_error() -> None:
    deep = "(" * 10_000 + "n" + ")" * 10_000
    with pytest.raises(ParseError, match="nested too deeply|not a dim"):
        parse_function(f"func @f(%x: f64[{deep}]) -> () {{ return }}")
    with pytest.raises(ParseError):
        parse_function("func @f(%x: f64[__import__('os')]) -> () { return }")


def test_types_of_parsed_attributes() -> None:
    fn = parse_function(GOOD)
    assert fn.ops[0].attrs == {"axes": (0, 1)}
    assert fn.ops[4].attrs["expr"] is n // 2 + 1
    assert fn.ops[4].result.type is scalar(I64)


def test_deep_chains() -> None:
    from jitgrad.ir.verify import verify

    b = Builder()
    x = Value(F64_TYPE, name="x")
    v = x
    for _ in range(50_000):
        v = b("neg", b("abs", v))
    fn = function("deep", [x], [v])
    assert len(fn.ops) == 100_000
    verify(fn)
    text = format_function(fn)
    back = parse_function(text)
    assert format_function(back) == text
    (got,) = run(back, [np.asarray(3.0)])
    assert got == -3.0
    del fn, v, back  # freeing a chain must not recurse either
