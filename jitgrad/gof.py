"""Theano's package `gof`: `gof.graph`, `gof.Apply`, `gof.Variable`, as in `jitgrad.graph`."""

from __future__ import annotations

from . import graph
from .graph import Apply, Constant, FunctionGraph, Variable

__all__ = ["Apply", "Constant", "FunctionGraph", "Variable", "graph"]
