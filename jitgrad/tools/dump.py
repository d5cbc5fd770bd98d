"""`jitgrad dump`: traces a Python function for given argument types and prints one stage of it."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import JitgradError, ParseError

if TYPE_CHECKING:
    from ..ir.types import TensorType

# as typed -> as the compiled function calls it
STAGES = {"trace": "trace", "opt": "optimized", "kernels": "kernels", "llvm": "llvm", "asm": "asm"}
# sizes that stand for symbolic dims while tracing: large, and no multiples of each other
_SIZES = (101, 103, 107, 109, 113, 127, 131, 137, 139, 149)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "function",
        metavar="MODULE:FUNCTION",
        help="pkg.module:loss, or a file: model.py:loss, or model.py:net.loss",
    )
    parser.add_argument("--args", default="", metavar="TYPES", help='"f64[n, 3], f64[3], f64"')
    parser.add_argument("--stage", choices=STAGES, default="opt", help="opt, if not given")
    parser.add_argument(
        "--grad", action="store_true", help="the function's value and gradient instead"
    )
    parser.add_argument(
        "--locs", action="store_true", help="lines and what made an op; for trace, opt and kernels"
    )


def run(args: argparse.Namespace) -> int:
    from ..traced import ShapeDtypeStruct, jit

    fun = find(args.function)
    if args.grad:
        from ..api import value_and_grad

        fun = value_and_grad(fun)
    types = parse_types(args.args)
    sizes = _sizes(types)
    specs = [ShapeDtypeStruct(s, t.dtype.np) for s, t in zip(sizes, types)]
    try:
        inspect.signature(fun).bind(*specs)
    except TypeError as err:
        raise JitgradError(f"{args.function} with --args {args.args!r}: {err}") from None
    except ValueError:
        pass  # a function of C has no signature to ask
    try:
        lowered = jit(fun).lower(*specs)
    except JitgradError:
        raise
    except Exception as err:
        raise JitgradError(failed(f"{args.function} raised", err)) from None
    print(text_of(lowered, args.stage, args.locs))
    return 0


def failed(what: str, err: Exception) -> str:
    """What a user's own code raised, with the line of it, the deepest outside of jitgrad."""
    text = f"{what} {type(err).__name__}: {err}"
    if " line " in str(err):  # it says so itself
        return text
    ours = str(Path(__file__).parents[1])
    frames = [f for f in traceback.extract_tb(err.__traceback__)
              if not f.filename.startswith((ours, "<frozen"))]  # fmt: skip
    if not frames:
        return text
    last = frames[-1]
    return f'{text}\n  at "{last.filename}", line {last.lineno}, in {last.name}\n    {last.line}'


def text_of(lowered: Any, stage: str, locs: bool = False) -> str:
    """One stage of a lowered function; `locs` matters where the stage is IR of ours."""
    if not locs or stage in ("llvm", "asm"):
        return lowered.ir(STAGES[stage])
    from ..compile import notes_of
    from ..ir.printer import format_function
    from ..passes.pipelines import PIPELINES, parse_pipeline

    fn = lowered.function
    for name in {"trace": (), "opt": ("tensor",), "kernels": ("tensor", "lower")}[stage]:
        fn = parse_pipeline(PIPELINES[name]).run(fn)
    return format_function(fn, locs=True) + notes_of(fn)


def find(target: str) -> Callable[..., Any]:
    """The function that `module:function` or `file.py:function` names."""
    place, colon, name = target.rpartition(":")
    if not colon or not place or not name:
        raise JitgradError(f"{target!r} is not MODULE:FUNCTION")
    if place.endswith(".py"):
        path = Path(place)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise JitgradError(f"there is no file {place}")
        found: Any = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(path.stem, found)
        sys.path.insert(0, str(path.resolve().parent))
        try:
            spec.loader.exec_module(found)
        except Exception as err:
            raise JitgradError(failed(f"{place} raised", err)) from None
    else:
        sys.path.insert(0, "")  # as `python -m` does
        try:
            found = importlib.import_module(place)
        except ModuleNotFoundError as err:
            raise JitgradError(f"cannot import {place}: {err}") from None
        except Exception as err:
            raise JitgradError(failed(f"{place} raised", err)) from None
    for part in name.split("."):
        if not hasattr(found, part):
            raise JitgradError(f"{place} has no {name}")
        found = getattr(found, part)
    if not callable(found):
        raise JitgradError(f"{target} is no function but {found!r:.60}")
    return found


def parse_types(text: str) -> list[TensorType]:
    """Types as they are written in IR, with commas between them.

    >>> parse_types("f64[n, 3], i64")
    [f64[n, 3], i64]
    """
    from ..ir.parser import parse_type_list

    try:
        return parse_type_list(text)
    except ParseError as err:
        raise JitgradError(f"--args: {err}") from None


def _sizes(types: Sequence[TensorType]) -> list[tuple[int, ...]]:
    """The shape of each argument, with a number for each symbol."""
    from ..ir.core import dim_names
    from ..ir.dims import evaluate

    names = dim_names(types)
    if len(names) > len(_SIZES):
        raise JitgradError(f"--args: at most {len(_SIZES)} symbols")
    env = dict(zip(names, _SIZES))
    return [tuple(evaluate(d, env) for d in t.shape) for t in types]
