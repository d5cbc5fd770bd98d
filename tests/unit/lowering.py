"""What the tests of lowering share: functions made by hand, compiled, called as the entry would."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitgrad.ir import interp
from jitgrad.ir.build import Builder
from jitgrad.ir.core import Block, Function, Op, Value, function
from jitgrad.ir.dims import symbol
from jitgrad.ir.types import BOOL, DTYPES, tensor
from jitgrad.llvm.engine import Module, compile_module
from jitgrad.llvm.lower import Lowered, lower
from jitgrad.llvm.target import Target
from jitgrad.runtime.blas import blas_symbols

HOST = Target.host()
B = Builder()
n, m, p = symbol("n"), symbol("m"), symbol("p")
SHAPES = ((1, 1), (3, 40), (40, 3), (0, 5), (5, 0), (33, 65))
SIZES = (0, 1, 7, 8, 9, 31, 32, 33, 64, 65, 2047, 2048, 2049, 5000)
FLOATS, INTS = ("f64", "f32"), tuple(f"{k}{b}" for k in "iu" for b in (8, 16, 32, 64))


class StatusError(Exception):
    """A core or prep that ended with a status: (status, op id, v0, v1)."""


class Compiled:
    """A function lowered and compiled, called on arrays as the entry would."""

    def __init__(self, fn: Function, blas: bool = False, target: Target = HOST) -> None:
        symbols = blas_symbols() if blas else {}
        self.fn = fn
        self.low: Lowered = lower(fn, target=target, blas=symbols)
        self.module: Module = compile_module(self.low.text, symbols, target=target)

    def _run(self, name: str, ctx: np.ndarray, *pointers: Any) -> None:
        kinds = [ctypes.c_void_p] * (1 + len(pointers))
        core = ctypes.CFUNCTYPE(ctypes.c_int32, *kinds)(self.module.address(name))
        at = [a.ctypes.data if isinstance(a, np.ndarray) else ctypes.addressof(a) for a in pointers]
        status = core(ctx.ctypes.data, *at)
        if status:
            raise StatusError(status, *ctx[:3].tolist())

    def __call__(self, *args: np.ndarray) -> tuple[np.ndarray, ...]:
        env: dict[str, int] = {}
        interp.bind_dims(self.fn.params, args, env)
        dims = [env[d] for d in self.low.dims]
        for layout, a in zip(self.fn.layouts, args):
            if layout == "strided":
                dims += a.strides
            else:
                assert a.flags.c_contiguous
        ctx, dims_, size = np.zeros(4, np.int64), np.array([*dims, 0]), self.low.static_arena
        shapes = [interp.resolve(r.type.shape, env) for r in self.fn.results]
        if self.low.has_prep:
            out, arena = np.zeros(sum(map(len, shapes)) + 1, np.int64), np.zeros(1, np.int64)
            self._run("prep", ctx, dims_, out, arena)
            assert out[:-1].tolist() == [d for s in shapes for d in s]
            size = int(arena[0])
        outs = [np.full(s, 77, r.type.dtype.np) for s, r in zip(shapes, self.fn.results)]
        room = np.full(size + 128, 0x7F, np.uint8)
        start = -room.ctypes.data % 64
        room[start + size :] = 0x55
        pointers = ctypes.c_void_p * (len(args) + len(outs))
        self._run(
            "core",
            ctx,
            pointers(*(a.ctypes.data for a in args)),
            pointers(*(a.ctypes.data for a in outs)),
            dims_,
            room[start : start + size + 1],
        )
        assert (room[start + size :] == 0x55).all(), "the arena was overrun"
        return tuple(outs)

    def check(self, *args: Any, ulps: int = 4) -> tuple[np.ndarray, ...]:
        """Run, and compare with the interpreter."""
        arrays = [np.asarray(a) for a in args]
        kept = [a.copy() for a in arrays]
        got, want = self(*arrays), interp.run(self.fn, arrays)
        for a, b in zip(arrays, kept):
            np.testing.assert_array_equal(a, b)
        for g, w in zip(got, want):
            same(g, w, ulps)
        return got


def same(got: np.ndarray, want: np.ndarray, ulps: int) -> None:
    assert got.dtype == want.dtype and got.shape == want.shape
    if got.dtype.kind == "f":
        eps = np.finfo(got.dtype).eps
        np.testing.assert_allclose(got, want, rtol=ulps * eps, atol=0)
    else:
        np.testing.assert_array_equal(got, want)


class Nest:
    """Hand-made kernels: `loop` and the ops inside go to the level that is open."""

    def __init__(self, ins: Sequence[Value], outs: Sequence[Any]) -> None:
        self.params = list(ins)
        self.ins = [Value(v.type) for v in ins]
        self.outs = [Value(t) for t in outs]
        self.ops: list[Op] = []

    def __call__(self, name: str, *operands: Value, **attrs: Any) -> Any:
        op = B.op(name, *operands, **attrs)
        self.ops.append(op)
        return op.results[0] if len(op.results) == 1 else op.results

    def const(self, value: Any, dtype: str = "f64") -> Value:
        return self("constant", value=value, type=tensor(dtype, ()), spelling="")

    def loop(
        self, var: str, extent: Any, body: Callable[[], Sequence[Value]], *, vector: bool = False,
        monoids: tuple[str, ...] = (),
    ) -> Any:  # fmt: skip
        outer, self.ops = self.ops, []
        results = body() or ()
        block, self.ops = Block((), self.ops, results), outer
        return self(
            "loop", regions=(block,), var=var, extent=extent, vector=vector, monoids=monoids
        )

    def kernel(self) -> Op:
        return B.op("kernel", *self.params, regions=(Block((*self.ins, *self.outs), self.ops, ()),))

    def function(self, layouts: Sequence[str] | None = None) -> Function:
        return function("f", self.params, self.kernel().results, layouts=layouts)


def param(dtype: str, *shape: Any, name: str = "x") -> Value:
    return Value(tensor(dtype, shape), name=name)


i, j = symbol("i"), symbol("j")


def elementwise(name: str, dtypes: Sequence[str], out: str, extent: Any = n, **attrs: Any) -> Op:
    k = Nest([param(d, extent) for d in dtypes], [tensor(out, (extent,))])

    def body() -> None:
        v = k(name, *(k("load", x, index=(i,)) for x in k.ins), **attrs)
        k("store", v, k.outs[0], index=(i,))

    k.loop("i", extent, body, vector=True)
    return k.kernel()


def of_op(op: Op) -> Function:
    return function("f", list(op.operands), op.results)


SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e300, -1e-310, 0.5, 2.0, -2.5, 3.0]


def samples(dtype: str, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    d = DTYPES[dtype]
    if d.kind == "f":
        a = rng.normal(size=count) * 3
        special = np.resize(np.roll(SPECIAL, seed), count)
        with np.errstate(over="ignore"):
            return np.where(rng.random(count) < 0.4, special, a).astype(d.np)
    if d is BOOL:
        return rng.random(count) < 0.5
    info = np.iinfo(d.np)
    a = rng.integers(info.min, info.max, count, d.np, endpoint=True)
    return np.where(rng.random(count) < 0.5, a, rng.integers(0, 3, count).astype(d.np))
