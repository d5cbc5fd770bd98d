"""From module text to machine code in memory: parse, verify, passes, codegen, link.

One module, one LLJIT: a shared one leaks some KB a library, a fresh one costs 0.4 ms and is freed
with the `Module`. llvmlite is loaded on the first compile. Calls from several threads are
serialized by one lock, which a fork takes as well, so that a child never inherits LLVM half-way
through something.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from jitgrad.llvm.target import Target

# Policy, from measurements (Zen 4, AVX-512, LLVM 22; ms of passes + codegen, then µs a run):
#   program                         inline, o0     light, o0      light, o1      light, o2
#   8 ops, 2 exp, <32 x double>     4.0 / 3.76     4.1 / 3.55     7.3 / 3.40     8.0 / 3.51
#   sum, 4 x <16 x double>          1.9 / 1.72     2.0 / 1.70     3.7 / 0.93     3.8 / 0.94
#   100 ops, 13 exp, <32>           23  / 46.7     24  / 49.5     63  / 35.4     69  / 35.1
#   1,000 ops, 125 exp, <32>        269 / 428      292 / 444      848 / 329      960 / 326
#   10,000 scalar ops, no loop      11.6 / 1.53    37  / 1.55     110 / 1.42     134 / 1.42
# So: codegen o1 for loops (o0 spills every accumulator), as o2 buys nothing; o0 for straight-line
# code, and for what is so big that o1 would cost most of a second. Passes run only where there is
# something to inline or an alloca to promote: instcombine is 23 of the 26 ms of the light passes
# on 10,000 ops, and made nothing faster that came from our own passes, so it is left out.
# new-gvn costs 30-50 % of the passes and removes nothing after our CSE.
_BIG = 3000

_LEVELS = ("none", "light", "full")


class CompileError(RuntimeError):
    """LLVM refused a module, or a symbol that it names was not found."""


class _Plan(NamedTuple):
    passes: str  # "none", "inline" or "full"
    codegen: int


class _Linked(NamedTuple):
    tracker: Any
    jit: Any

    def dispose(self) -> None:
        self.tracker.close()
        self.jit.close()


class _Engine:
    """LLVM as this process holds it; every use is under ``lock``."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.machines: dict[tuple[Target, int], Any] = {}
        self.dead: list[_Linked] = []
        self._llvm: Any = None

    @property
    def llvm(self) -> Any:
        if self._llvm is None:
            import llvmlite.binding as llvm

            llvm.initialize_native_target()
            llvm.initialize_native_asmprinter()
            if sys.platform.startswith("linux"):
                # Makes libm visible to the linker even if the interpreter does not link it.
                # With another libc its maths functions are in the process already.
                with contextlib.suppress(RuntimeError):
                    llvm.load_library_permanently("libm.so.6")
            self._llvm = llvm
        return self._llvm

    def machine(self, target: Target, codegen: int) -> Any:
        key = (target, codegen)
        if key not in self.machines:
            self.machines[key] = self.llvm.Target.from_triple(target.triple).create_target_machine(
                cpu=target.cpu,
                features=target.features,
                opt=codegen,
                reloc="pic",
                codemodel="default",
                jit=True,
            )
        return self.machines[key]

    def release(self, linked: _Linked) -> None:
        """Frees code; called from finalizers, hence never waits for the lock."""
        if self.lock.acquire(blocking=False):
            try:
                linked.dispose()
            finally:
                self.lock.release()
        else:
            self.dead.append(linked)

    def bury(self) -> None:
        while self.dead:
            self.dead.pop().dispose()


_engine = _Engine()


def _before_fork() -> None:
    _engine.lock.acquire()


def _after_fork_parent() -> None:
    _engine.lock.release()


def _after_fork_child() -> None:
    # Held across the fork, so no other thread was inside LLVM; waiters do not exist here.
    _engine.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_parent,
        after_in_child=_after_fork_child,
    )


class Module:
    """Machine code in memory; freed when the object dies, so whoever calls must hold it.

    Attributes: ``timings``, seconds by stage (parse, passes, codegen, link); ``plan``, the pass
    list and codegen level that were used; ``target``; ``object_code``, the ELF/Mach-O/COFF bytes.
    """

    def __init__(
        self,
        text: str,
        target: Target,
        plan: _Plan,
        timings: dict[str, float],
        object_code: bytes,
        linked: _Linked,
        addresses: dict[str, int],
    ) -> None:
        self._text = text
        self.target = target
        self.plan = plan
        self.timings = timings
        self.object_code = object_code
        self._linked = linked
        self._addresses = addresses

    def __del__(self) -> None:
        linked = getattr(self, "_linked", None)
        if linked is not None and not sys.is_finalizing():
            _engine.release(linked)

    @property
    def names(self) -> tuple[str, ...]:
        """The functions that the module defines with external linkage."""
        return tuple(self._addresses)

    def address(self, name: str) -> int:
        """The entry address of function ``name``; KeyError if the module defines none."""
        return self._addresses[name]

    def optimized_ir(self) -> str:
        """The text after the passes; made again on request, nothing is kept for it."""
        return self._again(lambda machine, module: str(module))

    def assembly(self) -> str:
        """The assembly text; made again on request."""
        return self._again(lambda machine, module: machine.emit_assembly(module))

    def _again(self, use: Any) -> str:
        with _engine.lock:
            machine = _engine.machine(self.target, self.plan.codegen)
            context, module = _parse(self._text, machine)
            try:
                _run_passes(module, machine, self.plan)
                return use(machine, module)
            finally:
                module.close()
                context.close()


def compile_module(
    text: str,
    symbols: Mapping[str, int],
    *,
    opt: str = "light",
    target: Target | None = None,
) -> Module:
    """Compiles LLVM text and links it into this process.

    ``symbols`` gives the addresses of external names; what it lacks is looked up in the process
    (libm, memcpy, malloc ...). ``opt``: "light" follows the measured policy, "none" only inlines
    ``alwaysinline`` functions, "full" runs LLVM's O3 with its vectorizers. ``target`` defaults to
    the host.

    Raises CompileError for text that LLVM refuses and for names found nowhere, ValueError for an
    unknown ``opt``.

    >>> m = compile_module("define i32 @f(i32 %x) { %y = add i32 %x, 1 ret i32 %y }", {})
    >>> ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(m.address("f"))(41)
    42
    """
    if opt not in _LEVELS:
        raise ValueError(f"opt is {opt!r}; one of {', '.join(_LEVELS)}")
    target = target or Target.host()
    plan = choose_plan(text, opt)
    clock = time.perf_counter
    with _engine.lock:
        _engine.bury()
        machine = _engine.machine(target, plan.codegen)
        marks = [clock()]
        context, module = _parse(text, machine)
        marks.append(clock())
        try:
            _run_passes(module, machine, plan)
            marks.append(clock())
            imports, exports = _symbols(module, symbols)
            object_code = machine.emit_object(module)
        finally:
            module.close()
            context.close()
        marks.append(clock())
        linked, addresses = _link(object_code, machine, imports, exports)
        marks.append(clock())
    stages = ("parse", "passes", "codegen", "link")
    timings = {s: b - a for s, a, b in zip(stages, marks, marks[1:])}
    return Module(text, target, plan, timings, object_code, linked, addresses)


def choose_plan(text: str, opt: str) -> _Plan:
    """The pass list and codegen level for ``text``: the policy at the top of this file."""
    if opt == "full":
        return _Plan("full", 2)
    work = "alwaysinline" in text or "alloca " in text
    if opt == "none":
        return _Plan("inline" if work else "none", 0)
    big = inlined_size(text) > _BIG
    loops = " phi " in text or "br i1 " in text
    return _Plan("inline" if work else "none", 1 if loops and not big else 0)


_CALL = re.compile(r"call [^@\n]*@([\w.$]+)\(")
_NAME = re.compile(r"[^@\n]*@([\w.$]+)\(")


def inlined_size(text: str) -> int:
    """Lines of ``text`` once ``alwaysinline`` functions stand at their calls.

    An estimate: functions must be defined before those that call them, as our emitters do.

    >>> inlined_size("define void @f() alwaysinline {\\n ret void\\n}\\n"
    ...              "define void @g() {\\n call void @f()\\n call void @f()\\n ret void\\n}\\n")
    14
    """
    inlined: dict[str, int] = {}
    total = 0
    for function in re.split(r"^define ", text, flags=re.MULTILINE)[1:]:
        size = function.count("\n") + 1
        if inlined:
            size += sum(inlined.get(name, 0) for name in _CALL.findall(function))
        head = function.partition("{")[0]
        name = _NAME.match(head)
        if name and "alwaysinline" in head:
            inlined[name.group(1)] = size
        else:
            total += size
    return total


def _parse(text: str, machine: Any) -> tuple[Any, Any]:
    llvm = _engine.llvm
    # A context of its own: the global one would keep every constant and type for ever.
    context = llvm.create_context()
    try:
        module = llvm.parse_assembly(text, context)
    except RuntimeError as error:
        context.close()
        raise CompileError(str(error)) from None
    try:
        module.verify()
    except RuntimeError as error:
        module.close()
        context.close()
        raise CompileError(str(error)) from None
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    return context, module


def _run_passes(module: Any, machine: Any, plan: _Plan) -> None:
    # Every run needs a new pass builder: the callbacks that a run registers in it point into that
    # run's stack frame. llvmlite never frees 5 KB of each.
    if plan.passes == "none":
        return
    llvm = _engine.llvm
    options = llvm.create_pipeline_tuning_options(3)
    if plan.passes == "full":
        options.loop_vectorization = options.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    if plan.passes == "full":
        manager = builder.getModulePassManager()
    else:
        manager = llvm.create_new_module_pass_manager()
        manager.add_always_inliner_pass()
        manager.add_sroa_pass()
        manager.add_simplify_cfg_pass()
        manager.add_dead_code_elimination_pass()
    manager.run(module, builder)


def _symbols(module: Any, given: Mapping[str, int]) -> tuple[dict[str, int], list[str]]:
    """The addresses that a module needs, and the functions that it offers."""
    imports: dict[str, int] = {}
    exports: list[str] = []
    missing: list[str] = []
    for value in (*module.functions, *module.global_variables):
        name = value.name
        if not value.is_declaration:
            if value.is_function and value.linkage.name == "external":
                exports.append(name)
        elif not name.startswith("llvm."):
            address = given.get(name) or process_symbol(name)
            if address:
                imports[name] = address
            else:
                missing.append(name)
    if missing:
        raise CompileError("no address for " + ", ".join(sorted(missing)))
    return imports, exports


def process_symbol(name: str) -> int | None:
    """The address of ``name`` in the running process (C library, libm, the interpreter)."""
    with _engine.lock:
        found = _engine.llvm.address_of_symbol(name)
    if found:
        return found
    try:
        return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
    except AttributeError:
        return None


def _link(
    object_code: bytes, machine: Any, imports: dict[str, int], exports: list[str]
) -> tuple[_Linked, dict[str, int]]:
    llvm = _engine.llvm
    jit = llvm.create_lljit_compiler(machine, suppress_errors=True)
    # The process comes in too: codegen adds calls of its own (memcpy, fmod, exp for llvm.exp).
    builder = llvm.JITLibraryBuilder().add_object_img(object_code).add_current_process()
    for name, address in imports.items():
        builder.import_symbol(name, address)
    for name in exports:
        builder.export_symbol(name)
    try:
        tracker = builder.link(jit, "jitgrad")
    except RuntimeError as error:
        jit.close()
        raise CompileError(str(error)) from None
    return _Linked(tracker, jit), {name: tracker[name] for name in exports}
