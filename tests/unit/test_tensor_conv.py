"""Convolution, pooling and patches against their definitions, gradients by differences."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from tensorfns import MODES, agree

import jitgrad.tensor as T
from jitgrad import function
from jitgrad.errors import ShapeError

both = pytest.mark.parametrize("mode", MODES)
R = np.random.default_rng(12)

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
        assert "test_tensor_conv.py" in str(err.value)
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
        assert "test_tensor_conv.py" in str(err.value)


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
    c = T.signal.conv.conv2d
    agree(lambda x, w: [c(x, w), c(x[0], w[0], None, None, "full"), c(x, w[0]), c(x[0], w)],
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
    {"ws": (3, 2), "ignore": True, "stride": (1, 2)},
    {"ws": (3, 3), "ignore": False, "stride": (2, 1)},
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
    p = T.signal.pool.pool_2d
    agree(lambda i: [p(i, (2, 2)), p(i, (3, 3), mode="sum")],
          lambda i: [pool(i, (2, 2), False).astype(int),
                     pool(i, (3, 3), False, mode="sum").astype(int)], (i,))  # fmt: skip
    x = T.dtensor4("x")
    for make, kind, text in (
        (lambda: p(x), TypeError, "ws"),
        (lambda: p(T.dvector(), (2, 2)), TypeError, "at least 2 dims"),
        (lambda: p(x, (2, 2), mode="min"), ValueError, "mode"),
        (lambda: p(x, (2, 0)), ValueError, "at least 1"),
        (lambda: p(x, (2, 2), pad=(1, 1)), NotImplementedError, "ignore_border"),
        (lambda: p(x, (2, 2), True, pad=(2, 0)), NotImplementedError, "smaller"),
    ):  # fmt: skip
        with pytest.raises(kind, match=text) as err:
            make()
        assert "test_tensor_conv.py" in str(err.value)


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
