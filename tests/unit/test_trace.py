"""Tracers: what Python sees of them, sizes, guards, captured arrays, threads, source lines."""

import math
import threading
import time

import numpy as onp
import pytest

import jitgrad.numpy as np
from jitgrad.api import grad, jit, jvp, vmap
from jitgrad.errors import TraceError
from jitgrad.frontend.pytree import flatten
from jitgrad.frontend.source import here
from jitgrad.frontend.trace import SCALAR, WEAK, Root, Size, Tracer, activate, current
from jitgrad.ir.types import F64, I64, scalar, tensor
from jitgrad.traced import interpreted
from jitgrad.tracing import trace

X = onp.array([0.3, -1.2, 2.0])


def outside(fun, x=X):
    """fun on a tracer outside jit; what it returns."""
    out = []
    jvp(lambda v: out.append(fun(v)) or v, (x,), (onp.ones_like(x),))
    return out[0]


def traced(fun, *args):
    """The IR of fun under jit, all sizes symbols."""
    leaves, treedef = flatten((args, {}))
    pattern = [[-1] * onp.ndim(x) for x in leaves]
    return trace(fun, "f", leaves, treedef, pattern, "abcdefgh"[: len(leaves)]).fn


def names(fn):
    return [op.name for op in fn.ops]


# -- what Python sees -----------------------------------------------------------------------------


def test_attributes():
    def look(x):
        assert x.shape == (3,) and x.ndim == 1 and x.size == 3 and x.dtype == float
        assert x.nbytes == 24 and x.itemsize == 8 and len(x) == 3 and x.T.shape == (3,)
        assert onp.shape(x) == (3,) and np.ndim(x) == 1 and np.size(x) == 3
        assert 2.0 in x and 5.0 not in x
        assert isinstance(x[0] > 0, Tracer) and bool(x[0] > 0)
        assert x[0].form == SCALAR and (x[:1]).form != SCALAR
        assert repr(x).startswith("Traced<array(") and str(x) == str(X) and f"{x[0]:.2f}" == "0.30"
        assert [float(v) for v in X] == [v.concrete() for v in x]
        with pytest.raises(TypeError, match="unhashable"):
            hash(x)
        with pytest.raises(TypeError, match="unsized"):
            len(x[0])
        with pytest.raises(TypeError, match="0-d"):
            list(x[0])
        with pytest.raises(ValueError, match="ambiguous"):
            bool(x)
        with pytest.raises(TypeError, match="length-1"):
            int(x)
        with pytest.raises(TypeError, match="scalar index"):
            [1, 2][x[0]]
        return int(x[2]), round(x[0]).shape, [1, 2, 3][np.argmax(x)], divmod(x, 1.0)[0].shape

    assert outside(look) == (2, (), 3, (3,))


def test_scalars_and_python_numbers():
    def forms(x):
        assert x.form == WEAK and (x * 2).form == WEAK and np.sin(x).form == SCALAR
        assert (x * onp.float32(2)).dtype == onp.float32
        assert (2**x).form == WEAK and (x**-1).concrete() == 0.5
        return x

    with interpreted():
        assert jit(forms)(2.0) == 2.0
        assert jit(lambda n: n**-1)(2) == 0.5
    jvp(forms, (2.0,), (1.0,))


def test_int_values_may_leave_differentiated_ones_may_not():
    def fun(x):
        n = int(x[2])
        values = np.argmax(x).item(), np.sum(x > 0).tolist(), bool((x > 0)[0])
        for leave in (float, complex, math.exp, lambda v: v.item(), lambda v: v.tolist(),
                      lambda v: onp.asarray(v)):  # fmt: skip
            with pytest.raises(TraceError, match="gradient"):
                leave(x[0])
        with pytest.raises(TraceError, match="lists instead of assigning"):
            onp.zeros(3)[0:2] = x[:2]
        constant = np.asarray(onp.ones(2)) * 3.0
        assert float(constant[0]) == 3.0 and onp.asarray(constant).tolist() == [3.0, 3.0]
        from jitgrad.api import stop_gradient

        assert float(stop_gradient(x[0])) == 0.3
        return (n, *values)

    assert outside(fun) == (2, 2, 2, True)


def test_no_values_under_vmap():
    with pytest.raises(TraceError, match=r"choose with jitgrad\.numpy\.where"):
        vmap(lambda x: x if x > 0 else -x)(X)
    with pytest.raises(TraceError, match="batched"):
        vmap(lambda x: math.sin(x))(X)
    assert vmap(lambda x: x if len(X) == 3 else -x)(X).shape == (3,)
    # what does not depend on the batched value has one
    assert grad(lambda s: vmap(lambda x: x * s if s > 0 else x)(X).sum())(2.0) == X.sum()


def test_leaked_tracers_say_so():
    kept = []
    grad(lambda x: kept.append(x) or x * 2.0)(1.0)
    for use in (
        lambda v: v + 1.0,
        lambda v: np.sin(v),
        float,
        bool,
        lambda v: v.sum(),
        lambda v: v[None],
    ):
        with pytest.raises(TraceError, match="outlived"):
            use(kept[0])
    with pytest.raises(TraceError, match="outlived"):
        grad(lambda x: x * kept[0])(1.0)


def test_writes_are_refused_with_a_way_out():
    def write(x):
        x[0] = 1.0
        return x.sum()

    with pytest.raises(TraceError, match=r"x\.at\[index\]\.set"):
        grad(write)(X)

    def augmented(x):
        y = x
        y += 1.0
        y *= x
        return y.sum()

    onp.testing.assert_allclose(grad(augmented)(X), 2 * X + 1)


def test_constants_are_made_once_and_zeros_keep_their_sign():
    fn = traced(lambda x: (x * 2.0 + 2.0) * 2.0 + -0.0 + 0.0, X)
    values = [op.attrs["value"] for op in fn.ops if op.name == "constant"]
    assert values.count(2.0) == 1 and len([v for v in values if v == 0]) == 2
    assert math.copysign(1, values[1]) == -1


# -- symbolic sizes -------------------------------------------------------------------------------


def test_sizes():
    root = Root("jit")
    from jitgrad.ir.dims import symbol

    root.env["n"] = 20
    n = Size(symbol("n"), root)
    with activate(root):
        assert repr(n + 1) == "n + 1" and repr(2 * n - n) == "n" and n - n == 0
        assert repr(n // 2) == "n//2" and repr((4 * n) // 2) == "2*n" and repr(-n) == "-n"
        assert n % 3 == 2 and len(root.effects) == 1
        root.effects.clear()
        assert not root.effects
        assert n > 1 and n >= 2 and n != 0 and bool(n) and n + 1 > n
        assert not root.effects  # a symbol is at least 2
        assert n > 10 and n == 20 and not n < 15
        assert len(root.effects) == 3
        assert int(n) == 20 and list(range(n))[-1] == 19 and n < 20.5 and f"{n:3d}" == " 20"
        assert (n / 2).dtype == float and (n**2).concrete() == 400
        assert hash(n) == hash(Size(symbol("n"), root))
    assert current() is None


def test_equal_sizes_are_required_once():
    fn = traced(lambda x, y: x + y + y, X, X)
    assert names(fn).count("require") == 1
    (req,) = [op for op in fn.ops if op.name == "require"]
    assert "test_trace.py" in req.attrs["message"] and req.attrs["cmp"] == "eq"
    fn = traced(lambda x: x.reshape(-1)[None].T @ np.ones((1, x.shape[0])), X)
    assert "require" not in names(fn) and "guard" not in names(fn)
    assert fn.results[0].type.shape[0] is fn.results[0].type.shape[1]


def test_slices_of_symbols_guard_only_what_is_open():
    assert names(traced(lambda x: x[1:-1], onp.ones(20))) == ["slice"]
    assert "guard" in names(traced(lambda x: x[7:], onp.ones(20)))
    assert names(traced(lambda x: x[::-1], onp.ones(20))) == ["reverse"]
    fn = traced(lambda x: x[::2] * 2, onp.ones(20))
    assert repr(fn.results[0].type) == "f64[n - n//2]"


def test_len_guards_and_shape_does_not():
    assert "guard" in names(traced(lambda x: x * len(x), onp.ones(20)))
    assert "guard" not in names(traced(lambda x: x * x.shape[0], onp.ones(20)))


# -- where the user wrote it ----------------------------------------------------------------------


def test_every_op_has_the_users_line():
    def fun(x):
        y = np.sin(x)
        return np.mean(y * 2.0)  # several ops, one line

    fn = traced(fun, X)
    first = fun.__code__.co_firstlineno
    lines = {op.name: op.loc.line - first for op in fn.ops}
    assert lines["sin"] == 1 and lines["mul"] == lines["sum"] == lines["div"] == 2
    assert all(op.loc.file == __file__ and op.loc.func == "fun" for op in fn.ops)
    loc = here()
    assert loc.func == "test_every_op_has_the_users_line" and loc.source() == "loc = here()"


# -- threads and cost -----------------------------------------------------------------------------


def test_traces_belong_to_threads():
    results, barrier = {}, threading.Barrier(4)

    def work(k):
        def fun(x):
            barrier.wait(timeout=10)
            assert current() is not None
            return np.sum(x**k)

        results[k] = grad(fun)(X)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(2, 6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k in range(2, 6):
        onp.testing.assert_allclose(results[k], k * X ** (k - 1))
    assert current() is None


def test_errors_leave_no_trace_behind():
    def broken(x):
        raise ValueError("mine")

    for transform in (grad, jit, vmap):
        with pytest.raises(ValueError, match="mine"):
            transform(broken)(X)
        assert current() is None


def test_tracing_is_linear_and_deep_graphs_work():
    def fun(x, n):
        for _ in range(n):
            x = x * 1.0001 + 0.5
        return x

    def cost(n):
        best = math.inf
        for _ in range(3):
            start = time.perf_counter()
            trace(fun, "f", [1.0, n], flatten(((1.0, n), {}))[1], [(), ()], ["x", "n"])
            best = min(best, time.perf_counter() - start)
        return best

    with interpreted():
        assert grad(lambda x: fun(x, 10_000))(1.0) == pytest.approx(1.0001**10_000)
    small = cost(500)
    assert cost(5000) < 30 * small


def test_types_are_interned_objects():
    assert tensor(F64, ()) is scalar("f64") and scalar(I64) is not scalar(F64)
