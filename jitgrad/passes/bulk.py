"""Work in bulk: products that a loop's steps can all do at once leave the loop.

A product of what comes from the stacked inputs alone by a matrix that does not change is one product
of matrices for all steps, computed before the loop (the ops between go along). A state that only
adds up products, as the gradient by a loop's weights does, becomes one product of the stacked
factors behind the loop. Vectors times matrices wait for memory; products of matrices do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..ir.build import Builder
from ..ir.core import Block, Function, Op, Value
from ..ir.dims import DimLike
from ..ir.ops import TABLE
from .base import Pass, register
from .fold import splat
from .hoist import has_scan
from .sink import remake

_SCAN, _MATMUL, _ADD, _MUL = (TABLE[n] for n in ("scan", "matmul", "add", "mul"))
_ALONG = frozenset(
    [r for r in TABLE.values() if r.elementwise and not r.props & {"raises", "prints", "effect"}]
    + [TABLE[n] for n in ("reshape", "transpose", "matmul")]
)
_ALIKE = _ALONG | {TABLE[n] for n in ("constant", "dim", "iota", "broadcast")}  # in every step
Factors = tuple[Value, bool, Value, bool]  # two matrices or vectors, and whether each is transposed


def bulk_block(block: Block) -> Block:
    """The block with the products of its loops in bulk, in regions too; itself if there are none."""
    if not has_scan(block):
        return block
    env: dict[Value, Value] = {}
    out: list[Op] = []
    for op in block.ops:
        operands = tuple([env.get(v, v) for v in op.operands])
        regions = op.regions
        if op.opdef.family == "control" and any(map(has_scan, regions)):
            regions = tuple([bulk_block(r) for r in regions])
        op = remake(op, operands, regions, env)
        if op.opdef is _SCAN:
            for step in (_ahead, _behind):
                made = step(op)
                if made is not None:
                    op, ahead, behind, results = made
                    out += ahead
                    rest.extend(behind)
        out.append(op)
    return Block(block.params, out, [env.get(v, v) for v in block.results])
