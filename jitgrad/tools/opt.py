"""`jitgrad opt`: reads IR text, runs a pipeline over its last function, prints the outcome."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import JitgradError

if TYPE_CHECKING:
    import numpy as np

    from ..ir.core import Function
    from ..passes.base import Pass


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="IR text; - reads standard input")
    parser.add_argument(
        "-p",
        "--passes",
        default="",
        metavar="PIPELINE",
        help='"canonicalize,simplify{fold=false}", or a name: tensor, lower',
    )
    parser.add_argument("--verify", action="store_true", help="check the IR after every pass")
    parser.add_argument("--time", action="store_true", help="milliseconds by pass, to stderr")
    parser.add_argument("--print-after-all", action="store_true", help="the IR after every pass")
    parser.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="stop after N rewrites, and list them: to bisect a wrong one",
    )
    parser.add_argument("--locs", action="store_true", help="print locations and what made an op")
    parser.add_argument(
        "--interpret",
        action="store_true",
        help="run input and output on the interpreter, and compare",
    )
    parser.add_argument(
        "--args",
        metavar="VALUES",
        help='arguments for --interpret as JSON: "[1.0, 2.0], 3"; else made up',
    )
    parser.add_argument("--seed", type=int, default=0, help="for arguments that are made up")


def run(args: argparse.Namespace) -> int:
    from ..ir.parser import parse_function
    from ..ir.printer import format_function
    from ..ir.verify import verify

    try:
        text = sys.stdin.read() if args.file == "-" else Path(args.file).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise JitgradError(f"{args.file} is no text") from None
    # of a golden file, the input
    fn = parse_function(text.partition("\n// ----\n")[0])
    if args.verify:
        verify(fn)
    out = _optimize(args, fn)
    print(format_function(out, locs=args.locs))
    return _interpret(args, fn, out) if args.interpret else 0


def _optimize(args: argparse.Namespace, fn: Function) -> Function:
    if not args.passes:
        return fn
    from ..ir.printer import format_function
    from ..passes.base import rewrite_limit
    from ..passes.pipelines import PIPELINES, parse_pipeline

    def after(p: Pass, stage: Function) -> None:
        print(f"// after {p}\n{format_function(stage, locs=args.locs)}\n")

    # names of pipelines may stand among the passes
    text = ",".join(PIPELINES.get(part.strip(), part) for part in args.passes.split(","))
    timings: dict[str, float] = {}
    with rewrite_limit(sys.maxsize if args.limit is None else args.limit) as budget:
        out = parse_pipeline(text).run(
            fn,
            verify=args.verify,
            timings=timings,
            after=after if args.print_after_all else None,
        )
    if args.limit is not None:
        for k, rule in enumerate(budget.used):
            print(f"rewrite {k + 1}: {rule}", file=sys.stderr)
    if args.time:
        for name, seconds in timings.items():
            print(f"{name:>16} {1e3 * seconds:9.3f} ms", file=sys.stderr)
        print(f"{'all':>16} {1e3 * sum(timings.values()):9.3f} ms", file=sys.stderr)
    return out


def _arrays(fn: Function, text: str | None, seed: int) -> tuple[np.ndarray, ...]:
    import numpy as np

    from ..testing.arguments import arguments

    if text is None:
        return arguments(fn, seed)
    try:
        values: list[Any] = json.loads(f"[{text}]")
    except json.JSONDecodeError as err:
        raise JitgradError(f"--args is not JSON: {err}") from None
    if len(values) != len(fn.params):
        raise JitgradError(f"@{fn.name} takes {len(fn.params)} arguments, not {len(values)}")
    try:
        return tuple(np.asarray(v, p.type.dtype.np) for v, p in zip(values, fn.params))
    except (ValueError, TypeError, OverflowError) as err:
        raise JitgradError(f"--args: {err}") from None


def _interpret(args: argparse.Namespace, fn: Function, out: Function) -> int:
    """Print the results; 1 where input and output of the passes disagree."""
    import numpy as np

    from ..ir.interp import run as interpret

    arrays = _arrays(fn, args.args, args.seed)
    for p, a in zip(fn.params, arrays):
        print(f"// {p.name or 'argument'} = {_show(a)}")
    want, got = interpret(fn, arrays), interpret(out, arrays)
    status = 0
    for k, (g, w) in enumerate(zip(got, want)):
        print(f"// result {k} = {_show(g)}")
        tol = 1e-5 if g.dtype.itemsize < 8 else 1e-12
        if not np.allclose(g, w, rtol=tol, atol=tol, equal_nan=g.dtype.kind in "fc"):
            print(f"// BEFORE THE PASSES: {_show(w)}")
            status = 1
    return status


def _show(a: np.ndarray) -> str:
    return repr(a.tolist())
