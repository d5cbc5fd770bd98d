"""Shared variables under the name of Theano's module."""

from __future__ import annotations

from ..frontend.symbolic_shared import Container, SharedVariable, shared

__all__ = ["Container", "SharedVariable", "shared"]
