"""The transforms: against formulas, in all nestings, mirrored pytrees; jit's paths and keys."""

import collections
import copy
import dataclasses
import pickle
import warnings

import numpy as onp
import pytest

import jitgrad.numpy as np
from jitgrad.api import (
    ShapeDtypeStruct,
    deriv,
    disable_jit,
    elementwise_grad,
    eval_shape,
    grad,
    grad_and_aux,
    hessian,
    hessian_vector_product,
    jacfwd,
    jacobian,
    jacrev,
    jit,
    jvp,
    linearize,
    make_hvp,
    make_ir,
    make_jvp,
    make_vjp,
    stop_gradient,
    tensor_jacobian_product,
    value_and_grad,
    vjp,
    vmap,
)
from jitgrad.errors import NotDifferentiableError
from jitgrad.traced import interpreted

X = onp.array([0.3, -1.2, 2.0])


@pytest.fixture(params=["interpreted", "compiled"])
def mode(request):
    if request.param == "interpreted":
        with interpreted():
            yield
    else:
        yield


def close(a, b, tol=1e-12):
    onp.testing.assert_allclose(a, b, rtol=tol, atol=tol)


def f(x):
    return np.sum(np.sin(x) * x[::-1]) ** 2


def numeric(fun, x, eps=1e-6):
    out = onp.zeros_like(x)
    for i in onp.ndindex(x.shape):
        d = onp.zeros_like(x)
        d[i] = eps
        out[i] = (fun(x + d) - fun(x - d)) / (2 * eps)
    return out


# -- known formulas -------------------------------------------------------------------------------


def test_grad_of_a_square():
    g = grad(lambda x: x**2)(4.0)
    assert g == 8.0 and type(g) is onp.float64
    assert grad(lambda x: x**2)(4) == 8.0
    assert grad(lambda x: x**2)(onp.float32(4)).dtype == onp.float32
    got = grad(lambda x: x**2)(onp.array(4.0))
    assert type(got) is onp.ndarray and got.shape == ()


def test_orders_of_sin():
    want = [onp.cos(0.7), -onp.sin(0.7), -onp.cos(0.7), onp.sin(0.7)]
    fun = np.sin
    for w in want:
        fun = grad(fun)
        close(fun(0.7), w)


def test_value_and_grad_aux_and_argnums():
    def loss(a, b, c=2.0):
        return a * b**2 * c, {"twice": 2 * a, "text": "t"}

    (v, aux), (ga, gb) = value_and_grad(loss, (0, 1), has_aux=True)(3.0, 2.0, c=1.0)
    assert (v, ga, gb) == (12.0, 4.0, 12.0)
    assert aux == {"twice": 6.0, "text": "t"} and type(aux["twice"]) is onp.float64
    g, aux = grad(loss, argnum=1, has_aux=True)(3.0, 2.0)
    assert g == 24.0 and aux["twice"] == 6.0
    assert grad_and_aux(loss)(3.0, 2.0)[0] == 8.0
    assert grad(lambda a, b: a * b, -1)(2.0, 5.0) == 2.0


def test_constant_functions_have_zero_gradients():
    assert grad(lambda x: 3.0)(1.0) == 0.0
    close(grad(lambda x: onp.float64(2))(X), onp.zeros(3))
    close(grad(lambda x: np.sum(np.floor(x)))(X), onp.zeros(3))


def test_size_one_results_are_scalars():
    close(grad(lambda x: x[:1] * 2)(X), [2, 0, 0])
    close(grad(lambda x: x[:1, None] * 2)(X), [2, 0, 0])


def test_jacobians_and_hessian():
    def fun(x):
        return np.stack([x[0] * x[1], np.sin(x[2])])

    want = onp.array([[X[1], X[0], 0], [0, 0, onp.cos(X[2])]])
    for jac in (jacrev, jacfwd, jacobian):
        close(jac(fun)(X), want)
    want = onp.stack([numeric(lambda x, i=i: grad(f)(x)[i], X) for i in range(3)])
    for outer in (jacfwd, jacrev):
        for inner in (jacfwd, jacrev):
            close(outer(inner(f))(X), want, 1e-6)
    close(hessian(f)(X), want, 1e-6)
    close(jacobian(lambda x: np.outer(x, x))(X)[0, 1], [X[1], X[0], 0])
    assert jacfwd(lambda x: x * 2.0)(3.0) == 2.0
    tree = jacrev(lambda p: {"y": p["a"] * p["b"]})({"a": X, "b": 2.0})
    close(tree["y"]["a"], 2 * onp.eye(3))
    close(tree["y"]["b"], X)
    value, aux = jacrev(lambda x: (x**2, "aux"), has_aux=True)(X)
    close(value, onp.diag(2 * X))
    assert aux == "aux"


def test_products_with_derivatives():
    h = hessian(f)(X)
    v = onp.array([1.0, 2.0, -1.0])
    close(hessian_vector_product(f)(X, v), h @ v)
    close(make_hvp(f)(X)[0](v), h @ v)
    back, y = make_vjp(np.sin)(X)
    close(y, onp.sin(X))
    close(back(v), v * onp.cos(X))
    y, t = make_jvp(np.sin)(X)(v)
    close(t, v * onp.cos(X))
    close(tensor_jacobian_product(np.sin)(X, v), v * onp.cos(X))
    y, lin = linearize(np.sin, X)
    close(lin(v), v * onp.cos(X))
    close(elementwise_grad(np.sin)(X), onp.cos(X))
    close(deriv(np.sin)(X), onp.cos(X))
    y, t = jvp(lambda x, y: x * y, (2.0, 3.0), (1, 10.0))
    assert (y, t) == (6.0, 23.0)
    y, back = vjp(lambda x, y: (x * y, x), 2.0, 3.0)
    assert y == (6.0, 2.0)
    assert back((1.0, 10.0)) == (13.0, 2.0)


def test_stop_gradient():
    assert grad(lambda x: stop_gradient(x) * x)(3.0) == 3.0
    assert grad(lambda x: stop_gradient({"a": x})["a"] * x)(3.0) == 3.0
    assert stop_gradient(2.0) == 2.0


# -- nesting --------------------------------------------------------------------------------------


def test_all_orders_of_nesting(mode):
    want = grad(f)(X)
    close(jit(grad(jit(f)))(X), want)
    close(grad(jit(f))(X), want)
    batch = onp.stack([X, 2 * X, -X])
    wants = onp.stack([grad(f)(x) for x in batch])
    close(vmap(grad(f))(batch), wants)
    close(jit(vmap(grad(jit(f))))(batch), wants)
    close(vmap(jit(grad(f)))(batch), wants)
    close(grad(lambda b: vmap(f)(b).sum())(batch), wants)
    close(jit(hessian(f))(X), hessian(f)(X))
    close(vmap(hessian(f))(batch)[1], hessian(f)(batch[1]))
    close(jit(lambda x: jvp(grad(f), (x,), (x,))[1])(X), hessian(f)(X) @ X)
    close(vmap(vmap(np.sin))(batch), onp.sin(batch))


def test_no_perturbation_confusion():
    assert grad(lambda x: x * grad(lambda y: x + y)(2.0))(1.0) == 1.0
    assert grad(lambda x: x * grad(lambda y: x * y)(2.0))(3.0) == 6.0
    assert jvp(lambda x: x * jvp(lambda y: x * y, (2.0,), (1.0,))[1], (3.0,), (1.0,))[1] == 6.0
    inner = lambda x: grad(lambda y: np.sin(x * y))(x)  # noqa: E731
    x = 0.6
    close(grad(inner)(x), onp.cos(x * x) - 2 * x * x * onp.sin(x * x))
    # an inner gradient at a constant is a number again
    assert grad(lambda x: x * float(grad(lambda y: y**2)(3.0)))(1.0) == 6.0


def test_vjp_functions_work_in_other_traces(mode):
    _, back = vjp(f, X)
    want = back(2.0)[0]
    close(jit(lambda c: back(c)[0])(2.0), want)
    close(jacrev(lambda c: back(c)[0])(2.0), want / 2)
    close(grad(lambda x: vjp(f, x)[1](1.0)[0].sum())(X), hessian(f)(X).sum(0))


def test_python_control_flow_outside_jit():
    def fun(x):
        total = 0.0
        for i in range(int(x[0]) + 2):
            if x[1] > 0:
                total = total + x[2] ** i
            else:
                total = total - x[2] * i
        return total

    close(grad(fun)(onp.array([1.0, 1.0, 2.0])), [0, 0, 5.0])
    close(grad(fun)(onp.array([1.0, -1.0, 2.0])), [0, 0, -3.0])


def test_where_trap():
    g = lambda x: np.where(x > 0, np.sqrt(np.where(True, x, x)), 0.0)  # noqa: E731
    assert grad(g)(0.0) == 0.0
    assert grad(grad(g))(0.0) == 0.0
    assert grad(lambda x: np.where(x > 0, np.log(x), x))(-1.0) == 1.0
    close(grad(lambda x: np.where(x > 0, np.sqrt(x), 0.0).sum())(onp.array([0.0, 4.0, -1.0])),
          [0, 0.25, 0])  # fmt: skip


def test_documented_subgradients():
    assert grad(abs)(0.0) == 0.0
    close(grad(np.std)(onp.ones(3)), onp.zeros(3))
    close(grad(np.linalg.norm)(onp.zeros(3)), onp.zeros(3))
    close(grad(np.max)(onp.array([1.0, 1.0, 0.0])), [0.5, 0.5, 0])
    close(grad(lambda x: np.hypot(x[0], x[1]))(onp.zeros(2)), [0, 0])


def test_naive_formulas_are_stable(mode):
    for wrap in (lambda g: g, jit):
        assert wrap(grad(lambda x: np.log(1 + np.exp(x))))(1000.0) == 1.0
        close(wrap(grad(lambda x: np.log(np.sum(np.exp(x)))))(onp.array([1e4, 1e4])), [0.5, 0.5])
        got = wrap(grad(lambda x: np.sum(1 / (1 + np.exp(-x)))))(onp.array([-800.0, 0.0, 800.0]))
        close(got, [0, 0.25, 0])


# -- pytrees --------------------------------------------------------------------------------------

Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass
class Params:
    w: object
    b: object


def test_gradients_mirror_their_argument(mode):
    p = {"z": (X, [1.0]), "a": Point(2.0, onp.ones((2, 2))), "n": None, "d": Params(X, 3.0)}

    def loss(p):
        return (p["z"][0].sum() * p["z"][1][0] + p["a"].x * p["a"].y.sum()
                + p["d"].w[0] * p["d"].b**2)  # fmt: skip

    for g in (grad(loss)(p), jit(grad(loss))(p)):
        assert list(g) == list(p) and g["n"] is None
        assert type(g["a"]) is Point and type(g["d"]) is Params
        close(g["z"][0], onp.ones(3))
        close(g["z"][1][0], X.sum())
        close(g["a"].x, 4.0)
        close(g["a"].y, onp.full((2, 2), 2.0))
        close(g["d"].w, [9, 0, 0])
        close(g["d"].b, 6 * X[0])


def test_vmap_axes_and_trees():
    a, b = onp.arange(6.0).reshape(2, 3), onp.arange(3.0)
    close(vmap(lambda x, y: x + y, in_axes=(1, 0))(a, b), (a + b).T)
    close(vmap(lambda x, y: x + y, in_axes=(1, 0), out_axes=1)(a, b), a + b)
    close(vmap(lambda x, y: x * y, in_axes=(0, None))(a, 2.0), 2 * a)
    out = vmap(lambda d, k: {"s": d["p"].sum(), "c": 1.0}, in_axes=({"p": 0}, None))({"p": a}, 3)
    close(out["s"], a.sum(1))
    close(out["c"], [1.0, 1.0])
    close(vmap(lambda x: (x, x[0]), out_axes=(1, 0))(a)[0], a.T)
    close(vmap(lambda x, k: x * k, in_axes=[0, 0])(a, onp.array([1, 2])), a * [[1], [2]])
    close(vmap(lambda x, s=1.0: x * s)(a, s=onp.array([1.0, 2.0])), a * [[1], [2]])
    with pytest.raises(ValueError, match="differ in size: 2 and 3"):
        vmap(lambda x, y: x)(a, b)
    with pytest.raises(ValueError, match="maps no argument"):
        vmap(lambda x: x, in_axes=None)(a)
    close(vmap(lambda i: np.take(b, i))(onp.array([2, 0])), b[[2, 0]])
    close(vmap(lambda i, r: r[i])(onp.array([2, 0]), a), a[[0, 1], [2, 0]])


# -- jit ------------------------------------------------------------------------------------------


def test_jit_gives_what_numpy_gives(mode):
    r = jit(lambda x: x.sum())(X)
    assert type(r) is onp.float64
    r = jit(lambda x: np.asarray(x.sum()))(X)
    assert type(r) is onp.ndarray and r.shape == ()
    x = onp.arange(20.0)
    out = jit(lambda x: x)(x)
    assert out is not x and not onp.shares_memory(out, x)
    out[0] = 5.0
    assert x[0] == 0.0
    a, b = jit(lambda x: (x, x))(x)
    assert not onp.shares_memory(a, b)
    got = jit(lambda x: {"a": [x + 1, None], "s": "text", "k": 3, "c": onp.ones(2)})(x)
    close(got["a"][0], x + 1)
    assert got["a"][1] is None and got["s"] == "text" and got["k"] == 3
    close(got["c"], [1, 1])
    assert jit(lambda a, b: a + b)(1, 2) == 3
    assert jit(lambda x: x[::2])(x[::-1]).tolist() == x[::-1][::2].tolist()


def test_a_new_size_does_not_compile_again(mode):
    fun = jit(lambda x, y: x @ y + x.shape[0])
    for n in [100, 5, 17, 2, 300, *range(20, 40)]:
        x = onp.ones(n)
        assert fun(x, x) == 2 * n
    assert fun.explain().startswith("<lambda>: 1 compiled path")
    fun = jit(lambda x: x * 2)
    for n in (3, 4, 5, 100, 1, 0):
        assert fun(onp.ones(n)).shape == (n,)
    text = fun.explain()
    assert text.startswith("<lambda>: 4 compiled path") and "is a symbol instead of 3" in text


def test_branches_on_values_make_paths(mode):
    calls = []

    def fun(x, n):
        calls.append(1)
        if x.sum() > 0:
            return x * n
        while x[0] < 0:
            x = x + 1.0
        return x

    g = jit(fun)
    for _ in range(3):
        close(g(X, 2), X * 2)
        close(g(-X - 1, 2), fun(-X - 1, 2))
    traced = len(calls)
    close(g(X * 2, 2), X * 4)
    assert len(calls) == traced
    assert "guard" in g.explain() and "test_api.py" in g.explain()


def test_too_many_paths_warn_once(mode):
    g = jit(lambda x: x * int(x))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for i in range(12):
            assert g(float(i)) == i * i
            assert g(float(i)) == i * i
    assert len(seen) == 1 and "where" in str(seen[0].message)
    assert "test_api.py" in str(seen[0].message)


def test_numbers_as_sizes_are_guarded(mode):
    g = jit(lambda x, n: np.zeros(n) + x)
    assert g(1.0, 3).shape == (3,)
    assert g(1.0, 4).shape == (4,)
    h = jit(lambda x: sum(x[i] for i in range(len(x))))
    assert h(onp.ones(30)) == 30 and h(onp.ones(40)) == 40


def test_captured_arrays_are_read_at_each_call(mode):
    data = onp.ones(3)
    g = jit(lambda x: x * data)
    close(g(X), X)
    data[:] = 2.0
    close(g(X), 2 * X)
    h = jit(lambda x: x + np.sum(np.exp(data)))
    close(h(0.0), 3 * onp.exp(2))
    data[:] = 0.0
    close(h(0.0), 3.0)


def test_static_arguments(mode):
    g = jit(
        lambda x, mode, k=1: x * k if mode == "a" else -x, static_argnums=1, static_argnames="k"
    )
    close(g(X, "a"), X)
    close(g(X, "b"), -X)
    close(g(X, "a", k=3), 3 * X)
    h = jit(lambda x, f: f(x))  # functions are static without being told
    close(h(X, np.sin), onp.sin(X))
    close(h(X, np.cos), onp.cos(X))
    with pytest.raises(TypeError, match="hashable"):
        jit(lambda x, s: x)(X, {1, 2})

    class Model:
        def __init__(self, k):
            self.k = k

        @jit
        def scale(self, x):
            return x * self.k

    close(Model(2.0).scale(X), 2 * X)
    close(Model(3.0).scale(X), 3 * X)


def test_escapes_run_the_function_itself(mode):
    g = jit(lambda x: float(x[0]) * x)
    with pytest.warns(UserWarning, match="plain Python"):
        close(g(X), X[0] * X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        close(g(2 * X), 4 * X[0] * X)
    assert "float()" in g.explain()


def test_what_a_jitted_function_shows():
    g = jit(lambda x: np.sin(x) * 2)
    low = g.lower(ShapeDtypeStruct((3,), float))
    assert "sin" in low.ir()
    close(low.compile()(X), onp.sin(X) * 2)
    g(X)
    assert "sin" in g.ir("trace") and "define" in g.llvm() and g.asm()
    g.cache_clear()
    assert g.explain().startswith("<lambda>: 0")
    assert g.__wrapped__(1.0) == onp.sin(1.0) * 2
    with disable_jit():
        g(X)
    assert g.explain().startswith("<lambda>: 0")
    assert [op.name for op in make_ir(np.sin)(X).ops] == ["sin"]
    assert jit(g) is g
    with pytest.raises(TypeError, match="takes a function"):
        jit(3)


@jit
def at_module_level(x):
    return x + 1


def test_jitted_functions_are_pickled_by_name():
    assert pickle.loads(pickle.dumps(at_module_level)) is at_module_level
    assert copy.deepcopy(at_module_level) is at_module_level
    assert repr(at_module_level) == "<compiled function at_module_level>"


def test_eval_shape():
    out = eval_shape(lambda x, y: {"a": x @ y, "b": 1}, ShapeDtypeStruct((2, 3), onp.float32),
                     onp.ones((3, 4), onp.float32))  # fmt: skip
    assert out["a"] == ShapeDtypeStruct((2, 4), onp.float32)


# -- errors of the transforms ---------------------------------------------------------------------


def test_grad_says_what_is_wrong():
    with pytest.raises(
        TypeError, match=r"scalar result, this one gave shape \(3,\).*elementwise_grad"
    ):
        grad(lambda x: x)(X)
    with pytest.raises(TypeError, match="argument 0 is int64; pass 3.0"):
        grad(lambda x: x.sum())(onp.arange(3))
    with pytest.raises(TypeError, match="needs float inputs, argument 1 is bool"):
        grad(lambda x, y: x, 1)(1.0, True)
    with pytest.raises(TypeError, match="argument 3: the function got 1"):
        grad(lambda x: x, 3)(1.0)
    with pytest.raises(TypeError, match="gave a tuple; use has_aux"):
        grad(lambda x: (x, x))(1.0)
    with pytest.raises(TypeError, match="has_aux takes"):
        grad(lambda x: x, has_aux=True)(1.0)
    with pytest.raises(TypeError, match="float result, this one gave int64"):
        grad(lambda x: np.argmax(x))(X)
    with pytest.raises(TypeError, match="argument 0 has 'text'"):
        grad(lambda x: x)("text")
    with pytest.raises(TypeError, match="structure"):
        jvp(lambda x: x, (1.0,), ((1.0, 2.0),))
    with pytest.raises(TypeError, match="tangent of type"):
        jvp(lambda x: x, (X,), (onp.ones(2),))
    with pytest.raises(TypeError, match="structure"):
        vjp(lambda x: (x, x), 1.0)[1](1.0)
    assert issubclass(NotDifferentiableError, TypeError)


def test_grad_of_a_variable_is_symbolic():
    import jitgrad.tensor as T
    from jitgrad import pp

    with pytest.raises(TypeError, match="a function or a symbolic variable"):
        grad(3.0)
    x = T.dscalar("x")
    for gy in (grad(x**2, x), grad(x**2, wrt=x), grad(cost=x**2, wrt=x)):
        assert pp(gy) == "((fill((x ** 2), 1.0) * 2) * (x ** (2 - 1)))"
