"""What the tests of tensor functions share: one against NumPy, and its gradient by differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import jitgrad.tensor as T
from jitgrad import function

MODES = ("FAST_RUN", "FAST_COMPILE")


def variables(arrays: Sequence[Any]) -> list[Any]:
    return [
        T.tensor(np.asarray(a).dtype, (False,) * np.ndim(a), name=f"x{i}")
        for i, a in enumerate(arrays)
    ]


def flat(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (list, tuple)) else [result]


def agree(build: Callable, reference: Callable, *argsets: Sequence[Any], grad: bool = True,
          mode: str = "FAST_RUN", dtypes: bool = True, rtol: float = 1e-12) -> Any:  # fmt: skip
    """`build` of variables, compiled once, against `reference` of arrays for every set of
    arguments; and the gradient by the float arguments against differences."""
    xs = variables(argsets[0])
    outs = flat(build(*xs))
    wrt = [x for x in xs if x.dtype.startswith("float")]
    weights = np.random.default_rng(5)
    extra, grads, losses = [], [], []
    if grad and wrt:
        floats = [o for o in outs if o.dtype.startswith("float")]
        extra = [T.tensor(o.dtype, (False,) * o.ndim) for o in floats]
        cost = sum(T.sum(o * w) for o, w in zip(floats, extra))
        grads = T.grad(cost, wrt, disconnected_inputs="ignore")
        losses = floats
    f = function(xs, outs, mode=mode, on_unused_input="ignore")
    g = function([*xs, *extra], grads, mode=mode, on_unused_input="ignore") if grads else None
    for args in argsets:
        got = f(*args)
        want = [np.asarray(r) for r in flat(reference(*[np.asarray(a) for a in args]))]
        assert len(got) == len(want)
        for a, b in zip(got, want):
            assert a.shape == b.shape, (a.shape, b.shape, args)
            if dtypes:
                assert a.dtype == b.dtype, (a.dtype, b.dtype)
            np.testing.assert_allclose(a, b, rtol=max(rtol, 2e-6 if a.dtype == np.float32 else 0),
                                       atol=1e-12, err_msg=str(args))  # fmt: skip
        if g is None:
            continue
        at = [i for i, o in enumerate(outs) if any(o is v for v in losses)]
        ws = [weights.standard_normal(got[i].shape).astype(got[i].dtype) for i in at]
        slopes = g(*args, *ws)
        _differences(f, args, at, ws, slopes)
    return f


def _differences(f: Callable, args: Sequence[Any], at: Sequence[int], ws: Sequence[Any],
                 slopes: Sequence[Any]) -> None:  # fmt: skip
    """Directional derivatives: each float argument moved at once, along random directions."""
    rng = np.random.default_rng(7)
    floats = [i for i, a in enumerate(args) if np.asarray(a).dtype.kind == "f"]
    if any(np.asarray(args[i]).dtype == np.float32 for i in floats):
        return

    def loss(values: Sequence[Any]) -> float:
        got = f(*values)
        return float(sum(np.sum(got[i] * w) for i, w in zip(at, ws)))

    for i, slope in zip(floats, slopes):
        x = np.asarray(args[i], float)
        along = rng.standard_normal(x.shape)
        assert slope.shape == x.shape
        sides = []
        for h in (1e-3, 5e-4):
            up, down = ([*args[:i], x + s * h * along, *args[i + 1 :]] for s in (1, -1))
            sides.append((loss(up) - loss(down)) / (2 * h))
        want = (4 * sides[1] - sides[0]) / 3
        np.testing.assert_allclose(np.sum(slope * along), want, rtol=1e-6, atol=1e-7)


def here(offset: int = 0) -> str:
    """The text by which an error names the caller's line."""
    import inspect

    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    return f'"{frame.f_back.f_code.co_filename}", line {frame.f_back.f_lineno + offset}'
