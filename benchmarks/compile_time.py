"""Compile time against graph size: a value and its gradient, straight-line, 10 to 10,000 ops.

`python benchmarks/compile_time.py [--sizes 10,100,1000]` prints a line a size: the ops of the
final program, microseconds an op of Python work (tracing, differentiating, passes, emitting) and
of LLVM, and the whole in milliseconds; then the phases of the largest size.
"""

from __future__ import annotations

import argparse
from time import perf_counter

import jitgrad.numpy as np
from jitgrad.api import value_and_grad
from jitgrad.compile import compile_ir
from jitgrad.ir.core import Function


def chain(n: int, inputs: int):
    """A function of `inputs` scalars in n ops, each depending on near and far values."""

    def f(*xs):
        vs = list(xs)
        for i in range(n):
            a, b = vs[-1], vs[-1 - (7 * i + 3) % min(len(vs), 50)]
            k = i % 5
            if k == 0:
                v = a * b
            elif k == 1:
                v = a + 0.5 * b
            elif k == 2:
                v = np.sin(a)
            elif k == 3:
                v = a - b * b
            else:
                v = np.exp(-a * a)
            vs.append(v)
        total = vs[-1]
        for x in xs:
            total = total + x * x
        return total

    return f


def count(fn: Function) -> int:
    """Ops of a function, those inside kernels and other regions included."""
    total = 0
    stack = [fn.body]
    while stack:
        block = stack.pop()
        total += len(block.ops)
        for op in block.ops:
            stack += op.regions
    return total


def measure(n: int, inputs: int) -> dict[str, float]:
    """Seconds by phase for one size, traced as `jit(value_and_grad(f))` traces it."""
    from jitgrad.api import make_ir

    f = value_and_grad(chain(n, inputs), argnums=tuple(range(inputs)))
    args = [0.1 + 0.001 * k for k in range(inputs)]
    start = perf_counter()
    fn = make_ir(f)(*args)
    trace = perf_counter() - start
    compiled = compile_ir(fn)
    times = {k: compiled.timings[k] for k in ("passes", "emit", "llvm", "entry")}
    return {"trace and gradient": trace, **times, "ops": count(compiled.kernels)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10,100,1000,2000,10000")
    parser.add_argument("--repeat", type=int, default=3)
    sizes = [int(s) for s in parser.parse_args().sizes.split(",")]
    repeat = parser.parse_args().repeat
    measure(10, 2)  # imports, LLVM's start
    print(f"{'ops written':>12}{'inputs':>8}{'final ops':>11}{'Python us/op':>14}{'LLVM us/op':>12}"
          f"{'whole ms':>10}")  # fmt: skip
    for n in sizes:
        inputs = max(2, n // 10)
        runs = [measure(n, inputs) for _ in range(repeat)]
        best = {k: min(r[k] for r in runs) for k in runs[0]}
        ops = best.pop("ops")
        whole = sum(best.values())
        python = whole - best["llvm"]
        each = python / ops * 1e6, best["llvm"] / ops * 1e6
        print(f"{n:12}{inputs:8}{ops:11.0f}{each[0]:14.1f}{each[1]:12.1f}{whole * 1e3:10.1f}")
    print(f"\nphases at {sizes[-1]} ops, us an op of the final program:")
    for phase, seconds in best.items():
        print(f"  {phase:20}{seconds / ops * 1e6:8.2f}")


if __name__ == "__main__":
    main()
