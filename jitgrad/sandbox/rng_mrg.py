"""`MRG_RandomStreams`: random variables under the name of Theano's faster generator."""

from __future__ import annotations

from ..frontend.symbolic_random import MRG_RandomStreams

__all__ = ["MRG_RandomStreams"]
