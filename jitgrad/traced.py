"""`jit` and what else looks at a whole traced function: eval_shape, make_ir, lower, disable_jit."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import update_wrapper
from typing import Any
from weakref import ref

import numpy as np

from .errors import GuardError, JitgradError, ShapeError
from .frontend.pytree import TreeDef, flatten, unflatten
from .frontend.source import explained, unwrapped, without_our_frames
from .frontend.trace import Escape, state
from .ir.core import Function
from .paths import Lowered, compile_path
from .runtime.front import HoldBack, bind, make_front, unbind
from .runtime.specialize import MAX_PATHS, SYMBOL, Family, Path, Specialization
from .tracing import ShapeDtypeStruct, Static, Traced, classify, trace


class Jitted:
    """A function that is compiled for the arguments it is called with; see `jit`."""

    def __init__(self, fun: Callable[..., Any], static_argnums: Any, static_argnames: Any) -> None:
        update_wrapper(self, fun)
        self.__wrapped__ = fun
        self._name = getattr(fun, "__name__", "function")
        nums = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums or ())
        names = (static_argnames,) if isinstance(static_argnames, str) else tuple(
            static_argnames or ())  # fmt: skip
        self._static_nums, self._static_names = _complete(fun, nums, names)
        self._families: dict[Any, Family] = {}
        self.front: Any = None  # the native callable that the user holds

    # -- calling -----------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if state.root is not None or state.disabled:
            return self.__wrapped__(*args, **kwargs)
        try:
            leaves, treedef = self._flatten(args, kwargs)
            spec, dynamic = self._find(leaves, treedef)
            out = self._run(spec, leaves, treedef, dynamic, (args, kwargs))
            self._offer(spec, treedef)
            return out
        except (JitgradError, ValueError, TypeError, IndexError, OverflowError) as err:
            mine = unwrapped(err)
            if not explained(mine):
                raise
            raise without_our_frames(mine) from None

    def _offer(self, spec: Specialization, treedef: TreeDef) -> None:
        """Let the native callable run the newest path, where it can without Python's help."""
        front = self.front() if self.front is not None else None
        if front is None or not spec.paths or not spec.paths[-1].direct:
            return
        if treedef is _plain(len(treedef.children[0].children)) and not self._static_nums:
            bind(front, spec.paths[-1])

    def _flatten(self, args: tuple, kwargs: dict[str, Any]) -> tuple[list[Any], TreeDef]:
        if not kwargs and not self._static_nums:
            for a in args:
                if a.__class__ is not np.ndarray and a.__class__ is not float:
                    break
            else:
                return list(args), _plain(len(args))
        if self._static_nums or self._static_names:
            n = len(args)
            chosen = {i % n for i in self._static_nums if -n <= i < n}
            args = tuple([Static(a) if i in chosen else a for i, a in enumerate(args)])
            kwargs = {k: Static(v) if k in self._static_names else v for k, v in kwargs.items()}
        return flatten((args, kwargs))

    def _find(self, leaves: list[Any], treedef: TreeDef) -> tuple[Specialization, list[Any]]:
        kinds = [x if x.__class__ is Static else classify(x) for x in leaves]
        key = (treedef, *kinds)
        try:
            family = self._families.get(key)
        except TypeError as err:
            raise TypeError(f"jit: a static argument is not hashable: {err}") from None
        if family is None:
            family = self._families[key] = Family(", ".join(map(_kind_text, kinds)))
        dynamic = [x for x, k in zip(leaves, kinds) if k.__class__ is not Static]
        shapes = [getattr(x, "shape", ()) if k.__class__ is not Static else ()
                  for x, k in zip(leaves, kinds)]  # fmt: skip
        return family.find(shapes), dynamic

    def _run(self, spec: Specialization, leaves: list[Any], treedef: TreeDef,
             dynamic: list[Any], call: tuple) -> Any:  # fmt: skip
        if spec.python:
            return self.__wrapped__(*call[0], **call[1])
        for path in spec.paths:
            try:
                return path(dynamic)
            except (GuardError, ShapeError):
                # what the trace found of values or sizes does not hold for these: another trace
                # takes its own way, or says of these arguments what is wrong with them
                continue
        if len(spec.paths) >= MAX_PATHS:
            if not spec.overflow:
                spec.overflow = True
                last = spec.paths[-1].guards[-1] if spec.paths[-1].guards else ""
                warnings.warn(
                    f"{self._name} took more than {MAX_PATHS} paths through its branches on values "
                    "and is interpreted where none of them fits; use jitgrad.numpy.where. "
                    f"The last one: {last}", stacklevel=4)  # fmt: skip
            return self.__wrapped__(*call[0], **call[1])
        try:
            traced = self._trace(leaves, treedef, spec.pattern)
        except (Escape, ValueError) as raised:
            err = unwrapped(raised)
            if not isinstance(err, Escape):
                raise
            spec.python = str(err)
            warnings.warn(f"{self._name} is run as plain Python, since a traced value leaves it: "
                          f"{err}", stacklevel=4)  # fmt: skip
            return self.__wrapped__(*call[0], **call[1])
        path = compile_path(traced, self._name, self.__doc__)
        spec.paths.append(path)
        try:
            return path(dynamic)
        except GuardError:  # a rounding apart from the interpreter's: its results are the trace's
            return path.pack([np.array(a) for a in traced.known])

    def _trace(self, leaves: list[Any], treedef: TreeDef, pattern: Any) -> Traced:
        fun = self.__wrapped__
        if self._static_nums or self._static_names:
            fun = _open_statics(fun)
        return trace(fun, self._name, leaves, treedef, pattern, self._labels(treedef))

    def _labels(self, treedef: TreeDef) -> list[str]:
        """A name for each leaf: its argument's, with a number where that has several."""
        try:
            names = list(inspect.signature(self.__wrapped__).parameters)
        except (TypeError, ValueError):
            names = []
        positional, keywords = treedef.children
        groups = [(names[i] if i < len(names) else f"arg{i}", c.leaves)
                  for i, c in enumerate(positional.children)]  # fmt: skip
        groups += [(k, c.leaves) for k, c in zip(sorted(keywords.data), keywords.children)]
        return [n if size == 1 else f"{n}_{i}" for n, size in groups for i in range(size)]

    # -- looking inside ----------------------------------------------------------------------------

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """The trace for these arguments (arrays, numbers, `ShapeDtypeStruct`s), uncompiled."""
        leaves, treedef = self._flatten(args, kwargs)
        spec, _ = self._find(leaves, treedef)
        return Lowered(self._trace(leaves, treedef, spec.pattern), self._name)

    def _paths(self) -> list[Path]:
        return [p for f in self._families.values() for s in f.specs.values() for p in s.paths]

    def _one(self) -> Path:
        paths = self._paths()
        if not paths:
            raise JitgradError(f"{self._name} was not compiled yet; call it, or use lower(...)")
        return paths[-1]

    def ir(self, stage: str = "optimized") -> str:
        """The IR of the newest path at a stage: "trace", "optimized", "kernels", "llvm", "asm"."""
        return self._one().compiled.ir(stage)

    def llvm(self) -> str:
        """The LLVM IR of the newest path."""
        return self._one().compiled.llvm

    def asm(self) -> str:
        """The assembly of the newest path."""
        return self._one().compiled.asm

    def cache_clear(self) -> None:
        """Forget all specializations."""
        self._families.clear()
        front = self.front() if self.front is not None else None
        if front is not None:
            unbind(front)

    def explain(self) -> str:
        """What was compiled, for which arguments, why, and under which guards."""
        lines = [f"{self._name}: {len(self._paths())} compiled path(s)"]
        for family in self._families.values():
            lines.append(f"  arguments ({family.title})")
            for spec in family.specs.values():
                sizes = ", ".join(
                    "[" + ", ".join("symbol" if d == SYMBOL else str(d) for d in p) + "]"
                    for p in spec.pattern
                )
                lines.append(f"    sizes {sizes}: made because of {spec.reason}")
                if spec.python:
                    lines.append(f"      run as plain Python: {spec.python}")
                for k, path in enumerate(spec.paths):
                    lines.append(f"      path {k}: {len(path.fn.ops)} ops")
                    lines += [f"        guard: {g}" for g in path.guards]
                    if path.captures:
                        lines.append(f"        reads {len(path.captures)} captured array(s)")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<jitted {self._name}>"


_plain_defs: dict[int, TreeDef] = {}


def _plain(n: int) -> TreeDef:
    found = _plain_defs.get(n)
    if found is None:
        found = _plain_defs[n] = flatten(((0.0,) * n, {}))[1]
    return found


def _kind_text(kind: Any) -> str:
    if kind.__class__ is tuple:
        return f"{kind[0].name}[{', '.join(':' * kind[1])}]"
    return f"static {kind!r:.40}" if kind.__class__ is Static else str(kind)


def _complete(fun: Callable[..., Any], nums: tuple, names: tuple) -> tuple[tuple, tuple]:
    """Static arguments by number and by name, each known both ways."""
    try:
        params = list(inspect.signature(fun).parameters)
    except (TypeError, ValueError):
        return nums, names
    more = tuple(params.index(n) for n in names if n in params)
    also = tuple(params[i] for i in nums if -len(params) <= i < len(params))
    return tuple(dict.fromkeys((*nums, *more))), tuple(dict.fromkeys((*names, *also)))


def _open_statics(fun: Callable[..., Any]) -> Callable[..., Any]:
    def opened(*args: Any, **kwargs: Any) -> Any:
        args = tuple([a.value if a.__class__ is Static else a for a in args])
        kwargs = {k: v.value if v.__class__ is Static else v for k, v in kwargs.items()}
        return fun(*args, **kwargs)

    return opened


# -- the public functions -------------------------------------------------------------------------


def jit(fun: Any = None, *, static_argnums: Any = (), static_argnames: Any = (),
        donate_argnums: Any = ()) -> Any:  # fmt: skip
    """Compile a function of arrays, numbers and pytrees of them to machine code.

    Arguments that are no numbers are static: another value of one compiles again, as does a new
    dtype, rank or pytree; a new size does not. `static_argnums` and `static_argnames` make more
    arguments static. A branch on a traced value is taken as this call's arguments say and guarded:
    another outcome traces another path. Arrays that the function reads from outside are read anew
    at each call, so that writing into them shows; binding their name (or an attribute of `self`) to
    another array does not, and numbers from outside are frozen when the function is traced:
    `cache_clear()` forgets them. `donate_argnums` is accepted for JAX's sake.

    >>> f = jit(lambda x: x * 2)
    >>> f(np.arange(3.0))
    array([0., 2., 4.])
    """
    if fun is None:
        return lambda f: jit(f, static_argnums=static_argnums, static_argnames=static_argnames)
    if isinstance(getattr(fun, "_dispatch", None), Jitted):
        return fun
    if not callable(fun):
        raise TypeError(f"jit takes a function, not {fun!r:.60}")
    jitted = Jitted(fun, static_argnums, static_argnames)
    front = make_front(jitted, fun, jitted._name)
    jitted.front = ref(front)
    return front


@contextmanager
def disable_jit() -> Iterator[None]:
    """Inside, jitted functions run as plain Python."""
    before, state.disabled = state.disabled, True
    try:
        with HoldBack():
            yield
    finally:
        state.disabled = before


@contextmanager
def interpreted() -> Iterator[None]:
    """Inside, new traces run on the reference interpreter instead of machine code."""
    before, state.interpret = state.interpret, True
    try:
        yield
    finally:
        state.interpret = before


def make_ir(fun: Callable[..., Any]) -> Callable[..., Function]:
    """A function that gives `fun`'s IR for its arguments, as it is traced under jit."""

    def made(*args: Any, **kwargs: Any) -> Function:
        return jit(fun).lower(*args, **kwargs).function

    return made


def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The shapes and dtypes that `fun` would give, as `ShapeDtypeStruct`s; nothing is computed.

    >>> eval_shape(lambda x: x.sum(0), ShapeDtypeStruct((2, 3), float))
    ShapeDtypeStruct(shape=(3,), dtype=float64)
    """
    leaves, treedef = flatten((args, kwargs))
    pattern = [getattr(x, "shape", ()) for x in leaves]
    got = trace(fun, "eval_shape", leaves, treedef, pattern, [""] * len(leaves), "abstract")
    results = iter(got.fn.results)
    out = []
    for o in got.outs:
        if o is None:
            t = next(results).type
            o = ShapeDtypeStruct(t.shape, t.dtype.np)  # type: ignore[arg-type]
        out.append(o)
    return unflatten(got.out_tree, out)


__all__ = ["ShapeDtypeStruct", "disable_jit", "eval_shape", "interpreted", "jit", "make_ir"]
