"""Threefry-2x64: random bits as a function of a key and a counter, in operations of the IR.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). It
has no state but the counter, so that every element is computed by itself, in any order and in
vectors. With 13 rounds, the fewest that the authors found to pass all of BigCrush, it is the
generator that they list as Threefry-2x64-13.
"""

from __future__ import annotations

from ..ir.build import Builder
from ..ir.core import Value
from ..ir.dims import DimLike
from ..ir.types import DTYPES, tensor

ROUNDS = 13
_ROTATIONS = (16, 42, 12, 31, 16, 32, 24, 21)
_PARITY = 0x1BD11BDAA9FC1A22
U64 = DTYPES["u64"]


def threefry(b: Builder, key: tuple[Value, Value], counter: tuple[Value, Value],
             rounds: int = ROUNDS) -> tuple[Value, Value]:  # fmt: skip
    """Two u64 of random bits for each element of the counter; the key's words are scalars."""
    shape = counter[0].type.shape

    def wide(v: Value) -> Value:
        return b.broadcast(v, shape, ())

    def number(n: int, of: Value) -> Value:
        return b.const(n, of.type)

    k0, k1 = key
    k2 = b("xor", b("xor", k0, k1), number(_PARITY, k0))
    keys = (k0, k1, k2)
    x, y = b.add(counter[0], wide(k0)), b.add(counter[1], wide(k1))
    for i in range(rounds):
        turn = _ROTATIONS[i % 8]
        x = b.add(x, y)
        y = b("or", b("shl", y, number(turn, y)), b("shr", y, number(64 - turn, y)))
        y = b("xor", y, x)
        if i % 4 == 3:
            s = i // 4 + 1
            x = b.add(x, wide(keys[s % 3]))
            y = b.add(y, wide(b.add(keys[(s + 1) % 3], number(s, k0))))
    return x, y


def counted(b: Builder, state: Value, size: DimLike) -> tuple[Value, Value]:
    """Random bits, u64[size] twice, of a state u64[3]: two words of key, and how often it was drawn
    from. An element's counter is its index, and the number of the draw."""
    words = [b.reshape(b("slice", state, starts=(i,), stops=(i + 1,), steps=(1,)), ())
             for i in range(3)]  # fmt: skip
    index = b("iota", type=tensor(U64, (size,)), axis=0)
    return threefry(b, (words[0], words[1]), (index, b.broadcast(words[2], (size,), ())))


def next_state(b: Builder, state: Value) -> Value:
    """The state for the next draw."""
    one = b("eq", b("iota", type=state.type, axis=0), b.const(2, state.type))
    return b.add(state, b.cast(one, U64))
