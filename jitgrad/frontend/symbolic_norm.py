"""Batch normalization (Ioffe & Szegedy 2015): `T.nnet.bn`."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError, at
from ..ir.dims import product
from .source import here
from .symbolic import TensorVariable, as_tensor_variable
from .symbolic_ops import elemwise
from .symbolic_reduce import mean, var
from .symbolic_shape import addbroadcast
from .symbolic_sizes import axes_of, dim


def _axes(what: str, x: TensorVariable, axes: Any) -> tuple[int, ...]:
    """The axes that are averaged over."""
    if isinstance(axes, str):
        if axes == "per-activation":
            axes = (0,)
        elif axes == "spatial":
            axes = (0, *range(2, x.ndim))
        else:
            raise ValueError(at(f"{what}: axes is 'per-activation', 'spatial' or a list of ints, "
                                f"not {axes!r}", here()))  # fmt: skip
    out = tuple(sorted(axes_of(what, axes, x.ndim)))
    if not out:
        raise ValueError(at(f"{what}: there must be an axis to average over", here()))
    return out


def _spread(what: str, x: TensorVariable, p: Any, axes: tuple[int, ...]) -> TensorVariable:
    """A parameter with a size of 1 along `axes`: it has all dims of `x`, or those that stay."""
    p = as_tensor_variable(p)
    if p.ndim == x.ndim:
        return addbroadcast(p, *axes)
    if p.ndim == x.ndim - len(axes):
        rest = iter(range(p.ndim))
        return p.dimshuffle(*("x" if i in axes else next(rest) for i in range(x.ndim)))
    raise ShapeError(at(f"{what}: a parameter of {p.ndim} dims for inputs of {x.ndim}", here()))


def batch_normalization_train(inputs: Any, gamma: Any, beta: Any, axes: Any = "per-activation",
                              epsilon: float = 1e-4, running_average_factor: Any = 0.1,
                              running_mean: Any = None, running_var: Any = None
                              ) -> tuple[TensorVariable, ...]:  # fmt: skip
    """gamma·(inputs - mean)/sqrt(var + epsilon) + beta, by the batch's own mean and variance.

    axes                        "per-activation" (the first), "spatial" (all but the second) or a
                                list
    gamma, beta, running_…      with size 1 along `axes`, or without those axes
    running_mean, running_var   averages that are moved towards the batch's by the factor

    Gives the outputs, the mean, 1/sqrt(var + epsilon), and then each running average asked for
    (the variance's over n - 1).
    """
    what = "batch_normalization_train"
    x = as_tensor_variable(inputs)
    over = _axes(what, x, axes)
    scale, shift = (_spread(what, x, p, over) for p in (gamma, beta))
    middle = mean(x, over, keepdims=True)
    spread = var(x, over, keepdims=True)
    inverse = 1.0 / elemwise("sqrt", spread + epsilon)
    out = [(x - middle) * (scale * inverse) + shift, middle, inverse]
    keep = 1 - as_tensor_variable(running_average_factor)
    if running_mean is not None:
        out.append(_spread(what, x, running_mean, over) * keep + middle * running_average_factor)
    if running_var is not None:
        n = dim(product([x.value.type.shape[a] for a in over]))
        exact = spread * n / elemwise("maximum", n - 1, 1)
        out.append(_spread(what, x, running_var, over) * keep + exact * running_average_factor)
    return tuple(out)


def batch_normalization_test(inputs: Any, gamma: Any, beta: Any, mean: Any, var: Any,
                             axes: Any = "per-activation", epsilon: float = 1e-4
                             ) -> TensorVariable:  # fmt: skip
    """gamma·(inputs - mean)/sqrt(var + epsilon) + beta, by a mean and variance that are given."""
    what = "batch_normalization_test"
    x = as_tensor_variable(inputs)
    over = _axes(what, x, axes)
    scale, shift, middle, spread = (_spread(what, x, p, over) for p in (gamma, beta, mean, var))
    return (x - middle) * (scale / elemwise("sqrt", spread + epsilon)) + shift


def batch_normalization(inputs: Any, gamma: Any, beta: Any, mean: Any, std: Any,
                        mode: str = "low_mem") -> TensorVariable:  # fmt: skip
    """gamma·(inputs - mean)/std + beta; everything broadcasts. `mode` means nothing."""
    if mode not in ("low_mem", "high_mem"):
        raise ValueError(at(f"batch_normalization: mode {mode!r}", here()))
    x = as_tensor_variable(inputs)
    return (x - mean) * (as_tensor_variable(gamma) / std) + beta


__all__ = ["batch_normalization", "batch_normalization_test", "batch_normalization_train"]
