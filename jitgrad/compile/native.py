"""From a tensor function to a native callable: where passes, LLVM and runtime meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from ..arguments import convert, describe
from ..errors import GuardError, JitgradError, ShapeError, at
from ..ir.core import Function, Value
from ..ir.dims import Dim, evaluate
from ..ir.gcpause import without_gc
from ..ir.interp import bind_dims

NUMBERS = -1  # accept every Python number that the dtype holds without loss


class Compiled:
    """A compiled function and every stage it went through.

    call        the native callable on flat arguments
    source      the IR as it came; `optimized` after the tensor passes, `kernels` after fusion
    llvm        the text handed to LLVM; `module` its machine code
    timings     seconds by phase
    """

    def __init__(self, source: Function) -> None:
        self.source = source
        self.optimized = source
        self.kernels = source
        self.llvm = ""
        self.module: Any = None
        self.call: Any = None
        self.timings: dict[str, float] = {}
        self.report: Any = None
        # how `call` reads arguments and gives results, and where its code is
        self.spec: Any = None
        self.core = 0
        self.prep: int | None = None
        self.exact: Any = None
        self.form: dict[str, Any] = {}  # the options that say what a call gives

    @property
    def asm(self) -> str:
        """The assembly of the machine code."""
        return self.module.assembly()

    def ir(self, stage: str = "optimized") -> str:
        """The text of one stage: "trace", "optimized", "kernels", "llvm" or "asm"."""
        from ..ir.printer import format_function

        if stage in ("llvm", "asm"):
            return self.llvm if stage == "llvm" else self.asm
        stages = {"trace": self.source, "optimized": self.optimized, "kernels": self.kernels}
        if stage not in stages:
            raise ValueError(f"stage {stage!r}; the stages are {', '.join(stages)}, llvm, asm")
        return format_function(stages[stage]) + notes_of(stages[stage])


def notes_of(fn: Function) -> str:
    """What fusion decided, as comments behind the IR; nothing for other stages."""
    return "".join(f"\n// {note}" for note in fn.cache.get("fuse", ()))


class Exact:
    """Calls on arrays of the right dtypes, ranks and sizes, in any layout.

    Large arrays that are not C-contiguous are read where they lie, by code made for the layout at
    the first such call, for a few layouts; all others are copied.
    """

    VARIANTS = 3

    def __init__(self, stages: Compiled, make: Callable[[], Any]) -> None:
        self.stages = stages
        self.make = make
        self.plain: Any = None
        self.variants: dict[tuple[str, ...], Any] = {}

    def __call__(self, arrays: Sequence[np.ndarray]) -> Any:
        if self.plain is None:
            self.plain = self.make()
        layouts = tuple(["c" if a.flags.c_contiguous else "strided" for a in arrays])
        if "strided" in layouts:
            if self.stages.source.layouts == layouts:
                return self.plain(*arrays)
            found = self.variants.get(layouts)
            if found is None and len(self.variants) < self.VARIANTS:
                source = self.stages.source
                fn = Function(source.name, source.body, layouts)
                found = self.variants[layouts] = compile_ir(fn, **self.stages.form).exact
            if found is not None:
                return found(arrays)
            arrays = [np.ascontiguousarray(a) if a.ndim else a for a in arrays]
        return self.plain(*arrays)


def optimize(fn: Function, timings: dict[str, float] | None = None) -> Function:
    """The function after the tensor passes: what `pp` of a compiled function shows."""
    from ..passes.pipelines import TENSOR, parse_pipeline

    return parse_pipeline(TENSOR).run(fn, timings=timings)


@without_gc
def compile_ir(
    fn: Function,
    *,
    name: str = "",
    doc: str | None = None,
    result: str = "tuple",
    scalars: bool | Sequence[bool] = False,
    accept: Sequence[int] | None = None,
    slow: Callable[..., Any] | None = None,
    on_guard: Callable[[tuple], Any] | None = None,
    on_shape: Callable[[tuple], Any] | None = None,
) -> Compiled:
    """Compile `fn` for arrays of its parameters' types.

    result    what a call gives: "single", "tuple", "list" or "none"
    scalars   rank-0 results as NumPy scalars, not 0-d arrays: for all, or a flag for each
    accept    for each parameter of rank 0, bits of `llvm.entry.ACCEPT_*`; NUMBERS is the default
    slow      called with the arguments of a call that does not fit; by default they are converted
              where nothing is lost, else a TypeError or ShapeError names the argument
    on_guard  called with the arguments where a value guard failed; its result is the call's
    on_shape  called with the arguments where sizes do not fit; it may raise a better error
    """
    from ..llvm.lower import lower
    from ..llvm.target import Target
    from ..passes.pipelines import LOWER, parse_pipeline
    from ..runtime.blas import blas
    from ..runtime.callbacks import callbacks

    out = Compiled(fn)
    out.form = {"name": name, "result": result, "scalars": scalars, "on_guard": on_guard}
    clock, times = perf_counter(), out.timings
    out.optimized = optimize(fn, times)
    out.kernels = parse_pipeline(LOWER).run(out.optimized, timings=times)
    times["passes"] = perf_counter() - clock
    clock = perf_counter()
    library = blas()
    products = library.symbols if library.ints_64 else {}
    lowered = lower(out.kernels, target=Target.host(), blas=products)
    out.llvm, out.report = lowered.text, lowered.report
    times["emit"] = perf_counter() - clock
    clock = perf_counter()
    from ..llvm.engine import compile_module

    symbols = {s: products[s] for s in lowered.externals if s in products}
    if len(symbols) < len(lowered.externals):
        symbols |= {s: a for s, a in callbacks().items() if s in lowered.externals}
    out.module = compile_module(lowered.text, symbols)
    times["llvm"] = perf_counter() - clock
    clock = perf_counter()
    out.call = _native(out, lowered, name or fn.name, doc, result, scalars, accept, slow, on_guard,
                       on_shape)  # fmt: skip
    times["entry"] = perf_counter() - clock
    return out


def _native(
    stages: Compiled,
    lowered: Any,
    name: str,
    doc: str | None,
    result: str,
    scalars: bool | Sequence[bool],
    accept: Sequence[int] | None,
    slow: Callable[..., Any] | None,
    on_guard: Callable[[tuple], Any] | None,
    on_shape: Callable[[tuple], Any] | None,
) -> Any:
    from ..runtime.native import ACCEPT_ARRAY, ArgSpec, CallSpec, OutSpec, accepts, make_native

    fn, module = stages.kernels, stages.module
    place = {d: k for k, d in enumerate(lowered.dims)}
    args = []
    for k, (p, how) in enumerate(zip(fn.params, fn.layouts)):
        dtype = p.type.dtype.np
        flags = NUMBERS if accept is None else accept[k]
        if p.type.shape or flags == NUMBERS:
            flags = accepts(dtype, len(p.type.shape))
        args.append(
            ArgSpec(p.name or f"argument {k}", dtype, _dims(p, place), how == "strided", flags)
        )
    flags_out = [scalars] * len(fn.results) if isinstance(scalars, bool) else scalars
    outs = [
        OutSpec(
            v.type.dtype.np,
            v.type.rank,
            "scalar" if flag and not v.type.shape else "array",
            None if lowered.has_prep else _dims(v, place),
        )
        for v, flag in zip(fn.results, flags_out)
    ]
    spec = CallSpec(tuple(args), tuple(outs), len(lowered.dims), lowered.static_arena, result, True)

    core = module.address("core")
    prep = module.address("prep") if lowered.has_prep else None
    stages.spec, stages.core, stages.prep = spec, core, prep

    def on_error(status: int, op_id: int, v0: int, v1: int, v2: int, call: tuple) -> Any:
        if status == 2 and on_guard is not None:
            return on_guard(call)
        if status == 1 and on_shape is not None:
            on_shape(call)
        raise error_of(lowered.errors, status, op_id, v0, v1)

    def make_exact() -> Any:
        """A callable that takes arrays of the parameters' types, and nothing else."""
        only = tuple([a._replace(accept=ACCEPT_ARRAY) for a in args])
        refuse = _refuse(stages)
        return make_native(spec._replace(args=only), core, prep, refuse, on_error, module, name)

    stages.exact = Exact(stages, make_exact)
    if slow is None:

        def slow(*given: Any, **named: Any) -> Any:
            arrays = convert(fn, given, named)
            check_dims(stages, arrays)
            return stages.exact(arrays)

    return make_native(spec, core, prep, slow, on_error, module, name, doc)


def _dims(p: Value, place: Mapping[str, int]) -> tuple[Any, ...]:
    out: list[Any] = []
    for d in p.type.shape:
        if d.__class__ is not Dim:
            out.append(d)
        elif repr(d) in place:
            out.append(("sym", place[repr(d)]))
        else:
            raise JitgradError(f"the parameter {p.name} has the dim {d}; name it and require it")
    return tuple(out)


def _refuse(stages: Compiled) -> Callable[..., Any]:
    def refuse(*given: Any, **named: Any) -> Any:
        check_dims(stages, given)
        raise TypeError(f"{stages.source.name} does not take {', '.join(map(describe, given))}")

    return refuse


def error_of(sites: Sequence[Any], status: int, op_id: int, v0: int, v1: int) -> BaseException:
    """The exception of an error record."""
    site = sites[op_id] if 0 <= op_id < len(sites) else None
    loc = site.loc if site is not None else None
    if status == 1:
        message = site.message if site is not None else "shapes do not fit"
        return ShapeError(at(f"{message} ({v0} and {v1})", loc))
    if status == 2:
        return GuardError(at(site.message if site is not None else "a guard failed", loc))
    if status == 3:
        return IndexError(at(f"index {v0} is out of bounds for axis with size {v1}", loc))
    if status == 4:
        return ValueError(at(site.message if site is not None else "a value is wrong", loc))
    if status == 5:
        from ..runtime.callbacks import pending

        raised = pending()
        if raised is not None:
            return raised
    return JitgradError(at(f"compiled code ended with status {status}", loc))


def check_dims(stages: Compiled, arrays: Sequence[Any]) -> None:
    """Raise `ShapeError` where sizes contradict the parameters' dims, or what a line required."""
    env: dict[str, int] = {}
    bind_dims(stages.source.params, arrays, env)
    for kept, dropped, message, loc in stages.optimized.cache.get("dim_notes", ()):
        if dropped in env and evaluate(kept, env) != env[dropped]:
            raise ShapeError(at(f"{message} ({evaluate(kept, env)} and {env[dropped]})", loc))
    bind_dims(stages.kernels.params, arrays, {})
