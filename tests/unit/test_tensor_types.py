"""TensorType, constructors, constants: Theano's rules for variables."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from tensorfns import here

import jitgrad.tensor as T
from jitgrad import config, function


def test_types():
    t = T.TensorType("float64", (False, True))
    assert (t.dtype, t.ndim, t.broadcastable, t.shape) == ("float64", 2, (False, True), (None, 1))
    assert t == T.TensorType("float64", shape=(None, 1)) == T.dcol != T.dmatrix
    assert hash(t) == hash(T.dcol) and t != "col" and T.fcol != t
    assert t.numpy_dtype == np.float64 and len({T.dcol, t, T.dmatrix}) == 2
    assert repr(t) == str(t) == "TensorType(float64, col)"
    assert repr(T.TensorType("int8", (True, False, True))).endswith("(True, False, True))")
    assert repr(T.TensorType("int8", [False] * 3, name="cube")) == "cube"
    x = t("x")
    assert x.type == t and t.make_variable("y").name == "y" and x.broadcastable == (False, True)
    assert t.clone(dtype="float32") == T.fcol and t.clone(broadcastable=(False, False)) == T.dmatrix
    assert T.dmatrix.is_super(t) and not t.is_super(T.dmatrix) and t.in_same_class(T.dcol)
    for again in (pickle.loads(pickle.dumps(t)), copy.deepcopy(t)):
        assert again == t
    assert t.value_zeros((3, 1)).shape == (3, 1)
    for bad in ("complex128", "complex64"):
        with pytest.raises(TypeError, match="not there yet"):
            T.TensorType(bad, ())
    with pytest.raises(TypeError, match="broadcastable"):
        T.TensorType("float64")
    with pytest.raises(ValueError, match="negative"):
        T.TensorType("float64", shape=(-1,))


def test_filter():
    d, f, i, row = T.dvector, T.fvector, T.ivector, T.drow
    assert d.filter([1, 2]).dtype == np.float64
    a = np.ones(2)
    assert d.filter(a) is a and d.filter(a, strict=True) is a
    assert f.filter(np.ones(2), allow_downcast=True).dtype == np.float32
    assert d.filter(np.float32([1, 2])).dtype == np.float64
    assert i.filter([1, 2]).dtype == np.int32 and T.fscalar.filter(0.1).dtype == np.float32
    for t, value in ((f, np.ones(2)), (i, [1.5]), (d, [[1.0]]), (d, "a"), (d, T.dvector()),
                     (row, np.ones((2, 2))), (T.bscalar, 300)):  # fmt: skip
        with pytest.raises(TypeError):
            t.filter(value)
    with pytest.raises(TypeError):
        d.filter([1.0], strict=True)
    with pytest.raises(TypeError, match="Wrong number of dimensions"):
        d.filter(1.0)
    with pytest.raises(TypeError, match="Non-unit value"):
        row.filter(np.ones((3, 2)))
    assert d.is_valid_value(a) and not d.is_valid_value([1.0]) and d.is_valid_value([1.0], False)
    assert d.make_constant([1, 2]).dtype == "float64"


def test_equality_of_values():
    eq, near = T.TensorType.values_eq, T.TensorType.values_eq_approx
    assert eq([1.0, np.nan], [1.0, np.nan]) and not eq([1.0], [1]) and not eq([1.0], [1.0, 1.0])
    assert eq([1.0], [1], force_same_dtype=False)
    assert near([1.0], [1.0 + 1e-9]) and not near([1.0], [1.1]) and near([np.nan], [np.nan])
    assert not near([1.0], np.float32([1.0]))


@pytest.mark.parametrize("n", range(3, 8))
def test_tensors_of_many_dims(n):
    x = getattr(T, f"dtensor{n}")("x")
    assert x.ndim == n and getattr(T, f"tensor{n}")("y", dtype="int8").dtype == "int8"
    a = np.arange(2.0**n).reshape((2,) * n)
    np.testing.assert_array_equal(T.sum(x, axis=(0, -1)).eval({x: a}), a.sum((0, -1)))


def test_constructors():
    assert [v.name for v in T.dscalars("a", "b")] == ["a", "b"]
    assert [v.name for v in T.dscalars("a b")] == [v.name for v in T.dscalars(["a", "b"])]
    assert [v.name for v in T.scalars("abcd")] == list("abcd") and T.dscalars("x").name == "x"
    assert len(T.imatrices(3)) == 3 and T.imatrices(3)[0].name is None
    assert [v.dtype for v in T.matrices("a", "b", dtype="int8")] == ["int8"] * 2
    assert T.dscalar.dtype == "float64" and T.dscalar() != T.dscalar()
    for name in ("zscalar", "cmatrix", "zvectors"):
        with pytest.raises(AttributeError, match="complex variables are not there yet"):
            getattr(T, name)
    config.floatX = "float32"
    try:
        assert T.vector().dtype == T.cast(T.lscalar(), "floatX").dtype == "float32"
        assert T.matrix("m", "float64").dtype == "float64"
    finally:
        config.floatX = "float64"


def test_tensor():
    for made, t in (
        (T.tensor("float64", (False, True), name="x"), T.dcol),
        (T.tensor("x", dtype="float64", shape=(None, 1)), T.dcol),
        (T.tensor(dtype="int32", broadcastable=[True, False], name="x"), T.irow),
        (T.tensor("x", "int8", (False,)), T.bvector),
        (T.tensor(np.float32, (False,), name="x"), T.fvector),
        (T.tensor("floatX", (), name="x"), T.dscalar),
    ):
        assert made.type == t and made.name == "x"
    fixed = T.tensor("y", dtype="float64", shape=(2, 3))
    assert fixed.type.shape == (2, 3) and len(fixed) == 2
    np.testing.assert_array_equal(sum(row for row in fixed).eval({fixed: np.ones((2, 3))}), [2] * 3)
    with pytest.raises((TypeError, ValueError)):
        function([fixed], fixed * 2)(np.ones((2, 2)))
    with pytest.raises(TypeError, match="broadcastable or shape"):
        T.tensor("x")


def test_constants():
    assert [T.constant(v).dtype for v in (True, 1, 1.5, np.int8(1), np.float32(1))] == [
        "bool", "int64", "float64", "int8", "float32"]  # fmt: skip
    c = T.constant([[1, 2]], name="c", ndim=3, dtype="int8")
    assert (c.name, c.ndim, c.dtype, c.broadcastable) == ("c", 3, "int8", (True, True, False))
    assert isinstance(c, T.TensorConstant) and c.data.shape == (1, 1, 2)
    assert not c.data.flags.writeable and T.constant(c) is c
    a = np.ones(2)
    c = T.constant(a)
    a[0] = 5
    np.testing.assert_array_equal(c.eval(), [1, 1])
    assert isinstance(T.as_tensor_variable(np.ones(2)), T.TensorConstant)
    for bad in ("a", None, 1j, [[1], [1, 2]], object()):
        with pytest.raises(TypeError, match="Cannot convert") as err:
            T.constant(bad)
        assert here(-1) in str(err.value)
    with pytest.raises(ValueError, match="more than 1 dims"):
        T.constant([[1]], ndim=1)
    with pytest.raises(TypeError, match="as_tensor_variable"):
        T.constant(T.dscalar("x"))


def test_as_tensor_variable():
    x, s = T.dvector("x"), T.dscalar("s")
    assert T.as_tensor_variable(x) is x is T.as_tensor(x)
    assert T.as_tensor_variable(x, ndim=3).broadcastable == (True, True, False)
    assert T.as_tensor_variable(T.drow(), ndim=1).ndim == 1
    both = T.as_tensor_variable([[s, 1], [2, s]])
    np.testing.assert_array_equal(both.eval({s: 5}), [[5, 1], [2, 5]])
    assert T.as_tensor_variable(2, dtype="float32").dtype == "float32"
    with pytest.raises(ValueError, match="not known to be 1"):
        T.as_tensor_variable(T.dmatrix("m"), ndim=1)


def test_variables():
    x = T.dmatrix("x")
    x.tag.test_value = np.ones((2, 2))
    x.tag.note = "mine"
    assert x.tag.test_value.shape == (2, 2) and x.tag.note == "mine"
    y = x * 2
    y.name = "y"
    assert y.name == "y" and (x.real is x) and x.conj() is x and x.imag.ndim == 2
    z = x.copy("z")
    assert z.name == "z" and z is not x and z != x and x.name == "x"
    assert x == x and len({x, y, x}) == 2
    one, other = divmod(T.constant(7), 2)
    assert (int(one.eval()), int(other.eval())) == (3, 1)
    np.testing.assert_array_equal((-x + abs(+x)).eval({x: [[1, -2]]}), [[0, 4]])


def test_scalar_constants():
    x = T.dvector("x")
    get = T.get_scalar_constant_value
    for v, want in ((T.constant(3), 3), (T.constant(2) + 3, 5), (T.fill(x, 2.0), 2.0), (4, 4),
                    (T.ones((3,)), 1), (T.ones_like(x)[1:], 1), (T.constant([[7]]).T, 7),
                    (T.constant(2).astype("float32"), 2)):  # fmt: skip
        got = get(v)
        assert isinstance(got, np.ndarray) and got == want
    assert T.constant(3).get_scalar_constant_value() == 3
    for bad in (x, x[0], T.constant([1, 2]), x.shape[0], "a", T.constant(np.zeros(0))):
        with pytest.raises(T.NotScalarConstantError):
            get(bad)


NAMES = """
abs_ alloc and_ any all arange argmax argmin argsort as_tensor_variable batched_dot
batched_tensordot bincount ceil cast choose clip concatenate constant cos cosh cumprod cumsum diag
diagonal diff dot eq erf erfc exp exp2 expm1 extract eye fill fill_diagonal flatten floor ge
get_scalar_constant_value grad gt horizontal_stack identity_like inc_subtensor inv invert isinf
isnan join le log log10 log1p log2 lt max max_and_argmax maximum mean mgrid min minimum mod mul
neg neq nonzero nonzero_values ogrid ones ones_like or_ outer patternbroadcast pow prod ptp repeat
reshape roll round round_half_to_even searchsorted set_subtensor sgn shape shape_padaxis
shape_padleft shape_padright sin sinh sort split sqr sqrt squeeze stack stacklists std sub sum
switch take tan tanh tensordot tile tril triu true_div int_div unbroadcast unique var
vertical_stack where xor zeros zeros_like addbroadcast tensor tensor3 tensor4 tensor5 TensorType
TensorVariable TensorConstant nnet signal basic extra_ops
"""


def test_names_that_programs_import():
    from jitgrad.tensor import basic, extra_ops, nnet, subtensor
    from jitgrad.tensor.nnet import bn, conv, neighbours
    from jitgrad.tensor.signal import downsample, pool

    assert basic.dot is T.dot and extra_ops.bincount is T.bincount
    assert subtensor.set_subtensor is T.set_subtensor and nnet.conv2d is conv.conv2d
    assert pool.pool_2d and downsample.max_pool_2d and neighbours.images2neibs
    assert bn.batch_normalization_train is nnet.batch_normalization_train
    have = set(dir(T))
    for name in NAMES.split():
        assert name in have and hasattr(T, name), name
