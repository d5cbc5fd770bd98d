"""Settings of the process: `jitgrad.config.floatX = "float32"`."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

floatX = "float64"
"""The dtype of `T.scalar()`, `T.vector()` … and of what is made without naming one."""

_ALLOWED: dict[str, tuple[Any, ...]] = {"floatX": ("float64", "float32")}


class _Config(ModuleType):
    """This module: what is set is checked."""

    def __setattr__(self, name: str, value: Any) -> None:
        allowed = _ALLOWED.get(name)
        if allowed is None and not name.startswith("__"):
            raise AttributeError(f"jitgrad.config has no setting {name!r}; it has "
                                 f"{', '.join(_ALLOWED)}")  # fmt: skip
        if allowed is not None and value not in allowed:
            raise ValueError(f"config.{name} is one of {', '.join(map(repr, allowed))}, "
                             f"not {value!r}")  # fmt: skip
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Config
