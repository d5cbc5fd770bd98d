"""The text-IR writer: constants come out of LLVM with the bits they went in with."""

import ctypes

import numpy as np
import pytest

from jitgrad.llvm.engine import compile_module
from jitgrad.llvm.text import BITS, DTYPES, Writer, const, scalar_const, vec

NUMPY = {name: np.dtype(name.replace("f", "float").replace("u", "uint")) for name in ("f32", "f64")}
NUMPY |= {f"i{n}": np.dtype(f"int{n}") for n in (8, 16, 32, 64)}
NUMPY |= {f"u{n}": np.dtype(f"uint{n}") for n in (8, 16, 32, 64)}
FLOATS = [0.0, -0.0, 0.1, -1e300, 5e-324, 1e-40, 3.4028235e38, float("inf"), float("-inf")]


def stored(dtype, values, lanes):
    """`values` as constants of `lanes` lanes, stored to memory by machine code."""
    w = Writer()
    for i, value in enumerate(values):
        place = w.op(f"getelementptr {vec(dtype, lanes)}, ptr %out, i64 {i}")
        w.line(f"store {vec(dtype, lanes)} {const(dtype, lanes, value)}, ptr {place}, align 1")
    w.line("ret void")
    module = compile_module(f"define void @run(ptr %out) {{\n{w.text()}}}\n", {})
    out = np.zeros((len(values), lanes), NUMPY[dtype])
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(module.address("run"))(out.ctypes.data)
    return out


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("dtype", sorted(NUMPY))
def test_constants_keep_their_bits(dtype, lanes):
    kind = NUMPY[dtype]
    if dtype.startswith("f"):
        with np.errstate(over="ignore"):
            expected = np.array([*FLOATS, float("nan")]).astype(kind)
        values = [*FLOATS, float("nan")]
    else:
        info = np.iinfo(kind)
        values = [0, 1, info.max, info.min, info.max + 1, info.min - 1, 1000]
        expected = np.array([v % (1 << info.bits) for v in values], np.uint64).astype(kind)
    got = stored(dtype, values, lanes)
    bits = np.dtype(f"u{kind.itemsize}")
    np.testing.assert_array_equal(got.view(bits), np.repeat(expected[:, None], lanes, 1).view(bits))


def test_bools_and_numpy_scalars():
    assert scalar_const("bool", True) == scalar_const("bool", np.bool_(True)) == "true"
    assert const("bool", 8, 0) == "splat (i1 false)"
    assert scalar_const("f64", np.float32(0.5)) == scalar_const("f32", 0.5) == "0x3FE0000000000000"
    assert scalar_const("u8", np.uint8(200)) == "-56"


def test_types_and_widths():
    assert (
        vec("u16", 1) == "i16" and vec("f32", 32) == "<32 x float>" and vec("bool", 2) == "<2 x i1>"
    )
    assert set(BITS) == set(DTYPES) and BITS["bool"] == 1 and BITS["f32"] == 32


def test_names_and_labels_are_fresh():
    w = Writer()
    names = [w.op("add i32 1, 2"), w.tmp(), w.op("add i32 3, 4")]
    assert len(set(names)) == 3
    assert w.fresh_label("loop") != w.fresh_label("loop")
    w.label("done")
    assert w.text() == "  %t0 = add i32 1, 2\n  %t2 = add i32 3, 4\ndone:\n"
    assert Writer().text() == ""
