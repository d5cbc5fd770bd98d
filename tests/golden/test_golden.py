"""Golden files: a pipeline, a function, and the text that must come out.

    // pass: simplify,cse        the pipeline; empty for a mere round trip
    func @f(...) ... { ... }     the input (functions that it calls above it)
    // ----
    func @f(...) ... { ... }     what the last function becomes

`pytest --bless` rewrites what stands below the line. Input and output are also parsed and printed
again, verified, and run on arguments made from the parameters' types: they must agree.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jitgrad.errors import JitgradError
from jitgrad.ir.core import Function
from jitgrad.ir.interp import run
from jitgrad.ir.parser import parse_function
from jitgrad.ir.printer import format_function
from jitgrad.ir.verify import verify
from jitgrad.testing.programs import arguments

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*/*.jg"))
LINE = "// ----"


def apply(passes: str, fn: Function) -> Function:
    if not passes:
        return fn
    from jitgrad.passes.pipelines import PIPELINES, parse_pipeline

    text = ",".join(PIPELINES.get(part.strip(), part) for part in passes.split(","))
    return parse_pipeline(text).run(fn, verify=True)


def outcome(fn: Function, args: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...] | type:
    """The results, or the type of the error."""
    try:
        with np.errstate(all="ignore"):
            return run(fn, args)
    except (JitgradError, IndexError, ValueError) as err:
        return type(err)


def assert_same(got: object, want: object) -> None:
    """Equal errors, or arrays equal up to what passes may change."""
    if isinstance(want, type) or isinstance(got, type):
        assert got is want
        return
    assert isinstance(got, tuple) and isinstance(want, tuple) and len(got) == len(want)
    for g, w in zip(got, want):
        assert g.dtype == w.dtype
        assert g.shape == w.shape
        if w.dtype.kind in "fc":
            tol = 1e-4 if w.dtype.itemsize < 8 else 1e-10
            np.testing.assert_allclose(g, w, rtol=tol, atol=tol)
        else:
            np.testing.assert_array_equal(g, w)


def round_trips(fn: Function) -> str:
    """The text of `fn`, read and printed again without change, locations included."""
    for locs in (True, False):
        text = format_function(fn, locs=locs)
        assert format_function(parse_function(text), locs=locs) == text
    return text


def test_there_are_golden_files() -> None:
    assert len(FILES) >= 6


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_golden(path: Path, bless: bool) -> None:
    text = path.read_text(encoding="utf-8")
    first = text.partition("\n")[0]
    assert first.startswith("// pass:"), f"{path}: the first line names the pipeline"
    source, line, expected = text.partition(f"\n{LINE}\n")
    fn = parse_function(source)
    verify(fn)
    round_trips(fn)
    out = apply(first.removeprefix("// pass:").strip(), fn)
    verify(out)
    got = round_trips(out)
    if bless:
        path.write_text(f"{source.rstrip()}\n{LINE}\n{got}\n", encoding="utf-8")
    else:
        assert line, f"{path}: no line {LINE}; run pytest --bless"
        assert got == expected.rstrip("\n")
    for seed, size in ((0, None), (1, None), (2, 1), (3, 0)):
        sizes = None if size is None else dict.fromkeys(fn.dims, size)
        args = arguments(fn, seed, sizes)
        assert_same(outcome(out, args), outcome(fn, args))
