"""Random variables: `RandomStreams`, whose draws are new at each call of a function.

Each draw has a state of its own, a shared variable u64[3] (`rv.rng`): two words of key, and the
number of draws so far. Its default update counts. The numbers are a function of the state and of an
element's index (`threefry`), the same in machine code and in the interpreter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import config
from ..errors import ShapeError, at
from ..ir.build import Builder
from ..ir.dims import DimLike, product
from ..ir.types import F64, I64, DType, tensor
from . import symbolic_math as math
from . import symbolic_ops as ops
from . import symbolic_reduce as reductions
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_draw import Draw, RandomVariable, StreamVariable, fitted_to, normal_quantile, words
from .symbolic_sizes import dim, sizes_of
from .symbolic_type import checked_dtype


class RandomStreams:
    """Random variables for graphs, seeded together.

    Every variable is drawn once in a call of a function, however often it is used, and anew in the
    next call, unless the function has `no_default_updates=True`. Sizes are ints, sizes of
    variables, or values of integer variables; None is the size of the parameters.

    >>> from jitgrad import function
    >>> srng = RandomStreams(seed=234)
    >>> u = srng.uniform((2, 2))
    >>> f = function([], [u, u - u])
    >>> first, zero = f()
    >>> bool((0 <= first).all() and (first < 1).all()), bool((f()[0] == first).any())
    (True, False)

    Uniform and normal variables have gradients by their parameters: `low + u * (high - low)`,
    `avg + std * z`.
    """

    def __init__(self, seed: Any = None, use_cuda: Any = None) -> None:
        self.default_instance_seed = seed
        self._entropy = _entropy(seed)
        self.state_updates: list[tuple[StreamVariable, TensorVariable]] = []

    def updates(self) -> list[tuple[StreamVariable, TensorVariable]]:
        """Pairs of each stream's state and the next one."""
        return list(self.state_updates)

    def seed(self, seed: Any = None) -> None:
        """Start every stream anew, each in its own way, from `seed` (None: from the first one)."""
        entropy = self._entropy if seed is None else _entropy(seed)
        for k, (rng, _) in enumerate(self.state_updates):
            rng.container.put(words(entropy, k))

    def __getitem__(self, item: StreamVariable) -> np.ndarray:
        """The state of a stream, `rv.rng`."""
        return item.get_value(borrow=True)

    def __setitem__(self, item: StreamVariable, value: Any) -> None:
        item.set_value(value)

    def _draw(self, *shape: DimLike) -> Draw:
        state = words(self._entropy, len(self.state_updates))
        draw = Draw(shape, state)
        self.state_updates.append(draw.update)
        return draw

    # -- distributions ----------------------------------------------------------------------------

    def uniform(self, size: Any = None, low: Any = 0.0, high: Any = 1.0, ndim: int | None = None,
                dtype: Any = None, nstreams: Any = None) -> RandomVariable:  # fmt: skip
        """Numbers evenly spread over [low, high)."""
        kind = _float("uniform", dtype, low, high)
        shape = _shape("uniform", size, ndim, low, high)
        draw = self._draw(*shape)
        low, high = draw.fitted(low, kind), draw.fitted(high, kind)
        return draw.variable(low + draw.unit(kind) * (high - low))

    def normal(self, size: Any = None, avg: Any = 0.0, std: Any = 1.0, ndim: int | None = None,
               dtype: Any = None, nstreams: Any = None) -> RandomVariable:  # fmt: skip
        """Normally distributed numbers, by the formula of Box and Muller (1958)."""
        kind = _float("normal", dtype, avg, std)
        _within("normal", "std", std)
        draw = self._draw(*_shape("normal", size, ndim, avg, std))
        radius = math.sqrt(-2 * math.log(draw.unit(kind, open_=True)))
        z = radius * math.cos(float(2 * np.pi) * draw.unit(kind, word=1))
        return draw.variable(draw.fitted(avg, kind) + draw.fitted(std, kind) * z)

    def truncated_normal(self, size: Any = None, avg: Any = 0.0, std: Any = 1.0,
                         ndim: int | None = None, dtype: Any = None,
                         nstreams: Any = None) -> RandomVariable:  # fmt: skip
        """Normally distributed numbers within two standard deviations of the mean."""
        kind = _float("truncated_normal", dtype, avg, std)
        _within("truncated_normal", "std", std)
        draw = self._draw(*_shape("truncated_normal", size, ndim, avg, std))
        z = normal_quantile(_BELOW_2 + draw.unit(F64) * (1 - 2 * _BELOW_2))
        z = ops.cast(ops.clip(z, -2.0, 2.0), kind.np)
        return draw.variable(draw.fitted(avg, kind) + draw.fitted(std, kind) * z)

    def binomial(self, size: Any = None, n: Any = 1, p: Any = 0.5, ndim: int | None = None,
                 dtype: Any = "int64", nstreams: Any = None,
                 prob: Any = None) -> RandomVariable:  # fmt: skip
        """How many of `n` trials succeed, each with probability `p`: `n` draws an element."""
        p = p if prob is None else prob
        _within("binomial", "p", p, 1.0)
        _within("binomial", "n", n)
        shape = _shape("binomial", size, ndim, n, p)
        n = as_tensor_variable(n)
        most = reductions.max(n) if n.ndim else n
        draw = self._draw(*shape, *sizes_of("binomial: n", (most,)))
        hit = draw.unit(F64) < fitted_to("binomial", p, shape, F64).dimshuffle(
            *range(len(shape)), "x"
        )
        if n.ndim:
            limit = fitted_to("binomial", n, shape, I64).dimshuffle(*range(len(shape)), "x")
            hit = hit & (draw.places() < limit)
        return draw.variable(ops.cast(reductions.sum(ops.cast(hit, "int64"), axis=-1), dtype))

    def integers(self, low: Any, high: Any = None, size: Any = None, ndim: int | None = None,
                 dtype: Any = "int64") -> RandomVariable:  # fmt: skip
        """Integers from `low` to below `high`; from 0 to below `low` without `high`."""
        low, high = (0, low) if high is None else (low, high)
        return self.random_integers(size, low, as_tensor_variable(high) - 1, ndim, dtype)

    def random_integers(self, size: Any = None, low: Any = 0, high: Any = 1,
                        ndim: int | None = None,
                        dtype: Any = "int64") -> RandomVariable:  # fmt: skip
        """Integers from `low` to `high`, both among them; `low` where `high` is below it.

        Of r integers each has a probability that differs from 1/r by 2**-64 at most.
        """
        for v in map(as_tensor_variable, (low, high)):
            if v.value.type.dtype.kind not in "biu":
                raise TypeError(
                    at(f"random_integers takes integers, not {v!r} of {v.type}", here())
                )
        draw = self._draw(*_shape("random_integers", size, ndim, low, high))
        low, high = draw.fitted(low, I64), draw.fitted(high, I64)
        last = ops.switch(high >= low, ops.cast(high, "uint64") - ops.cast(low, "uint64"), _ZERO)
        count = last + _ONE  # 0 stands for 2**64
        x = draw.bits()
        x = ops.switch(math.eq(count, _ZERO), x, ops.elemwise("mod", x, math.maximum(count, _ONE)))
        return draw.variable(ops.cast(low + ops.cast(x, "int64"), dtype))

    def choice(self, size: Any = (), a: Any = 2, replace: bool = True, p: Any = None,
               ndim: int | None = None, dtype: Any = "int64",
               nstreams: Any = None) -> RandomVariable:  # fmt: skip
        """Elements of the vector `a`, or of the integers below `a`, with probabilities `p`.

        `replace=False` draws no element twice.

        Raises `ValueError` for more draws without replacement than elements.
        """
        a = as_tensor_variable(a)
        if a.ndim > 1:
            raise ValueError(at(f"choice: a is an integer or a vector, not {a.type}", here()))
        shape = _shape("choice", size if size is not None else (), ndim)
        n = a.value.type.shape[0] if a.ndim else sizes_of("choice: a", (a,))[0]
        count = product(shape)
        if not replace:
            if n.__class__ is int and count.__class__ is int and count > n:
                raise ValueError(at("Cannot take a larger sample than population when "
                                    f"replace=False: {count} of {n}", here()))  # fmt: skip
            draw = self._draw(n)
            order = draw.order(p)
            b = Builder(here())
            first = b("slice", order.value, starts=(0,), stops=(count,), steps=(1,))
            index = wrap(b.reshape(first, shape))
        elif p is None:
            draw = self._draw(*shape)
            index = ops.cast(ops.elemwise("mod", draw.bits(), ops.cast(dim(n), "uint64")), "int64")
        else:
            draw = self._draw(*shape)
            index = draw.outcome(_weights("choice", p, n))
        return draw.variable(a[index] if a.ndim else ops.cast(index, dtype))

    def permutation(self, size: Any = None, n: Any = 1, ndim: int | None = None,
                    dtype: Any = "int64") -> RandomVariable:  # fmt: skip
        """Permutations of the integers below `n`, along a last axis behind those of `size`."""
        shape = _shape("permutation", size if size is not None else (), ndim)
        draw = self._draw(*shape, *sizes_of("permutation: n", (n,)))
        return draw.variable(ops.cast(draw.order(None), dtype))

    def shuffle_row_elements(self, input: Any) -> RandomVariable:
        """`input` with the elements of each row, along the last axis, in another order each."""
        x = as_tensor_variable(input)
        if not x.ndim:
            raise ShapeError(at("shuffle_row_elements takes a tensor with rows, not a scalar",
                                here()))  # fmt: skip
        draw = self._draw(*x.value.type.shape)
        order = draw.order(None)
        return draw.variable(wrap(Builder(here())("take_along", x.value, order.value,
                                                  axis=x.ndim - 1)))  # fmt: skip

    def multinomial(self, size: Any = None, n: Any = 1, pvals: Any = (0.5, 0.5),
                    ndim: int | None = None, dtype: Any = "int64",
                    nstreams: Any = None) -> RandomVariable:  # fmt: skip
        """How often each of k outcomes comes in `n` trials: a vector of k counts for each element
        of `size`, or for each row of `pvals`."""
        p = as_tensor_variable(pvals)
        if not p.ndim:
            raise ShapeError(
                at("multinomial takes a vector or rows of pvals, not a scalar", here())
            )
        *lead, k = p.value.type.shape
        shape = tuple(lead) if size is None else _shape("multinomial", size, ndim)
        draw = self._draw(*shape, *sizes_of("multinomial: n", (n,)))
        p = fitted_to("multinomial", p, (*shape, k), F64)
        which = draw.outcome(p.dimshuffle(*range(len(shape)), "x", len(shape)))
        each = which.dimshuffle(*range(len(shape) + 1), "x")
        places = wrap(Builder(here())("iota", type=tensor(I64, (k,)), axis=0))
        counts = reductions.sum(ops.cast(math.eq(each, places), "int64"), axis=-2)
        return draw.variable(ops.cast(counts, dtype))

    def multinomial_wo_replacement(self, size: Any = None, n: Any = 1, pvals: Any = None,
                                   ndim: int | None = None, dtype: Any = "int64",
                                   nstreams: Any = None) -> RandomVariable:  # fmt: skip
        """The indices of `n` different outcomes for each row of `pvals`."""
        if size is not None or pvals is None:
            raise ValueError(at("multinomial_wo_replacement takes rows of pvals, and no size",
                                here()))  # fmt: skip
        p = as_tensor_variable(pvals)
        draw = self._draw(*p.value.type.shape)
        return draw.variable(ops.cast(draw.order(p)[..., :n], dtype))


class MRG_RandomStreams(RandomStreams):
    """`RandomStreams` under the name of Theano's faster generator; the generator is the same."""

    def __init__(self, seed: Any = 12345, use_cuda: Any = None) -> None:
        super().__init__(seed)


_BELOW_2 = 0.022750131948179207  # the mass of a normal distribution below -2 deviations
_ZERO, _ONE = np.uint64(0), np.uint64(1)


def _weights(what: str, p: Any, n: DimLike) -> TensorVariable:
    p = as_tensor_variable(p)
    if p.ndim != 1:
        raise ValueError(at(f"{what}: p is a vector of probabilities, not {p.type}", here()))
    return fitted_to(what, p, (n,), F64)


def _float(what: str, dtype: Any, *parameters: Any) -> DType:
    """The dtype of a draw: what is asked for, else floatX or wider, as the parameters are."""
    if dtype is None:
        given = [as_tensor_variable(p).dtype for p in parameters if not ops.is_number(p)]
        dtype = np.result_type(config.floatX, *given)
    kind = checked_dtype(dtype)
    if kind.kind != "f":
        raise TypeError(at(f"{what} draws floats, not {kind.np}", here()))
    return kind


def _shape(what: str, size: Any, ndim: int | None, *parameters: Any) -> tuple[DimLike, ...]:
    """The sizes of a draw: `size`, with -1 for those of the parameters; None: the parameters'."""
    given = [as_tensor_variable(p) for p in parameters]
    if size is None:
        shape: tuple[DimLike, ...] = ()
        if given:
            values = ops.broadcast(Builder(here()), what, [g.value for g in given])
            shape = values[0].type.shape
    else:
        if isinstance(size, (tuple, list)) and any(ops.is_number(s) and s == -1 for s in size):
            size = [_size_of(what, given, k - len(size)) if ops.is_number(s) and s == -1 else s
                    for k, s in enumerate(size)]  # fmt: skip
        shape = sizes_of(what, size)
    if any(d.__class__ is int and d < 0 for d in shape):
        raise ValueError(at(f"{what}: negative dimensions are not allowed: {shape}", here()))
    if ndim is not None and ndim != len(shape):
        raise ValueError(at(f"{what}: ndim should be equal to len(size), but ndim = {ndim}, "
                            f"len(size) = {len(shape)}", here()))  # fmt: skip
    return shape


def _size_of(what: str, given: Sequence[TensorVariable], axis: int) -> TensorVariable:
    """The size of the parameters along an axis, counted from the end."""
    sizes = [g.value.type.shape[axis] for g in given if g.ndim >= -axis]
    if not sizes:
        raise ValueError(at(f"{what}: a size of -1 must overlap with a parameter's", here()))
    return dim(next((d for d in sizes if d.__class__ is not int or d != 1), 1))


def _entropy(seed: Any) -> Any:
    """What a seed stands for: an int or a sequence of ints, None for the system's."""
    try:
        return np.random.SeedSequence(seed).entropy
    except (TypeError, ValueError):
        raise ValueError(at("a seed is an integer from 0 on, a sequence of such, or None, not "
                            f"{seed!r:.80}", here())) from None  # fmt: skip


def _within(what: str, name: str, value: Any, high: float = np.inf) -> None:
    """Raise for a parameter that is known, and not from 0 to `high`."""
    known = as_tensor_variable(value).value.op
    if known is not None and known.opdef.name == "constant":
        a = np.asarray(known.attrs["value"])
        if a.dtype.kind in "iuf" and not np.all((a >= 0) & (a <= high)):
            limit = "at least 0" if high == np.inf else f"from 0 to {high:g}"
            raise ValueError(at(f"{what}: {name} is {limit}, not {value!r:.80}", here()))
