"""One draw of random numbers: its bits as variables, its state as a shared variable."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import at
from ..ir.build import Builder
from ..ir.dims import DimLike, product
from ..ir.types import F64, I64, DType, tensor
from . import symbolic_math as math
from . import symbolic_ops as ops
from . import symbolic_reduce as reductions
from . import symbolic_shape as shapes
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_shared import SharedVariable
from .symbolic_sizes import dim
from .symbolic_type import TensorType
from .threefry import counted, next_state


def words(seed: Any, *path: int) -> np.ndarray:
    """A fresh state from a seed (None: from the system) and the place of a stream."""
    sequence = np.random.SeedSequence(seed, spawn_key=path)
    return np.append(sequence.generate_state(2, np.uint64), np.uint64(0))


class StreamState(np.ndarray):
    """The state of one stream, uint64[3], with the methods of `numpy.random.RandomState` for it."""

    def seed(self, seed: Any = None) -> None:
        """Start anew from a seed."""
        self[:] = words(seed)

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


class Draw:
    """The bits of one draw, as variables of its shape, and its state."""

    def __init__(self, shape: tuple[DimLike, ...], state: np.ndarray) -> None:
        self.shape = shape
        self.b = b = Builder(here())
        self.rng = StreamVariable(None, TensorType("uint64", shape=(3,)), state)
        words = counted(b, self.rng.value, product(shape))
        self.words = [b.reshape(w, shape) for w in words]
        self.update = self.rng, wrap(next_state(b, self.rng.value))
        self.rng.default_update = self.update[1]

    def bits(self) -> TensorVariable:
        return wrap(self.words[0])

    def unit(self, kind: DType, word: int = 0, open_: bool = False) -> TensorVariable:
        """Numbers in [0, 1) of a word's upper bits; in (0, 1] if `open_`."""
        b, bits = self.b, self.words[word]
        keep = 24 if kind.bits == 32 else 53
        top = b("shr", bits, b.const(64 - keep, bits.type))
        if open_:
            top = b.add(top, b.const(1, top.type))
        x = b.cast(b.cast(top, I64), kind)
        return wrap(b.mul(x, b.const(2.0**-keep, x.type)))

    def places(self) -> TensorVariable:
        """Each element's index along the last axis."""
        return wrap(self.b("iota", type=tensor(I64, self.shape), axis=len(self.shape) - 1))

    def fitted(self, x: Any, kind: DType) -> TensorVariable:
        return fitted_to("a random variable", x, self.shape, kind)

    def order(self, p: Any) -> TensorVariable:
        """Orders of the places along the last axis; those of large `p` tend to come first.

        With weights: by an exponential variable over the weight (Efraimidis and Spirakis, 2006).
        """
        b, last = self.b, len(self.shape) - 1
        if p is None:
            bits = self.words[0]
            keys = b.cast(b("shr", bits, b.const(1, bits.type)), I64)
        else:
            p = fitted_to("choice: p", p, self.shape, F64)
            keys = (-math.log(self.unit(F64, open_=True)) / p).value
        return wrap(b("argsort", keys, axis=last))

    def outcome(self, p: TensorVariable) -> TensorVariable:
        """For each element the index that the weights `p`, along a last axis more, give it."""
        sums = reductions.cumsum(p, axis=-1)
        total = sums[..., -1].dimshuffle(*range(sums.ndim - 1), "x")
        u = self.unit(F64).dimshuffle(*range(len(self.shape)), "x")
        beyond = reductions.sum(ops.cast(u * total >= sums, "int64"), axis=-1)
        return math.minimum(beyond, dim(p.value.type.shape[-1]) - 1)

    def variable(self, v: TensorVariable) -> RandomVariable:
        value = v.value
        if value.op is None or value.op.opdef.name == "constant":
            value = self.b("identity", value)
        out = RandomVariable(value, self.b.loc)
        out.rng, out.update = self.rng, self.update
        return out


# Wichura, "The percentage points of the normal distribution" (AS 241, 1988): PPND16 for p between
# 1e-11 and 1 - 1e-11. Numerator and denominator by powers, near the middle and beyond.
_MIDDLE = (
    (3.3871328727963666080, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
     45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727),
    (1.0, 42.313330701600911252, 687.18700749205790830, 5394.1960214247511077,
     21213.794301586595867, 39307.895800092710610, 28729.085735721942674, 5226.4952788528545610),
)  # fmt: skip
_BEYOND = (
    (1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550,
     3.64784832476320460504, 1.27045825245236838258, 0.241780725177450611770,
     0.0227238449892691845833, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187, 1.67638483018380384940, 0.689767334985100004550,
     0.148103976427480074590, 0.0151986665636164571966, 5.47593808499534494600e-4,
     1.05075007164441684324e-9),
)  # fmt: skip


def normal_quantile(p: TensorVariable) -> TensorVariable:
    """Where a normal variable lies below with probability `p`, to 1e-15, for p not below 1e-11."""

    def ratio(r: Any, both: Any) -> Any:
        top, bottom = [_power_sum(r, c) for c in both]
        return top / bottom

    q = p - 0.5
    inner = q * ratio(0.180625 - q * q, _MIDDLE)
    tail = math.sqrt(-math.log(math.minimum(p, 1 - p))) - 1.6
    outer = ratio(tail, _BEYOND)
    return ops.switch(abs(q) <= 0.425, inner, ops.switch(q < 0, -outer, outer))


def _power_sum(r: Any, coefficients: Any) -> Any:
    *rest, out = coefficients
    for c in reversed(rest):
        out = out * r + c
    return out


def fitted_to(what: str, x: Any, shape: tuple[DimLike, ...], kind: DType) -> TensorVariable:
    """`x` broadcast to a shape, of a dtype."""
    v = ops.cast(as_tensor_variable(x), kind.np)
    if v.ndim > len(shape):
        raise ValueError(at(f"{what}: a parameter has {v.ndim} dims, more than the size has",
                            here()))  # fmt: skip
    return wrap(shapes.fitted(Builder(here()), what, v.value, shape))
