"""Gradients held against finite differences, Theano's way: `numeric_grad`, `verify_grad`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from .errors import GradientError
from .frontend.symbolic import TensorVariable
from .frontend.symbolic_reduce import sum as sum_of
from .frontend.symbolic_type import TensorType
from .symbolic_grad import grad

__all__ = ["numeric_grad", "verify_grad"]

_TOLERANCE = {"float16": 5e-2, "float32": 1e-2, "float64": 1e-4}


class numeric_grad:
    """The gradient of a scalar function at a point, by one-sided differences.

    f    takes arrays, gives a number
    pt   the arrays, or one array
    eps  the step; by default by the least precise dtype: 1e-7 for float64, 3e-4 for float32

    `gf` is the gradient: a list of arrays, or one array where `pt` is one.

    >>> numeric_grad(lambda x: (x**2).sum(), np.array([1.0, 2.0])).gf.round(5)
    array([2., 4.])

    Raises `TypeError` for arrays that are not of floats, and for complex results.
    """

    type_eps: ClassVar[dict[Any, float]] = {
        key: eps
        for name, eps in (("float64", 1e-7), ("float32", 3e-4), ("float16", 1e-1))
        for key in (name, np.dtype(name))
    }

    def __init__(
        self, f: Callable[..., Any], pt: Any, eps: float | None = None, out_type: Any = None
    ) -> None:
        alone = not isinstance(pt, (list, tuple))
        points = [np.array(p) for p in ([pt] if alone else pt)]
        _floats("numeric_grad", points)
        if out_type is not None and str(out_type).startswith("complex"):
            raise TypeError("numeric_grad: complex numbers are not there yet")
        kinds = [p.dtype for p in points] or [np.dtype(np.float64)]
        working = min(kinds, key=lambda d: self.type_eps[d])
        step = max(self.type_eps[d] for d in kinds) if eps is None else eps
        at = [p.astype(working) for p in points]

        def value() -> Any:
            return np.asarray(f(*[p.copy() for p in at]))[()]

        first = value()
        grads = []
        for p in at:
            g = np.zeros(p.shape, working)
            for i in np.ndindex(p.shape):
                kept = p[i]
                p[i] += step
                g[i] = (value() - first) / step
                p[i] = kept
            grads.append(g)
        self.gf: Any = grads[0] if alone else grads

    @staticmethod
    def abs_rel_err(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
        """|a - b|, and that relative to |a| + |b| (but at least 1e-8)."""
        with np.errstate(invalid="ignore", over="ignore"):
            abs_err = np.abs(np.asarray(a) - np.asarray(b))
            return abs_err, abs_err / np.maximum(np.abs(a) + np.abs(b), 1e-8)

    def abs_rel_errors(self, g_pt: Sequence[Any]) -> list[tuple[np.ndarray, np.ndarray]]:
        """The errors of gradients `g_pt`, one for each of `gf`.

        Raises `ValueError` for another number of them, or other shapes.
        """
        mine = self.gf if isinstance(self.gf, list) else [self.gf]
        if len(g_pt) != len(mine):
            raise ValueError(f"argument has wrong number of elements: {len(g_pt)}, not {len(mine)}")
        out = []
        for i, (a, b) in enumerate(zip(g_pt, mine)):
            if np.shape(a) != b.shape:
                raise ValueError(f"argument element {i} has wrong shape {np.shape(a)}, not "
                                 f"{b.shape}")  # fmt: skip
            out.append(self.abs_rel_err(a, b))
        return out

    def max_err(
        self, g_pt: Sequence[Any], abs_tol: float, rel_tol: float
    ) -> tuple[int, int, float, float]:
        """Where `g_pt` is most wrong: which array, which of its elements, both errors there.

        Most wrong is where min(absolute error / abs_tol, relative error / rel_tol) is largest.
        Raises `ValueError` for errors that are not finite.
        """
        worst = (0, 0, 0.0, 0.0)
        most = -1.0
        for k, (abs_err, rel_err) in enumerate(self.abs_rel_errors(g_pt)):
            for name, err in (("abs_err", abs_err), ("rel_err", rel_err)):
                if not np.all(np.isfinite(err)):
                    raise ValueError(f"{name} not finite: {err!r}")
            if not abs_err.size:
                continue
            scaled = np.minimum(abs_err / abs_tol, rel_err / rel_tol).ravel()
            i = int(scaled.argmax())
            if scaled[i] > most:
                most = float(scaled[i])
                worst = k, i, float(abs_err.ravel()[i]), float(rel_err.ravel()[i])
        return worst


def _floats(name: str, points: Sequence[np.ndarray]) -> None:
    for i, p in enumerate(points):
        if p.dtype.name not in _TOLERANCE:
            raise TypeError(f"{name} can work only with floating point inputs, but input {i} has "
                            f"dtype {p.dtype.name!r}")  # fmt: skip


def verify_grad(
    fun: Callable[..., Any],
    pt: Sequence[Any],
    n_tests: int = 2,
    rng: Any = None,
    eps: float | None = None,
    out_type: Any = None,
    abs_tol: float | None = None,
    rel_tol: float | None = None,
    mode: Any = None,
    cast_to_output_type: bool = False,
    no_debug_ref: bool = True,
) -> None:
    """Hold the gradient of `fun` at `pt` against finite differences; raise where it is wrong.

    fun      takes variables, gives one; what is tested is the gradient of sum(u * fun), with u
             drawn from `rng` in [0.5, 1.5)
    pt       a list of float arrays
    n_tests  how many u are drawn
    rng      a `numpy.random.Generator` or `RandomState`, or the module `numpy.random`
    eps      the step of the differences, by default by the dtype
    abs_tol, rel_tol     a gradient is wrong where both are exceeded; by default 1e-4 for float64,
                         1e-2 for float32
    mode                 the mode of the functions that are compiled
    cast_to_output_type  draw u in float32 where the result is float32
    no_debug_ref         compute the differences in the default mode even if `mode` is DebugMode

    >>> import jitgrad.tensor as T
    >>> verify_grad(T.tanh, [np.array([[2.0, 3.0], [-1.0, 3.3]])], rng=np.random.default_rng(1))

    Raises `GradientError` with the place, both values and errors; `TypeError` for arrays that are
    not of floats and without an `rng`; `NotImplementedError` for a `fun` of several results.
    """
    from .compile.debugmode import DebugMode
    from .compile.mode import get_mode
    from .symbolic_function import function, shared

    if not isinstance(pt, (list, tuple)):
        raise TypeError(f"pt is a list or a tuple of arrays, not {type(pt).__name__}")
    if rng is None:
        raise TypeError("rng should be a numpy.random.Generator or RandomState")
    points = [np.array(p) for p in pt]
    _floats("verify_grad", points)
    kinds = [p.dtype.name for p in points] or ["float64"]
    widest = max(_TOLERANCE[k] for k in kinds)
    abs_tol = widest if abs_tol is None else abs_tol
    rel_tol = widest if rel_tol is None else rel_tol
    options: dict[str, Any] = {"allow_input_downcast": True, "on_unused_input": "ignore"}
    inputs = [TensorType(p.dtype, tuple([n == 1 for n in p.shape]))(f"input {i}")
              for i, p in enumerate(points)]  # fmt: skip
    output = fun(*inputs)
    if isinstance(output, (list, tuple)):
        raise NotImplementedError("verify_grad tests functions with one result, not several")
    if not isinstance(output, TensorVariable):
        raise TypeError(f"fun must give a variable, not {type(output).__name__}")
    shape = function(inputs, output, mode=mode, **options)(*points).shape

    def draw() -> np.ndarray:
        u = np.asarray((rng.random if hasattr(rng, "random") else rng.random_sample)(shape)) + 0.5
        return u.astype(output.dtype) if cast_to_output_type and output.dtype == "float32" else u

    u = shared(draw(), "random_projection", broadcastable=output.broadcastable)
    cost = sum_of(u * output)
    plain = None if no_debug_ref and isinstance(get_mode(mode), DebugMode) else mode
    cost_fn = function(inputs, cost, mode=plain, **options)
    grads = grad(cost, inputs, disconnected_inputs="ignore")
    grad_fn = function(inputs, grads, mode=mode, **options)
    for k in range(n_tests):
        if k:
            u.set_value(draw())
        numeric = numeric_grad(cost_fn, points, eps, out_type)
        found = grad_fn(*points)
        arg, pos, abs_err, rel_err = numeric.max_err(found, abs_tol, rel_tol)
        if abs_err > abs_tol and rel_err > rel_tol:
            raise GradientError(arg, pos, found[arg].shape, float(found[arg].ravel()[pos]),
                                float(numeric.gf[arg].ravel()[pos]), abs_err, rel_err, abs_tol,
                                rel_tol)  # fmt: skip


verify_grad.E_grad = GradientError  # type: ignore[attr-defined]
