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
from ..ir.core import Value
from ..ir.dims import DimLike, product
from ..ir.types import BOOL, DTYPES, F64, I64, DType, tensor
from . import symbolic_math as math
from . import symbolic_ops as ops
from . import symbolic_reduce as reductions
from . import symbolic_shape as shapes
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_shared import SharedVariable
from .symbolic_sizes import sizes_of
from .symbolic_type import TensorType, checked_dtype
from .threefry import U64, counted, next_state

F32 = DTYPES["f32"]


def _words(seed: Any, *path: int) -> np.ndarray:
    """A fresh state from a seed (None: from the system) and the place of a stream."""
    sequence = np.random.SeedSequence(seed, spawn_key=path)
    return np.append(sequence.generate_state(2, np.uint64), np.uint64(0))


class StreamState(np.ndarray):
    """The state of one stream, uint64[3], with the methods of `numpy.random.RandomState` for it."""

    def seed(self, seed: Any = None) -> None:
        """Start anew from a seed."""
        self[:] = _words(seed)

    def get_state(self) -> np.ndarray:
        """A copy of the state."""
        return np.array(self)

    def set_state(self, state: Any) -> None:
        self[:] = np.asarray(state, np.uint64)


class StreamVariable(SharedVariable):
    """The shared state of a random variable."""

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> np.ndarray:
        return super().get_value(borrow).view(StreamState)

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Store a state: uint64[3]."""
        array = np.asarray(new_value)
        if array.shape != (3,) or array.dtype != np.uint64:
            raise TypeError(at("the state of a random variable is an array uint64[3], not "
                               f"{new_value!r:.60}", here()))  # fmt: skip
        super().set_value(array, borrow)


class RandomVariable(TensorVariable):
    """A draw: `rng` is its state, `update` the pair of the state and the next one."""

    __slots__ = ("rng", "update")
    rng: StreamVariable
    update: tuple[StreamVariable, TensorVariable]


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
        self._entropy = np.random.SeedSequence(seed).entropy
        self.state_updates: list[tuple[StreamVariable, TensorVariable]] = []

    def updates(self) -> list[tuple[StreamVariable, TensorVariable]]:
        """Pairs of each stream's state and the next one."""
        return list(self.state_updates)

    def seed(self, seed: Any = None) -> None:
        """Start every stream anew, each in its own way, from `seed` (None: from the first one)."""
        entropy = self._entropy if seed is None else seed
        for k, (rng, _) in enumerate(self.state_updates):
            rng.container.put(_words(entropy, k))

    # -- bits -------------------------------------------------------------------------------------

    def _bits(self, size: DimLike) -> tuple[Builder, Value, Value, Any]:
        """Two words for each of `size` elements, and what makes a variable of the draw."""
        b = Builder(here())
        state = _words(self._entropy, len(self.state_updates))
        rng = StreamVariable(None, TensorType("uint64", shape=(None,)), state)
        fixed = b("refine", rng.value, shape=(3,))
        nxt = wrap(b("refine", next_state(b, fixed), shape=rng.value.type.shape))
        rng.default_update = nxt
        self.state_updates.append((rng, nxt))

        def drawn(v: TensorVariable) -> RandomVariable:
            value = v.value
            if value.op is None or value.op.opdef.name == "constant":
                value = b("identity", value)
            out = RandomVariable(value, b.loc)
            out.rng, out.update = rng, (rng, nxt)
            return out

        first, second = counted(b, fixed, size)
        return b, first, second, drawn

    # -- distributions ----------------------------------------------------------------------------

    def uniform(self, size: Any = None, low: Any = 0.0, high: Any = 1.0, ndim: int | None = None,
                dtype: Any = None, nstreams: Any = None) -> RandomVariable:  # fmt: skip
        """Numbers evenly spread over [low, high)."""
        low, high = as_tensor_variable(low), as_tensor_variable(high)
        shape, kind = _shape("uniform", size, ndim, low, high), _float(dtype, low, high)
        b, bits, _, drawn = self._bits(product(shape))
        u = wrap(b.reshape(_unit(b, bits, kind), shape))
        low, high = ops.cast(low, kind.np), ops.cast(high, kind.np)
        return drawn(low + u * (high - low))

    def normal(self, size: Any = None, avg: Any = 0.0, std: Any = 1.0, ndim: int | None = None,
               dtype: Any = None, nstreams: Any = None) -> RandomVariable:  # fmt: skip
        """Normally distributed numbers (Box and Muller, 1958)."""
        avg, std = as_tensor_variable(avg), as_tensor_variable(std)
        shape, kind = _shape("normal", size, ndim, avg, std), _float(dtype, avg, std)
        b, one, two, drawn = self._bits(product(shape))
        z = wrap(b.reshape(_normal(b, one, two, kind), shape))
        return drawn(ops.cast(avg, kind.np) + ops.cast(std, kind.np) * z)

    def truncated_normal(self, size: Any = None, avg: Any = 0.0, std: Any = 1.0,
                         ndim: int | None = None, dtype: Any = None,
                         nstreams: Any = None) -> RandomVariable:  # fmt: skip
        """Normally distributed numbers within two standard deviations of the mean."""
        avg, std = as_tensor_variable(avg), as_tensor_variable(std)
        shape, kind = _shape("truncated_normal", size, ndim, avg, std), _float(dtype, avg, std)
        b, bits, _, drawn = self._bits(product(shape))
        u = wrap(b.reshape(_unit(b, bits, F64), shape))
        z = np.sqrt(2.0) * math.erfinv((2 * u - 1) * float(_ERF_2))
        z = math.clip(z, -2.0, 2.0)
        return drawn(ops.cast(avg, kind.np) + ops.cast(std, kind.np) * ops.cast(z, kind.np))

    def binomial(self, size: Any = None, n: Any = 1, p: Any = 0.5, ndim: int | None = None,
                 dtype: Any = "int64", nstreams: Any = None, prob: Any = None) -> RandomVariable:  # fmt: skip
        """How many of `n` trials succeed, each with probability `p`; `n` draws an element."""
        p = as_tensor_variable(p if prob is None else prob)
        n = as_tensor_variable(n)
        shape = _shape("binomial", size, ndim, n, p)
        if n.ndim == 0:
            trials: Any = n
        else:
            trials = reductions.max(n)
        u, drawn = self._trials(shape, trials)
        hit = u < _last(ops.cast(p, "float64"), len(shape))
        if n.ndim:
            turn = wrap(_along(u, len(shape)))
            hit = hit & (turn < _last(ops.cast(n, "int64"), len(shape)))
        return drawn(ops.cast(reductions.sum(ops.cast(hit, "int64"), axis=-1), dtype))

    def _trials(self, shape: tuple[DimLike, ...], n: Any) -> tuple[TensorVariable, Any]:
        """`n` uniform numbers for each element, along a last axis."""
        (count,) = sizes_of("n", (n,))
        full = (*shape, count)
        b, bits, _, drawn = self._bits(product(full))
        return wrap(b.reshape(_unit(b, bits, F64), full)), drawn

    def integers(self, low: Any, high: Any = None, size: Any = None, ndim: int | None = None,
                 dtype: Any = "int64") -> RandomVariable:  # fmt: skip
        """Integers from `low` to below `high`; from 0 to below `low` without `high`."""
        low, high = (0, low) if high is None else (low, high)
        return self.random_integers(size, low, as_tensor_variable(high) - 1, ndim, dtype)

    def random_integers(self, size: Any = None, low: Any = 0, high: Any = 1,
                        ndim: int | None = None, dtype: Any = "int64") -> RandomVariable:  # fmt: skip
        """Integers from `low` to `high`, both among them.

        Of r of them each has a probability that differs from 1/r by 2**-64 at most.
        """
        low, high = as_tensor_variable(low), as_tensor_variable(high)
        for v in (low, high):
            if v.value.type.dtype.kind not in "biu":
                raise TypeError(at(f"random_integers takes integers, not {v.type}", here()))
        shape = _shape("random_integers", size, ndim, low, high)
        b, bits, _, drawn = self._bits(product(shape))
        low, high = ops.cast(low, "int64"), ops.cast(high, "int64")
        many = ops.cast(high - low, "uint64") + np.uint64(1)  # 0: all of them
        x = wrap(b.reshape(bits, shape))
        x = ops.switch(math.eq(many, 0), x, x % math.maximum(many, np.uint64(1)))
        return drawn(ops.cast(low + ops.cast(x, "int64"), dtype))

    def choice(self, size: Any = (), a: Any = 2, replace: bool = True, p: Any = None,
               ndim: int | None = None, dtype: Any = "int64", nstreams: Any = None,
               **more: Any) -> RandomVariable:  # fmt: skip
        """Elements of the vector `a`, or of the integers below `a`, with probabilities `p`.

        `replace=False` draws no element twice: `a` must have as many as are drawn.
        """
        a = as_tensor_variable(a)
        if a.ndim > 1:
            raise ValueError(at(f"choice: a is an integer or a vector, not {a.type}", here()))
        shape = () if size is None else sizes_of("choice", size)
        if ndim is not None and ndim != len(shape):
            raise ValueError(at(f"choice: ndim is {ndim}, but size has {len(shape)}", here()))
        (n,) = (a.value.type.shape[0],) if a.ndim else sizes_of("choice", (a,))
        if not replace:
            index, drawn = self._order((), n, p)
            b = Builder(here())
            b_index = b("slice", index.value, starts=(0,), stops=(product(shape),), steps=(1,))
            index = wrap(b.reshape(b_index, shape))
        elif p is None:
            many = shapes.dim(n)
            out = self.random_integers(shape, 0, many - 1)
            index, drawn = out, _as_draw(out)
        else:
            b, bits, _, drawn = self._bits(product(shape))
            u = wrap(b.reshape(_unit(b, bits, F64), (*shape, 1)))
            sums = reductions.cumsum(ops.cast(_probabilities(p, "choice"), "float64"))
            count = reductions.sum(ops.cast(u * sums[-1] >= sums, "int64"), axis=-1)
            index = math.minimum(count, shapes.dim(n) - 1)
        return drawn(a[index] if a.ndim else ops.cast(index, dtype))

    def permutation(self, size: Any = None, n: Any = 1, ndim: int | None = None,
                    dtype: Any = "int64") -> RandomVariable:  # fmt: skip
        """Permutations of the integers below `n`, along a last axis behind those of `size`."""
        shape = () if size is None else sizes_of("permutation", size)
        (count,) = sizes_of("permutation", (n,))
        order, drawn = self._order(shape, count, None)
        return drawn(ops.cast(order, dtype))

    def _order(self, shape: tuple[DimLike, ...], n: DimLike, p: Any) -> tuple[TensorVariable, Any]:
        """Orders of `n` things along a last axis; those of large `p` tend to come first."""
        full = (*shape, n)
        b, bits, _, drawn = self._bits(product(full))
        if p is None:
            keys = b.reshape(b("shr", bits, b.const(1, bits.type)), full)
            return wrap(b("argsort", b.cast(keys, I64), axis=len(shape))), drawn
        # an exponential variable over the weight (Efraimidis and Spirakis, 2006)
        u = wrap(b.reshape(_unit(b, bits, F64, open_=True), full))
        race = -math.log(u) / ops.cast(_probabilities(p, "choice"), "float64")
        return wrap(b("argsort", race.value, axis=len(shape))), drawn

    def shuffle_row_elements(self, input: Any) -> RandomVariable:
        """`input` with the elements of each row, along the last axis, in another order each."""
        x = as_tensor_variable(input)
        if not x.ndim:
            raise ShapeError(at("shuffle_row_elements takes a tensor with rows, not a scalar",
                                here()))  # fmt: skip
        *lead, n = x.value.type.shape
        order, drawn = self._order(tuple(lead), n, None)
        return drawn(wrap(Builder(here())("take_along", x.value, order.value, axis=x.ndim - 1)))

    def multinomial(self, size: Any = None, n: Any = 1, pvals: Any = (0.5, 0.5),
                    ndim: int | None = None, dtype: Any = "int64",
                    nstreams: Any = None) -> RandomVariable:  # fmt: skip
        """How often each of k outcomes comes in `n` trials: a vector of k counts for each element
        of `size`, or for each row of `pvals`."""
        p = _probabilities(pvals, "multinomial")
        *lead, k = p.value.type.shape
        shape = tuple(lead) if size is None else sizes_of("multinomial", size)
        if ndim is not None and ndim != len(shape):
            raise ValueError(at(f"multinomial: ndim is {ndim}, but size has {len(shape)}", here()))
        u, drawn = self._trials(shape, n)
        u = u.dimshuffle(*range(len(shape) + 1), "x")
        sums = reductions.cumsum(ops.cast(p, "float64"), axis=-1)
        sums = sums.dimshuffle(*range(len(lead)), "x", len(lead))
        below = reductions.sum(ops.cast(u >= sums, "int64"), axis=-2)  # trials beyond each outcome
        b = Builder(here())
        place = b("iota", type=tensor(I64, below.value.type.shape), axis=below.ndim - 1)
        last = wrap(b("eq", place, ops.elemwise("add", wrap(b.zeros(place.type)),
                                                shapes.dim(k) - 1).value))  # fmt: skip
        beyond = ops.switch(last, 0, below)  # whatever the rounding of the sums
        before = shapes.concatenate([
            ops.cast(shapes.full_of(b, below, n), "int64"), beyond[..., :-1]], axis=-1)  # fmt: skip
        return drawn(ops.cast(before - beyond, dtype))

    def multinomial_wo_replacement(self, size: Any = None, n: Any = 1, pvals: Any = None,
                                   ndim: int | None = None, dtype: Any = "int64",
                                   nstreams: Any = None) -> RandomVariable:  # fmt: skip
        """`n` different outcomes for each row of `pvals`: their indices."""
        if size is not None or pvals is None:
            raise ValueError(at("multinomial_wo_replacement takes rows of pvals, and no size",
                                here()))  # fmt: skip
        p = _probabilities(pvals, "multinomial_wo_replacement")
        *lead, k = p.value.type.shape
        order, drawn = self._order(tuple(lead), k, p)
        return drawn(ops.cast(order[..., :n], dtype))


class MRG_RandomStreams(RandomStreams):
    """`RandomStreams` under the name of Theano's faster generator; the generator is the same."""

    def __init__(self, seed: Any = 12345, use_cuda: Any = None) -> None:
        super().__init__(seed)


_ERF_2 = 0.9544997361036416  # erf(sqrt(2)): the mass within two standard deviations


def _unit(b: Builder, bits: Value, kind: DType, open_: bool = False) -> Value:
    """Numbers in [0, 1) of the upper bits; in (0, 1] if `open_`."""
    keep = 24 if kind is F32 else 53
    top = b("shr", bits, b.const(64 - keep, bits.type))
    if open_:
        top = b.add(top, b.const(1, top.type))
    x = b.cast(b.cast(top, I64), kind)
    return b.mul(x, b.const(2.0**-keep, x.type))


def _normal(b: Builder, one: Value, two: Value, kind: DType) -> Value:
    u, v = _unit(b, one, kind, open_=True), _unit(b, two, kind)
    radius = b("sqrt", b.mul(b("log", u), b.const(-2.0, u.type)))
    return b.mul(radius, b("cos", b.mul(v, b.const(2 * np.pi, v.type))))
