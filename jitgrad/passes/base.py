"""Passes and the pass manager: a pass maps a function to a function and its fields are its options.

A pipeline is text, `"canonicalize,simplify{fold=false fastmath=assoc+nan},dce"`; `parse_pipeline`
reads it and a `PassManager` prints it. Where a pipeline is written is `pipelines`, and only there.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import Any, ClassVar, TypeVar

from ..errors import JitgradError
from ..ir.core import Function


class Pass:
    """A pass. Subclasses are frozen dataclasses; options are bools, ints, strings, frozensets."""

    name: ClassVar[str] = ""

    def run(self, fn: Function) -> Function:
        """The function after the pass; `fn` itself where nothing changed."""
        raise NotImplementedError

    def __str__(self) -> str:
        """The pass as pipeline text; only options that are not the default.

        >>> from .simplify import Simplify
        >>> str(Simplify(fold=False))
        'simplify{fold=false}'
        """
        parts = []
        for f in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if value != f.default:
                parts.append(f"{f.name.replace('_', '-')}={_show(value)}")
        return self.name + (f"{{{' '.join(parts)}}}" if parts else "")


PASSES: dict[str, type[Pass]] = {}
_HOME = {"cse": "simplify", "fold": "simplify"}  # passes that do not stand in a module of their own
P = TypeVar("P", bound=type[Pass])


def register(cls: P) -> P:
    """Enter a pass into the registry under its `name`."""
    if PASSES.setdefault(cls.name, cls) is not cls:
        raise ValueError(f"pass {cls.name} is registered twice")
    return cls


def find_pass(name: str) -> type[Pass]:
    """The class of a pass; its module, named like the pass, is imported when it is first needed."""
    if name not in PASSES:
        module = f"{__package__}.{_HOME.get(name, name).replace('-', '_')}"
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as err:
            if err.name != module:
                raise
    if name not in PASSES:
        raise JitgradError(f"there is no pass {name!r}; there are {', '.join(sorted(PASSES))}")
    return PASSES[name]


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (frozenset, tuple)):
        return "+".join(sorted(value))
    return str(value)


def _read(text: str, default: Any, where: str) -> Any:
    if isinstance(default, bool):
        if text not in ("true", "false"):
            raise JitgradError(f"{where} is true or false, not {text!r}")
        return text == "true"
    if isinstance(default, int):
        try:
            return int(text)
        except ValueError:
            raise JitgradError(f"{where} is a number, not {text!r}") from None
    if isinstance(default, frozenset):
        return frozenset(t for t in text.split("+") if t)
    return text


_ITEM = re.compile(r"\s*([a-z][a-z0-9-]*)\s*(?:\{([^}]*)\})?\s*(,|$)")


def parse_pipeline(text: str) -> PassManager:
    """The pass manager of a pipeline's text.

    >>> print(parse_pipeline("canonicalize, simplify{fold=false},dce"))
    canonicalize,simplify{fold=false},dce

    Raises `JitgradError` for unknown passes and options and for text that is no pipeline.
    """
    passes: list[Pass] = []
    pos = 0
    while pos < len(text):
        m = _ITEM.match(text, pos)
        if m is None or (m[3] == "," and m.end() == len(text)):
            raise JitgradError(f"not a pipeline from {text[pos:]!r} on")
        cls = find_pass(m[1])
        fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        options = {}
        for item in (m[2] or "").split():
            key, eq, value = item.partition("=")
            field = fields.get(key.replace("-", "_"))
            if field is None or not eq:
                have = ", ".join(f.replace("_", "-") for f in fields) or "none"
                raise JitgradError(f"pass {m[1]} has no option {item!r}; its options: {have}")
            options[field.name] = _read(value, field.default, f"{m[1]}{{{key}}}")
        passes.append(cls(**options))
        pos = m.end()
    return PassManager(passes)


class Budget:
    """How many rewrites are left: the tool for bisecting a wrong one."""

    __slots__ = ("left", "used")

    def __init__(self, left: int) -> None:
        self.left = left
        self.used: list[str] = []


_budget: ContextVar[Budget | None] = ContextVar("jitgrad_rewrite_budget", default=None)


def current_budget() -> Budget | None:
    """The rewrite limit of the running pass manager, if one was set."""
    return _budget.get()


@contextmanager
def rewrite_limit(limit: int) -> Iterator[Budget]:
    """Inside, passes stop after `limit` rewrites; the budget lists the rules that fired."""
    budget = Budget(limit)
    token = _budget.set(budget)
    try:
        yield budget
    finally:
        _budget.reset(token)


class PassManager:
    """Passes in order.

    >>> from .base import parse_pipeline
    >>> pm = parse_pipeline("canonicalize,dce")
    >>> pm.names
    ('canonicalize', 'dce')
    """

    def __init__(self, passes: Sequence[Pass]) -> None:
        self.passes = tuple(passes)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(p.name for p in self.passes)

    def __str__(self) -> str:
        return ",".join(map(str, self.passes))

    def run(
        self,
        fn: Function,
        *,
        verify: bool = False,
        timings: MutableMapping[str, float] | None = None,
        after: Callable[[Pass, Function], None] | None = None,
    ) -> Function:
        """Run the passes on `fn`.

        `verify` checks the IR after every pass and names the pass that broke it; `timings` collects
        seconds by pass; `after(pass, fn)` sees every stage, for dumps.
        """
        for p in self.passes:
            start = perf_counter()
            fn = p.run(fn)
            if timings is not None:
                timings[p.name] = timings.get(p.name, 0.0) + perf_counter() - start
            if verify:
                _verify(p, fn)
            if after is not None:
                after(p, fn)
        return fn


def _verify(p: Pass, fn: Function) -> None:
    from ..errors import VerifyError
    from ..ir.verify import verify

    try:
        verify(fn)
    except VerifyError as err:
        raise VerifyError(f"after {p}: {err}") from None
