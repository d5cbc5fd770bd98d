"""The compile driver: stages, arguments in any layout, errors of compiled code."""

from __future__ import annotations

import numpy as np
import pytest

import jitgrad.numpy as jnp
from jitgrad import ShapeError, jit, value_and_grad
from jitgrad.compile import Exact, compile_ir
from jitgrad.ir.parser import parse_function

TEXT = """
func @f<n, m>(%x: f64[n, m], %w: f64[k]) -> (f64[n], f64) {
  require {lhs=m, cmp="eq", rhs=k, message="rows and weights"}
  %v: f64[m] = refine %w {shape=[m]}
  %b: f64[n, m] = broadcast %v {shape=[n, m], dims=[1]}
  %p: f64[n, m] = mul %x, %b
  %s: f64[n] = sum %p {axes=[1]}
  %t: f64 = sum %s {axes=[0]}
  return %s, %t
}
""".replace("<n, m>", "<n, m, k>")


def test_stages_are_text_and_results_are_arrays():
    c = compile_ir(parse_function(TEXT))
    x, w = np.arange(6.0).reshape(2, 3), np.ones(3)
    s, t = c.call(x, w)
    assert s.tolist() == [3.0, 12.0] and t == 15.0 and t.shape == ()
    assert "refine" in c.ir("trace") and "refine" not in c.ir()
    assert "kernel" in c.ir("kernels") and "define" in c.ir("llvm") and "ret" in c.ir("asm")
    assert {"passes", "emit", "llvm"} <= set(c.timings)
    with pytest.raises(ValueError, match="stage"):
        c.ir("nothing")


def test_arguments_by_position_name_and_conversion():
    c = compile_ir(parse_function(TEXT))
    assert c.call([[1, 2]], w=[3.0, 4.0])[1] == 11.0
    big = np.arange(6.0).reshape(2, 3).astype(">f8")
    assert c.call(big[:, ::-1], np.ones(3))[1] == 15.0
    for bad, message in [
        (((np.ones((2, 3)), np.ones(4)), {}), r"rows and weights \(3 and 4\)"),
        (((np.ones(3), np.ones(3)), {}), "x takes .* of rank 2"),
        (((np.ones((2, 3)) * 1j, np.ones(3)), {}), "x takes .* not complex128"),
        (((np.ones((2, 3)),), {}), "lacks w"),
        (((np.ones((2, 3)), np.ones(3)), {"w": 1}), "'w' twice"),
        (((), {"q": 1}), "no argument 'q'"),
    ]:
        with pytest.raises((ShapeError, TypeError), match=message):
            c.call(*bad[0], **bad[1])


@pytest.mark.parametrize(
    "view",
    [
        np.asfortranarray,
        lambda a: a[::-1, ::-1],
        lambda a: a[:, ::3],
        lambda a: np.broadcast_to(a[0], a.shape),
        lambda a: a.T,
        lambda a: np.frombuffer(b"\0" + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
    ],
)
@pytest.mark.parametrize("n", [3, 400])
def test_any_layout_gives_the_same(view, n):
    f = jit(value_and_grad(lambda x: jnp.sum(jnp.exp(x) * jnp.cumsum(x, axis=0))))
    x = view(np.random.default_rng(0).normal(size=(n, n)))
    value, grad = f(x)
    same, as_copied = f(np.ascontiguousarray(x))
    np.testing.assert_allclose(value, same, rtol=1e-12)
    np.testing.assert_allclose(grad, as_copied, rtol=1e-12)
    assert grad.flags.c_contiguous and grad.flags.writeable


def test_few_layouts_are_compiled_the_rest_is_copied():
    c = compile_ir(
        parse_function("""
func @f<n, m>(%x: f64[n, m], %y: f64[n, m]) -> (f64[n, m]) {
  %0: f64[n, m] = mul %x, %y
  return %0
}
""")
    )
    a = np.random.default_rng(1).normal(size=(300, 300))
    for x in (a, a.T):
        for y in (a, a.T, a[::-1]):
            np.testing.assert_array_equal(c.call(x, y)[0], x * y)
    assert len(c.exact.variants) == Exact.VARIANTS


def test_the_kernels_say_what_was_fused():
    text = compile_ir(parse_function(TEXT)).ir("kernels")
    assert "// kernel over 2 inputs computes sum" in text
    parse_function(text)  # a comment is no obstacle
