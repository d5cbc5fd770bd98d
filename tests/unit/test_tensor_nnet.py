"""`T.nnet` and `T.signal` against NumPy and SciPy, gradients by differences."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import scipy.special
from tensorfns import MODES, agree

import jitgrad.tensor as T
from jitgrad import function
from jitgrad.errors import ShapeError

both = pytest.mark.parametrize("mode", MODES)
R = np.random.default_rng(11)
X = R.standard_normal((3, 4))
V = np.array([-2.5, -0.3, 0.4, 1.7])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    return scipy.special.softmax(x, axis)


ACTIVATIONS = {
    "sigmoid": (lambda x: T.nnet.sigmoid(x), sigmoid),
    "ultra_fast_sigmoid": (lambda x: T.nnet.ultra_fast_sigmoid(x), sigmoid),
    "hard_sigmoid": (lambda x: T.nnet.hard_sigmoid(x), lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    "softplus": (lambda x: T.nnet.softplus(x), lambda x: np.log1p(np.exp(x))),
    "softsign": (lambda x: T.nnet.softsign(x), lambda x: x / (1 + np.abs(x))),
    "relu": (lambda x: [T.nnet.relu(x), T.nnet.relu(x, 0.1), T.nnet.leaky_relu(x)],
             lambda x: [np.maximum(x, 0), np.where(x > 0, x, 0.1 * x),
                        np.where(x > 0, x, 0.01 * x)]),
    "elu": (lambda x: [T.nnet.elu(x), T.nnet.elu(x, 2.0), T.nnet.selu(x)],
            lambda x: [np.where(x > 0, x, np.expm1(x)), np.where(x > 0, x, 2 * np.expm1(x)),
                       1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))]),
    "swish": (lambda x: T.nnet.swish(x), lambda x: x * sigmoid(x)),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    agree(*ACTIVATIONS[name], (V,), (V[:0],), (V[1:2],))
    f = T.dvector("x")
    got = flat = ACTIVATIONS[name][0](f)
    for out in flat if isinstance(got, list) else [got]:
        value = out.eval({f: [800.0, -800.0, 0.0]})
        slope = T.grad(T.sum(out), f).eval({f: [800.0, -800.0, 0.0]})
        assert np.all(np.isfinite(value)) and np.all(np.isfinite(slope))


def test_alpha_may_be_a_tensor():
    agree(lambda x, a: T.nnet.relu(x, a), lambda x, a: np.where(x > 0, x, a * x), (X, V))


@both
def test_softmax(mode):
    agree(lambda x: [T.nnet.softmax(x), T.nnet.logsoftmax(x), T.nnet.softmax(x, axis=0),
                     T.nnet.softmax_with_bias(x, x[0]), T.nnet.logsumexp(x, axis=1)],
          lambda x: [softmax(x), np.log(softmax(x)), softmax(x, 0), softmax(x + x[0]),
                     scipy.special.logsumexp(x, 1)], (X,), (X[:1],), mode=mode)  # fmt: skip
    agree(lambda v: T.nnet.softmax(v), softmax, (V,), mode=mode)
    x = T.dmatrix("x")
    big = [[800.0, -800.0, 800.0]]
    p, logs = function([x], [T.nnet.softmax(x), T.nnet.logsoftmax(x)])(big)
    np.testing.assert_allclose(p, [[0.5, 0, 0.5]])
    np.testing.assert_allclose(logs, [[-np.log(2), -1600 - np.log(2), -np.log(2)]])
    with pytest.raises(ShapeError, match="scalar"):
        T.nnet.softmax(T.dscalar())


def test_crossentropies():
    t = np.array([[0.2, 0.3, 0.5, 0.0], [1, 0, 0, 0], [0.25] * 4])
    y = np.array([1, 0, 3])
    logp = np.log(softmax(X))
    rows = np.arange(3)
    agree(lambda x, t, y, b: [
              T.nnet.categorical_crossentropy(T.nnet.softmax(x), t),
              T.nnet.categorical_crossentropy(T.nnet.softmax(x), y),
              T.nnet.crossentropy_categorical_1hot(T.nnet.softmax(x), y),
              *T.nnet.crossentropy_softmax_1hot(x, y),
              *T.nnet.crossentropy_softmax_argmax_1hot_with_bias(x, b, y),
              *T.nnet.crossentropy_softmax_max_and_argmax_1hot(x, y)],
          lambda x, t, y, b: [
              -(t * np.log(softmax(x))).sum(1), *[-np.log(softmax(x))[rows, y]] * 3, softmax(x),
              -np.log(softmax(x + b))[rows, y], softmax(x + b), (x + b).argmax(1),
              -np.log(softmax(x))[rows, y], softmax(x), softmax(x).max(1), x.argmax(1)],
          (X, t, y, V), rtol=1e-10)  # fmt: skip
    assert logp.shape == (3, 4)
    with pytest.raises(TypeError, match="takes a matrix"):
        T.nnet.categorical_crossentropy(T.dvector(), T.lscalar())


def test_binary_crossentropies():
    t = np.array([0.0, 1.0, 0.3, 1.0])

    def ref(x, t):
        p = sigmoid(x)
        return -(t * np.log(p) + (1 - t) * np.log(1 - p))

    agree(lambda x, t: [T.nnet.binary_crossentropy(T.nnet.sigmoid(x), t),
                        T.nnet.sigmoid_binary_crossentropy(x, t)],
          lambda x, t: [ref(x, t)] * 2, (V, t), rtol=1e-10)  # fmt: skip
    x = T.dvector("x")
    for loss in (T.nnet.binary_crossentropy(T.nnet.sigmoid(x), 1.0),
                 T.nnet.sigmoid_binary_crossentropy(x, 1.0)):  # fmt: skip
        value, slope = function([x], [loss, T.grad(loss.sum(), x)])([-800.0, 800.0])
        np.testing.assert_allclose(value, [800, 0])
        np.testing.assert_allclose(slope, [-1, 0])


def test_h_softmax():
    n, inside, classes, per = 3, 4, 2, 3
    W1, b1 = R.standard_normal((inside, classes)), R.standard_normal(classes)
    W2, b2 = R.standard_normal((classes, inside, per)), R.standard_normal((classes, per))
    y = np.array([0, 4, 5])

    def whole(x, W1, b1, W2, b2):
        first = softmax(x @ W1 + b1)
        second = softmax(np.einsum("bi,cip->bcp", x, W2) + b2)
        return (first[..., None] * second).reshape(n, -1)

    agree(lambda x, *w: T.nnet.h_softmax(x, n, 6, classes, per, *w), whole,
          (X, W1, b1, W2, b2), rtol=1e-10)  # fmt: skip
    agree(lambda y, x, *w: T.nnet.h_softmax(x, n, 6, classes, per, *w, y),
          lambda y, x, *w: whole(x, *w)[np.arange(n), y], (y, X, W1, b1, W2, b2), rtol=1e-10)  # fmt: skip


def test_small_ones():
    f = T.lvector("f")
    matrix, order = function([f], T.nnet.confusion_matrix(f, f[::-1]))([2, 0, 2, 7])
    np.testing.assert_array_equal(order, [0, 2, 7])
    np.testing.assert_array_equal(matrix, [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    agree(lambda m: T.nnet.prepend_1_to_each_row(m), lambda m: np.c_[np.ones(len(m)), m], (X,))
    agree(lambda v, m: T.nnet.prepend_scalar_to_each_row(v, m),
          lambda v, m: np.c_[np.full(len(m), v), m], (np.float64(3), X))  # fmt: skip


# -- convolution ----------------------------------------------------------------------------------


def conv(x, w, mode="valid", step=(1, 1), flip=True, dilation=(1, 1), groups=1):
    """The definition, image by image, filter by filter."""
    if flip:
        w = w[:, :, ::-1, ::-1]
    o, c, *k = w.shape
    wide = np.zeros((o, c, *((n - 1) * d + 1 for n, d in zip(k, dilation))))
    wide[:, :, :: dilation[0], :: dilation[1]] = w
    reach = [n - 1 for n in wide.shape[2:]]
    if mode == "valid":
        pad = [(0, 0)] * 2
    elif mode == "full":
        pad = [(r, r) for r in reach]
    elif mode == "half":
        pad = [((r + 1) // 2,) * 2 for r in reach]
    else:
        pad = [p if isinstance(p, tuple) else (p, p) for p in (
            mode if isinstance(mode, tuple) else (mode, mode))]  # fmt: skip
    x = np.pad(x, [(0, 0), (0, 0), *pad])
    out = []
    for image in x:
        maps = []
        for i in range(o):
            first = (i // (o // groups)) * c
            maps.append(sum(scipy.signal.correlate2d(image[first + j], wide[i, j], "valid")
                            for j in range(c)))  # fmt: skip
        out.append(maps)
    return np.array(out)[:, :, :: step[0], :: step[1]]


IMAGE, FILTERS = R.standard_normal((2, 3, 6, 7)), R.standard_normal((4, 3, 2, 3))


@pytest.mark.parametrize("options", [
    {}, {"mode": "full"}, {"mode": "half"}, {"mode": 1}, {"mode": (2, 1)},
    {"mode": ((1, 0), (0, 2))}, {"step": (2, 3)}, {"flip": False}, {"dilation": (2, 2)},
    {"mode": "full", "step": (2, 1), "dilation": (1, 2)}, {"mode": "half", "step": (2, 2)},
])  # fmt: skip
def test_conv2d(options):
    names = {"mode": "border_mode", "step": "subsample", "flip": "filter_flip",
             "dilation": "filter_dilation"}  # fmt: skip
    given = {names[k]: v for k, v in options.items()}
    agree(lambda x, w: T.nnet.conv2d(x, w, **given), lambda x, w: conv(x, w, **options),
          (IMAGE, FILTERS), (IMAGE[:1, :, :5, :5], FILTERS[:1]), rtol=1e-9)  # fmt: skip


def test_conv2d_groups_and_hints():
    x, w = R.standard_normal((2, 4, 5, 5)), R.standard_normal((6, 2, 3, 3))
    agree(lambda x, w: T.nnet.conv2d(x, w, num_groups=2), lambda x, w: conv(x, w, groups=2),
          (x, w), rtol=1e-9)  # fmt: skip
    x, w = T.dtensor4("x"), T.dtensor4("w")
    y = T.nnet.conv2d(x, w, input_shape=(None, 3, 6, 7), filter_shape=(4, 3, 2, 3))
    assert y.type.shape == (None, 4, 5, 5)
    f = function([x, w], y)
    np.testing.assert_allclose(f(IMAGE, FILTERS), conv(IMAGE, FILTERS), rtol=1e-9)
    with pytest.raises(ShapeError, match="promised"):
        f(IMAGE[:, :, :5], FILTERS)


@both
def test_conv2d_that_does_not_fit(mode):
    x, w = T.dtensor4("x"), T.dtensor4("w")
    f = function([x, w], T.nnet.conv2d(x, w), mode=mode)
    assert f(IMAGE[:0], FILTERS).shape == (0, 4, 5, 5)
    assert f(IMAGE[:, :, :1], FILTERS).shape == (2, 4, 0, 5)
    for a, b, text in ((IMAGE[:, :2], FILTERS, "conv2d"), (IMAGE[:, :, :, :1], FILTERS, "larger")):
        with pytest.raises(ShapeError, match=text) as err:
            f(a, b)
        assert "test_tensor_nnet.py" in str(err.value)
    for make, kind, text in (
        (lambda: T.nnet.conv2d(T.dmatrix(), w), ShapeError, "input of 4 dims"),
        (lambda: T.nnet.conv2d(x, w, border_mode="same"), ValueError, "border_mode"),
        (lambda: T.nnet.conv2d(x, w, border_mode=(1, 2, 3)), ValueError, "border_mode"),
        (lambda: T.nnet.conv2d(x, w, border_mode=-1), ValueError, "at least 0"),
        (lambda: T.nnet.conv2d(x, w, subsample=(0, 1)), ValueError, "at least 1"),
        (lambda: T.nnet.conv2d(x, w, subsample=(1, 1, 1)), ValueError, "3 numbers for 2"),
        (lambda: T.nnet.conv2d(x, w, subsampel=1), TypeError, "subsampel"),
        (lambda: T.nnet.conv2d(x, w, input_shape=(1, 2)), ShapeError, "hint of 2 sizes"),
    ):  # fmt: skip
        with pytest.raises(kind, match=text) as err:
            make()
        assert "test_tensor_nnet.py" in str(err.value)


def test_conv_of_other_ranks():
    x, w = R.standard_normal((2, 3, 8)), R.standard_normal((4, 3, 3))
    agree(lambda x, w: T.nnet.conv1d(x, w),
          lambda x, w: conv(x[:, :, None], w[:, :, None])[:, :, 0], (x, w), rtol=1e-9)  # fmt: skip
    x, w = R.standard_normal((1, 2, 3, 4, 4)), R.standard_normal((2, 2, 2, 2, 2))

    def conv3(x, w):
        return np.array([[sum(scipy.signal.convolve(i[c], f[c], "valid") for c in range(2))
                          for f in w] for i in x])  # fmt: skip

    agree(lambda x, w: T.nnet.conv3d(x, w), conv3, (x, w), rtol=1e-9)
    x, w = R.standard_normal((2, 5, 5)), R.standard_normal((3, 2, 2))
    agree(lambda x, w: [T.signal.conv.conv2d(x, w), T.signal.conv.conv2d(x[0], w[0], None, None, "full"),
                        T.signal.conv.conv2d(x, w[0]), T.signal.conv.conv2d(x[0], w)],
          lambda x, w: [np.array([[scipy.signal.convolve2d(i, f, "valid") for f in w] for i in x]),
                        scipy.signal.convolve2d(x[0], w[0]),
                        np.array([scipy.signal.convolve2d(i, w[0], "valid") for i in x]),
                        np.array([scipy.signal.convolve2d(x[0], f, "valid") for f in w])],
          (x, w), rtol=1e-9)  # fmt: skip


@pytest.mark.parametrize("step", [(1, 1), (2, 3)])
@pytest.mark.parametrize("border", ["valid", "half", "full"])
def test_conv2d_transpose(step, border):
    """The gradient of `conv2d` by its input, for whatever comes back from its output."""
    x, w = T.dtensor4("x"), T.dtensor4("w")
    y = T.nnet.conv2d(x, w, border_mode=border, subsample=step)
    ct = T.dtensor4("ct")
    want = T.grad(T.sum(y * ct), x)
    got = T.nnet.conv2d_transpose(ct, w, x.shape, border_mode=border, input_dilation=step)
    f = function([x, w, ct], [got, want])
    shape = conv(IMAGE, FILTERS, border, step).shape
    one, other = f(IMAGE, FILTERS, R.standard_normal(shape))
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    with pytest.raises(ShapeError):
        f(IMAGE, FILTERS, R.standard_normal((*shape[:3], shape[3] + 1)))


# -- pooling --------------------------------------------------------------------------------------


def pool(x, ws, ignore, stride=None, pad=(0, 0), mode="max"):
    """Window by window."""
    stride = stride or ws
    n = x.shape[-2:]
    counts = []
    for i in range(2):
        if ignore:
            counts.append(max((n[i] + 2 * pad[i] - ws[i]) // stride[i] + 1, 0))
        elif stride[i] >= ws[i]:
            counts.append(-(-n[i] // stride[i]))
        else:
            counts.append(-(-max(n[i] - ws[i], 0) // stride[i]) + 1)
    out = np.empty((*x.shape[:-2], *counts))
    for r in range(counts[0]):
        for c in range(counts[1]):
            lo = [k * s - p for k, s, p in zip((r, c), stride, pad)]
            hi = [a + w for a, w in zip(lo, ws)]
            part = x[..., max(lo[0], 0) : hi[0], max(lo[1], 0) : hi[1]]
            if mode == "max":
                out[..., r, c] = part.max((-2, -1))
            elif mode == "sum":
                out[..., r, c] = part.sum((-2, -1))
            elif mode == "average_exc_pad":
                out[..., r, c] = part.mean((-2, -1))
            else:
                whole = np.prod([min(h, m + p) - a for a, h, m, p in zip(lo, hi, n, pad)])
                out[..., r, c] = part.sum((-2, -1)) / whole
    return out


@pytest.mark.parametrize("mode", ["max", "sum", "average_inc_pad", "average_exc_pad"])
@pytest.mark.parametrize("options", [
    {"ws": (2, 2), "ignore": True}, {"ws": (2, 3), "ignore": False},
    {"ws": (3, 2), "ignore": True, "stride": (1, 2)}, {"ws": (3, 3), "ignore": False, "stride": (2, 1)},
    {"ws": (2, 2), "ignore": False, "stride": (3, 3)},
    {"ws": (3, 3), "ignore": True, "stride": (2, 2), "pad": (1, 2)},
])  # fmt: skip
def test_pool_2d(mode, options):
    given = {("ignore_border" if k == "ignore" else k): v for k, v in options.items()}
    agree(lambda x: T.signal.pool.pool_2d(x, mode=mode, **given),
          lambda x: pool(x, mode=mode, **options), (IMAGE[0],), (IMAGE[:2, 0, :5, :4],),
          rtol=1e-9)  # fmt: skip


def test_pools():
    x = R.standard_normal((2, 4, 4, 4))
    agree(lambda x: T.signal.pool.pool_3d(x, (2, 2, 2), ignore_border=True),
          lambda x: x.reshape(2, 2, 2, 2, 2, 2, 2).max((2, 4, 6)), (x,))  # fmt: skip
    m = np.array([[1.0, 5.0, 2.0], [3.0, 4.0, 9.0], [7.0, 7.5, 0.5]])
    agree(lambda m: [T.signal.downsample.max_pool_2d(m, (2, 2)),
                     T.signal.pool.max_pool_2d_same_size(m, (2, 2)),
                     T.signal.pool.pool_2d(m, ds=(2, 2), st=(1, 1), ignore_border=True)],
          lambda m: [pool(m, (2, 2), False), np.array([[0, 5, 0], [0, 0, 9], [0, 7.5, 0.5]]),
                     pool(m, (2, 2), True, (1, 1))], (m,))  # fmt: skip
    i = np.arange(16).reshape(4, 4)
    agree(lambda i: [T.signal.pool.pool_2d(i, (2, 2)), T.signal.pool.pool_2d(i, (3, 3), mode="sum")],
          lambda i: [pool(i, (2, 2), False).astype(int), pool(i, (3, 3), False, mode="sum").astype(int)],
          (i,))  # fmt: skip
    x = T.dtensor4("x")
    for make, kind, text in (
        (lambda: T.signal.pool.pool_2d(x), TypeError, "ws"),
        (lambda: T.signal.pool.pool_2d(T.dvector(), (2, 2)), TypeError, "at least 2 dims"),
        (lambda: T.signal.pool.pool_2d(x, (2, 2), mode="min"), ValueError, "mode"),
        (lambda: T.signal.pool.pool_2d(x, (2, 0)), ValueError, "at least 1"),
        (lambda: T.signal.pool.pool_2d(x, (2, 2), pad=(1, 1)), NotImplementedError, "ignore_border"),
        (lambda: T.signal.pool.pool_2d(x, (2, 2), True, pad=(2, 0)), NotImplementedError, "smaller"),
    ):  # fmt: skip
        with pytest.raises(kind, match=text) as err:
            make()
        assert "test_tensor_nnet.py" in str(err.value)


def test_patches():
    x = np.arange(32.0).reshape(1, 2, 4, 4)
    rows = x.reshape(1, 2, 2, 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(-1, 4)
    near = T.nnet.neighbours
    agree(lambda x: near.images2neibs(x, (2, 2)), lambda x: rows, (x,))
    agree(lambda r: near.neibs2images(r, (2, 2), (1, 2, 4, 4)), lambda r: x, (rows,))
    t = T.dtensor4("t")
    f = function([t], [near.images2neibs(t, (2, 3), mode="ignore_borders"),
                       near.images2neibs(t, (3, 3), (1, 1), mode="half")])  # fmt: skip
    assert [v.shape for v in f(x)] == [(4, 6), (32, 9)]
    with pytest.raises(ShapeError, match="whole number of patches"):
        function([t], near.images2neibs(t, (3, 3)))(x)


# -- normalization --------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", ["per-activation", "spatial", (0, 3)])
def test_batch_normalization(axes):
    x = R.standard_normal((3, 2, 4, 5))
    over = {"per-activation": (0,), "spatial": (0, 2, 3)}.get(axes, axes)
    size = tuple(1 if i in over else n for i, n in enumerate(x.shape))
    g, b, m, v = (R.uniform(0.5, 1.5, size) for _ in range(4))

    def train(x, g, b, m, v):
        mean, var = x.mean(over, keepdims=True), x.var(over, keepdims=True)
        inv = 1 / np.sqrt(var + 1e-4)
        n = np.prod([x.shape[a] for a in over])
        return [(x - mean) * inv * g + b, mean, inv, 0.9 * m + 0.1 * mean,
                0.9 * v + 0.1 * var * n / (n - 1)]  # fmt: skip

    bn = T.nnet.bn
    agree(lambda x, g, b, m, v: list(bn.batch_normalization_train(
              x, g, b, axes, running_mean=m, running_var=v)), train, (x, g, b, m, v), rtol=1e-8)  # fmt: skip
    agree(lambda x, g, b, m, v: bn.batch_normalization_test(x, g, b, m, v, axes),
          lambda x, g, b, m, v: (x - m) / np.sqrt(v + 1e-4) * g + b, (x, g, b, m, v), rtol=1e-9)  # fmt: skip
    keep = tuple(n for i, n in enumerate(x.shape) if i not in over)
    agree(lambda x, g, b, m, v: bn.batch_normalization_test(x, g, b, m, v, axes),
          lambda x, *p: (x - p[2].reshape(size)) / np.sqrt(p[3].reshape(size) + 1e-4)
          * p[0].reshape(size) + p[1].reshape(size),
          (x, *(p.reshape(keep) for p in (g, b, m, v))), rtol=1e-9, grad=False)  # fmt: skip


def test_batch_normalization_old_form_and_errors():
    bn = T.nnet.bn
    agree(lambda x, g: bn.batch_normalization(x, g, 1.0, x.mean(0), x.std(0)),
          lambda x, g: (x - x.mean(0)) * g / x.std(0) + 1.0, (X, V), rtol=1e-8)  # fmt: skip
    x, v = T.dmatrix("x"), T.dvector("v")
    with pytest.raises(ShapeError, match="2 dims for inputs"):
        bn.batch_normalization_test(T.dtensor4(), x, x, x, x, "spatial")
    with pytest.raises(ValueError, match="axes is"):
        bn.batch_normalization_train(x, v, v, axes="rows")
    f = function([x, v], bn.batch_normalization_test(x, v, v, v, v, "spatial"))
    with pytest.raises(ShapeError):
        f(X, np.ones(3))
