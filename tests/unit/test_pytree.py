"""Pytrees: containers taken apart and put together again."""

import collections
import dataclasses

import numpy as np
import pytest

from jitgrad import tree
from jitgrad.frontend.pytree import broadcast_prefix, flatten, flatten_up_to

Pair = collections.namedtuple("Pair", "left right")


@dataclasses.dataclass(frozen=True)
class Model:
    w: object
    name: str = "m"


class Box:
    def __init__(self, x):
        self.x = x


tree.register(Box, lambda b: ((b.x,), None), lambda data, children: Box(*children))

TREES = [
    1.0,
    None,
    (),
    [],
    {},
    (1, [2, {"a": 3, "b": (4, None)}]),
    Pair(1, (2, 3)),
    {"z": 1, "a": 2},
    collections.OrderedDict(b=1, a=[2]),
    collections.defaultdict(list, {"k": 1}),
    Model((1, 2), "s"),
    {1: 2, "x": 3},
]


@pytest.mark.parametrize("t", TREES, ids=str)
def test_round_trip(t):
    leaves, treedef = tree.flatten(t)
    back = tree.unflatten(treedef, leaves)
    assert back == t and type(back) is type(t)
    assert treedef == tree.structure(t) and hash(treedef) == hash(tree.structure(t))
    assert treedef.num_leaves == len(leaves) == len(tree.leaves(t))


def test_dicts_keep_their_order_and_give_leaves_by_key():
    leaves, treedef = tree.flatten({"z": 1, "a": 2})
    assert leaves == [2, 1]
    assert list(tree.unflatten(treedef, [20, 10])) == ["z", "a"]
    assert tree.map(lambda x, y: (x, y), {"z": 1, "a": 2}, {"a": 20, "z": 10}) == {
        "z": (1, 10), "a": (2, 20)}  # fmt: skip


def test_map_reduce_and_others():
    t = {"a": 1.0, "b": (2.0, [3.0])}
    assert tree.map(lambda x: 2 * x, t) == {"a": 2.0, "b": (4.0, [6.0])}
    assert tree.reduce(lambda a, b: a + b, t) == 6.0
    assert tree.reduce(lambda a, b: a + b, t, 10.0) == 16.0
    assert tree.all((True, [1]))
    assert not tree.all((True, [0]))
    assert tree.leaves([1, [2]], is_leaf=lambda x: isinstance(x, list) and x[0] == 2) == [1, [2]]
    assert tree.tree_map is tree.map
    outer, inner = tree.structure([0, 0]), tree.structure({"a": 0, "b": 0})
    assert tree.transpose(outer, inner, [{"a": 1, "b": 2}, {"a": 3, "b": 4}]) == {
        "a": [1, 3], "b": [2, 4]}  # fmt: skip


def test_registered_classes_and_opaque_ones():
    assert tree.map(lambda x: x + 1, Box(1)).x == 2
    thing = object()
    assert tree.leaves([thing, np.ones(2)])[0] is thing


def test_trees_that_differ():
    with pytest.raises(ValueError, match="differ"):
        tree.map(lambda x, y: x, (1, 2), (1, 2, 3))
    with pytest.raises(ValueError, match="differ"):
        tree.map(lambda x, y: x, {"a": 1}, {"b": 1})
    with pytest.raises(ValueError, match="leaves, not 1"):
        tree.unflatten(tree.structure((1, 2)), [1])
    assert tree.structure((1, 2)) != tree.structure([1, 2])
    assert "*" in repr(tree.structure((1, 2)))


def test_prefixes():
    _, treedef = flatten((1, {"a": 2, "b": [3, 4]}))
    assert broadcast_prefix(0, treedef, "in_axes") == [0, 0, 0, 0]
    assert broadcast_prefix((None, {"a": 0, "b": 1}), treedef, "in_axes") == [None, 0, 1, 1]
    with pytest.raises(ValueError, match="in_axes"):
        broadcast_prefix((0, 1, 2), treedef, "in_axes")
    assert flatten_up_to(tree.structure((1, 2)), ([1], 2)) == [[1], 2]
