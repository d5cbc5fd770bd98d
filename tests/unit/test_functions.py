"""Derivatives of mathematical functions: their digits at hard arguments, and what edges give."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from jitgrad.compile import compile_ir
from jitgrad.errors import DTypeError
from jitgrad.ir.build import Builder
from jitgrad.ir.core import Function, Value, function
from jitgrad.ir.interp import run
from jitgrad.ir.ops import TABLE
from jitgrad.ir.types import F64, tensor
from jitgrad.transforms import jvp, vjp

INF, NAN = math.inf, math.nan


def elementwise(name: str, shape: tuple[int, ...]) -> Function:
    """The function `name` alone; `polygamma.2` is of order 2."""
    stem, _, order = name.partition(".")
    params = [Value(tensor(F64, shape), name=c) for c in "xyz"[: TABLE[stem].arity or 1]]
    attrs = {"n": int(order)} if order else {}
    return function("f", params, [Builder()(stem, *params, **attrs)])


def by_interpreter(fn: Function, args: list) -> list:
    return list(run(fn, args))


def by_machine(fn: Function, args: list) -> list:
    out = compile_ir(fn).call(*args)
    return list(out) if isinstance(out, tuple) else [out]


WAYS = [by_interpreter, by_machine]


def slopes(way, name: str, *args: np.ndarray) -> list[np.ndarray]:
    """The derivatives by each operand, in reverse mode."""
    fn = vjp(elementwise(name, args[0].shape))
    ones = [np.ones(p.type.shape) for p in fn.params[len(args) :]]
    with np.errstate(all="ignore"):
        return way(fn, [*args, *ones])


def forward(way, name: str, x: np.ndarray) -> np.ndarray:
    """The derivative in forward mode."""
    with np.errstate(all="ignore"):
        return way(jvp(elementwise(name, x.shape)), [x, np.ones_like(x)])[-1]


def second(way, name: str, x: np.ndarray) -> np.ndarray:
    """The second derivative, reverse over reverse."""
    once = vjp(elementwise(name, x.shape))
    u = Value(once.params[0].type, name="u")
    b = Builder()
    (slope,) = b("call", u, b.const(1.0, u.type), callee=once) if "call" in TABLE else (None,)
    twice = vjp(function("g", [u], [slope]))
    with np.errstate(all="ignore"):
        return way(twice, [x, np.ones_like(x)])[-1]
