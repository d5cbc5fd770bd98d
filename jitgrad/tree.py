"""Pytrees for users: `map`, `flatten`, `unflatten`, `leaves`, `structure`, `reduce`.

>>> from jitgrad import tree
>>> tree.map(lambda x, y: x + y, {"w": 1.0, "b": (2.0,)}, {"w": 10.0, "b": (20.0,)})
{'w': 11.0, 'b': (22.0,)}
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Sequence
from typing import Any

from .frontend.pytree import TreeDef, flatten, flatten_up_to, register, tree_map
from .frontend.pytree import unflatten as _unflatten

map = tree_map
_NOTHING = object()


def unflatten(treedef: TreeDef, leaves: Sequence[Any]) -> Any:
    """The tree of structure `treedef` with these leaves."""
    return _unflatten(treedef, list(leaves))


def leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves, in order; dicts in the order of their sorted keys."""
    return flatten(tree, is_leaf)[0]


def structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeDef:
    """What is left of a tree without its leaves."""
    return flatten(tree, is_leaf)[1]


def reduce(fn: Callable[[Any, Any], Any], tree: Any, initializer: Any = _NOTHING) -> Any:
    """`functools.reduce` over the leaves."""
    items = leaves(tree)
    if initializer is _NOTHING:
        return functools.reduce(fn, items)
    return functools.reduce(fn, items, initializer)


def all(tree: Any) -> bool:
    """Whether all leaves are true."""
    return builtins.all(leaves(tree))


def transpose(outer: TreeDef, inner: TreeDef, tree: Any) -> Any:
    """A tree of structure `outer` with trees of `inner` at its leaves, turned inside out."""
    rows = [flatten(t)[0] for t in flatten_up_to(outer, tree)]
    columns = [_unflatten(outer, list(c)) for c in zip(*rows)]
    return _unflatten(inner, columns)


tree_leaves, tree_structure, tree_flatten, tree_unflatten = leaves, structure, flatten, unflatten
tree_reduce, tree_all, tree_transpose = reduce, all, transpose
register_pytree_node = register

__all__ = ["TreeDef", "all", "flatten", "leaves", "map", "reduce", "register",
           "register_pytree_node", "structure", "transpose", "tree_all", "tree_flatten",
           "tree_leaves", "tree_map", "tree_reduce", "tree_structure", "tree_transpose",
           "tree_unflatten", "unflatten"]  # fmt: skip
