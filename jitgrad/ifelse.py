"""`ifelse`, where Theano has it: `from jitgrad.ifelse import ifelse`."""

from __future__ import annotations

from .frontend.symbolic_ifelse import ifelse

__all__ = ["ifelse"]
