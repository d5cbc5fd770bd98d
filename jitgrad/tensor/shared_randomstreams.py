"""`RandomStreams`: random variables whose state is shared."""

from __future__ import annotations

from ..frontend.symbolic_random import RandomStreams, RandomVariable

__all__ = ["RandomStreams", "RandomVariable"]
