"""Pytrees: containers of arrays (tuples, lists, dicts, None, namedtuples, dataclasses, registered
classes), taken apart into leaves and put together again."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from typing import Any


class TreeDef:
    """The structure of a pytree: `kind` of its root (None for a leaf), its data, its children.

    Two compare equal where trees of the one have the shape of the other.
    """

    __slots__ = ("children", "data", "kind", "leaves")

    def __init__(self, kind: Any, data: Any, children: tuple[TreeDef, ...]) -> None:
        self.kind = kind
        self.data = data
        self.children = children
        self.leaves: int = 1 if kind is None else sum([c.leaves for c in children])

    @property
    def num_leaves(self) -> int:
        return self.leaves

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, TreeDef)
            and self.kind is other.kind
            and self.data == other.data
            and self.children == other.children
        )

    def __hash__(self) -> int:
        return hash((self.kind, self.data, self.children))

    def unflatten(self, leaves: Sequence[Any]) -> Any:
        return unflatten(self, leaves)

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        marks = unflatten(self, [_STAR] * self.leaves)
        return f"TreeDef({marks!r})"


class _Star:
    def __repr__(self) -> str:
        return "*"


_STAR = _Star()
LEAF = TreeDef(None, None, ())
# class -> (take apart into children and data, put together from data and children)
_Rules = tuple[Callable[[Any], tuple[Sequence[Any], Any]], Callable[[Any, Sequence[Any]], Any]]
_registry: dict[type, _Rules] = {}


def register(
    cls: type,
    flatten_fn: Callable[[Any], tuple[Sequence[Any], Any]],
    unflatten_fn: Callable[[Any, Sequence[Any]], Any],
) -> None:
    """Make a class a pytree node.

    `flatten_fn(x)` gives (children, data), the data hashable; `unflatten_fn(data, children)` the
    instance again.
    """
    _registry[cls] = (flatten_fn, unflatten_fn)


def _keys(d: dict) -> list:
    """The order in which a dict's values are leaves: by key, where keys can be ordered."""
    try:
        return sorted(d)
    except TypeError:
        return list(d)


def _from_dict(d: dict) -> tuple[Sequence[Any], Any]:
    return [d[k] for k in _keys(d)], tuple(d)


def _to_dict(cls: Callable[[], dict]) -> Callable[[Any, Sequence[Any]], Any]:
    def make(data: tuple, children: Sequence[Any]) -> dict:
        values = dict(zip(_keys(dict.fromkeys(data)), children))
        out = cls()
        for k in data:
            out[k] = values[k]
        return out

    return make


def _from_none(x: None) -> tuple[Sequence[Any], Any]:
    return (), None


def _from_default(d: defaultdict) -> tuple[Sequence[Any], Any]:
    return [d[k] for k in _keys(d)], (d.default_factory, tuple(d))


def _to_default(data: tuple, children: Sequence[Any]) -> defaultdict:
    return _to_dict(lambda: defaultdict(data[0]))(data[1], children)


register(tuple, lambda x: (x, None), lambda data, c: tuple(c))
register(list, lambda x: (x, None), lambda data, c: list(c))
register(dict, _from_dict, _to_dict(dict))
register(OrderedDict, _from_dict, _to_dict(OrderedDict))
register(defaultdict, _from_default, _to_default)
register(type(None), _from_none, lambda data, c: None)


def _namedtuple_rules(cls: type) -> _Rules:
    def take(x: Any) -> tuple[Sequence[Any], Any]:
        return tuple(x), None

    def make(data: Any, children: Sequence[Any]) -> Any:
        return cls(*children)

    return take, make


def _dataclass_rules(cls: type) -> _Rules:
    names = tuple([f.name for f in dataclasses.fields(cls)])

    def take(x: Any) -> tuple[Sequence[Any], Any]:
        return [getattr(x, n) for n in names], None

    def make(data: Any, children: Sequence[Any]) -> Any:
        x: Any = object.__new__(cls)
        for n, v in zip(names, children):
            object.__setattr__(x, n, v)
        return x

    return take, make


def _find(cls: type) -> _Rules | None:
    """The rules of a class; namedtuples and dataclasses get theirs at first sight."""
    rules = _registry.get(cls)
    if rules is None:
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            rules = _namedtuple_rules(cls)
        elif dataclasses.is_dataclass(cls):
            rules = _dataclass_rules(cls)
        else:
            return None
        _registry[cls] = rules
    return rules


def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], TreeDef]:
    """The leaves of a tree, in order, and its structure.

    >>> leaves, treedef = flatten({"b": 1.0, "a": (2.0, [3.0])})
    >>> leaves
    [2.0, 3.0, 1.0]
    >>> treedef
    TreeDef({'b': *, 'a': (*, [*])})
    """
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves, is_leaf)


def _flatten(tree: Any, leaves: list[Any], is_leaf: Callable[[Any], bool] | None) -> TreeDef:
    cls = tree.__class__
    rules = _registry.get(cls) or _find(cls)
    if rules is None or (is_leaf is not None and is_leaf(tree)):
        leaves.append(tree)
        return LEAF
    children, data = rules[0](tree)
    return TreeDef(cls, data, tuple([_flatten(c, leaves, is_leaf) for c in children]))


def unflatten(treedef: TreeDef, leaves: Sequence[Any]) -> Any:
    """The tree of this structure with these leaves; `ValueError` for another number of leaves."""
    if len(leaves) != treedef.leaves:
        raise ValueError(f"the tree has {treedef.leaves} leaves, not {len(leaves)}")
    return _unflatten(treedef, iter(leaves))


def _unflatten(treedef: TreeDef, leaves: Any) -> Any:
    if treedef.kind is None:
        return next(leaves)
    children = [_unflatten(c, leaves) for c in treedef.children]
    return _registry[treedef.kind][1](treedef.data, children)


def flatten_up_to(treedef: TreeDef, tree: Any) -> list[Any]:
    """Take `tree` apart as deep as `treedef` goes; `ValueError` where it has another shape.

    >>> flatten_up_to(flatten((1, 2))[1], ([1, 2], 3))
    [[1, 2], 3]
    """
    if treedef.kind is None:
        return [tree]
    cls = tree.__class__
    rules = _registry.get(cls) or _find(cls)
    if rules is None or cls is not treedef.kind:
        raise ValueError(f"the trees differ: {treedef} and {tree!r:.80}")
    children, data = rules[0](tree)
    if issubclass(cls, dict):
        same = set(tree) == set(unflatten(treedef, [None] * treedef.leaves))
    else:
        same = data == treedef.data
    if not same or len(children) != len(treedef.children):
        raise ValueError(f"the trees differ: {treedef} and {tree!r:.80}")
    out = []
    for t, c in zip(treedef.children, children):
        out += flatten_up_to(t, c)
    return out


def broadcast_prefix(prefix: Any, treedef: TreeDef, what: str) -> list[Any]:
    """The leaves of `prefix`, each repeated for the leaves under it; None counts as a leaf.

    >>> broadcast_prefix((0, None), flatten((1, [2, 3]))[1], "in_axes")
    [0, None, None]
    """
    if prefix is None or (prefix.__class__ not in _registry and _find(prefix.__class__) is None):
        return [prefix] * treedef.leaves
    children, _ = _registry[prefix.__class__][0](prefix)
    fits = prefix.__class__ is treedef.kind or (
        isinstance(prefix, (list, tuple)) and treedef.kind in (list, tuple)
    )
    if not fits or len(children) != len(treedef.children):
        raise ValueError(f"{what}={prefix!r} does not fit the arguments, of structure {treedef}")
    out = []
    for p, t in zip(children, treedef.children):
        out += broadcast_prefix(p, t, what)
    return out


def tree_map(
    fn: Callable[..., Any], tree: Any, *rest: Any, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """`fn` on the leaves of one or several trees of one structure; a tree of the results."""
    leaves, treedef = flatten(tree, is_leaf)
    others = [flatten_up_to(treedef, r) for r in rest]
    return unflatten(treedef, [fn(*xs) for xs in zip(leaves, *others)])
