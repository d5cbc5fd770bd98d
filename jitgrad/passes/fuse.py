"""Fusion: decides which tensors exist in memory and which ops share a loop nest.

Every op that can be computed at one index (elementwise, broadcasts, transposes, slices, pads …) is
*inline*: it costs no memory and is computed inside the kernel that uses it. What must exist in
memory is a *root*: results of the function, operands of library calls and regions, reductions,
sources of reshapes and gathers, concatenations (written in place, part by part), and values that
several kernels would otherwise compute again at a price. Roots get a stage (a kernel runs after
the stages it reads from); roots of one stage and one iteration space become one kernel, so the
forward and the backward half of a function share their loops.

The decisions are kept as text in the function's `cache["fuse"]` for dumps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import JitgradError
from ..ir.build import Builder
from ..ir.core import Block, Function, Op, Value
from ..ir.dims import Dim
from .base import Pass, register
from .fuse_build import axes_of, build_concat, build_kernel
from .fuse_index import INDEX_MAPS, full_index
from .fuse_plan import LIBRARY, REDUCTIONS, Plan, is_dense, space_of

_LOOP = re.compile(r"i\d+")


@register
@dataclass(frozen=True)
class Fuse(Pass):
    """fuse{recompute=12}: kernels over named dims. `recompute` is the price (additions an element)
    up to which a value that several kernels need is computed again rather than stored."""

    name: ClassVar[str] = "fuse"
    recompute: int = 12

    def run(self, fn: Function) -> Function:
        if taken := [d for d in fn.dims if _LOOP.fullmatch(d)]:
            raise JitgradError(f"@{fn.name} has a dim named {taken[0]}: i0, i1, … name loops")
        notes: list[str] = []
        body = fuse_block(fn.body, fn.layouts, self.recompute, notes)
        out = fn.with_body(body)
        out.cache["fuse"] = notes
        if "dim_notes" in fn.cache:
            out.cache["dim_notes"] = fn.cache["dim_notes"]
        return out


def fuse_block(block: Block, layouts: Sequence[str], recompute: int, notes: list[str]) -> Block:
    """The block as kernels and library calls. Results come out as distinct fresh buffers."""
    block = _own_buffers(block, layouts)
    units = _pointwise(block)
    plan = Plan(block, recompute)
    if units is None:
        plan.decide()
        units = _units(plan)
    strided = {id(p) for p, how in zip(block.params, layouts) if how == "strided"}
    env: dict[int, Value] = {}
    ops: list[Op] = []
    aliases: dict[int, list[Op]] = {}
    for op in block.ops:
        if op.results and id(op.results[0]) in plan.alias:
            aliases.setdefault(id(op.operands[0]), []).append(op)

    def define_value(old: Value, new: Value) -> None:
        """`new` holds what `old` was; and so do the reshapes of it."""
        stack = [(old, new)]
        while stack:
            old, new = stack.pop()
            env[id(old)] = new
            for a in aliases.get(id(old), ()):
                made = Builder(a.loc, a.made_by).make(a.opdef, (new,), a.attrs)
                ops.append(made)
                stack.append((a.results[0], made.results[0]))

    for p in block.params:
        define_value(p, p)
    for unit in units:
        if isinstance(unit, Op):
            regions = tuple(
                fuse_block(r, ("c",) * len(r.params), recompute, notes) for r in unit.regions
            )
            ins = tuple([env[id(v)] for v in unit.operands])
            made = Builder(unit.loc, unit.made_by).make(unit.opdef, ins, unit.attrs, regions)
            ops.append(made)
            for old, new in zip(unit.results, made.results):
                define_value(old, new)
            continue
        build = build_concat if unit[0][0].opdef.name == "concatenate" else build_kernel
        kernel, before, views = build(unit, env, strided)
        ops += before
        ops.append(kernel)
        roots = [op for phase in unit for op in phase]
        for root, new, view in zip(roots, kernel.results, views):
            if view is not None:
                new = view(new)
                assert new.op is not None
                ops.append(new.op)
            define_value(root.results[0], new)
        notes.append(_note(roots, kernel, len(unit)))
    return Block(block.params, ops, [env[id(v)] for v in block.results])


def _pointwise(block: Block) -> list[Any] | None:
    """The one kernel of a block of elementwise ops over one space: there is nothing to decide."""
    if len({v.type.shape for v in block.results}) != 1:
        return None
    for op in block.ops:
        row = op.opdef
        if not row.elementwise:
            if row.name != "constant" or is_dense(op):
                return None
        elif "raises" in row.props:
            return None
    return [[[v.op for v in block.results]]]


def _base(v: Value) -> Value:
    while v.op is not None and v.op.opdef.name in ("reshape", "refine"):
        v = v.op.operands[0]
    return v


def _own_buffers(block: Block, layouts: Sequence[str]) -> Block:
    """Copies where a result would be a parameter, a constant or the same memory as another, and
    where strided memory is needed in one piece."""
    extra: list[Op] = []
    seen: set[int] = set()
    results = []
    for v in block.results:
        base = _base(v)
        made = base.op
        if made is None or is_dense(made) or id(base) in seen:
            op = Builder(None, "fuse").op("identity", v)
            extra.append(op)
            v = op.results[0]
        seen.add(id(_base(v)))
        results.append(v)
    strided = {id(p) for p, how in zip(block.params, layouts) if how == "strided"}
    block = Block(block.params, (*block.ops, *extra), results)
    return _pack(block, strided) if strided else block


def _pack(block: Block, strided: set[int]) -> Block:
    """Strided parameters copied once for the ops that need contiguous memory."""
    ops: list[Op] = []
    packed: dict[int, Value] = {}
    renamed: dict[int, Value] = {}
    for op in block.ops:
        whole = op.opdef.name in LIBRARY or op.opdef.name in ("reshape", "refine")
        if whole and any(id(v) in strided for v in op.operands):
            for v in op.operands:
                if id(v) in strided and id(v) not in packed:
                    copy = Builder(None, "fuse").op("identity", v)
                    ops.append(copy)
                    packed[id(v)] = copy.results[0]
            ins = tuple([packed.get(id(v), renamed.get(id(v), v)) for v in op.operands])
        else:
            ins = tuple([renamed.get(id(v), v) for v in op.operands])
        if ins != op.operands:
            made = Builder(op.loc, op.made_by).make(op.opdef, ins, op.attrs, op.regions)
            for old, new in zip(op.results, made.results):
                renamed[id(old)] = new
            op = made
        ops.append(op)
    return Block(block.params, ops, [renamed.get(id(v), v) for v in block.results])


def _units(plan: Plan) -> list[Any]:
    """Library calls, and kernels as lists of phases of root ops, in an order that works."""
    units: list[tuple[int, int, Any]] = []
    groups: dict[Any, list[Op]] = {}
    pending: list[Op] = []
    spaces: dict[Any, list[Op]] = {}
    for op in plan.block.ops:
        name = op.opdef.name
        if name in LIBRARY or (is_dense(op) and plan.users.get(id(op.results[0]))):
            units.append((plan.stage.get(id(op), -1), op.serial, op))
        elif not op.results or id(op.results[0]) not in plan.roots:
            continue
        elif name == "concatenate":
            units.append((plan.stage[id(op)], op.serial, [op]))
        elif name in REDUCTIONS:
            shape = op.operands[0].type.shape
            axes = op.attrs["axes"] if "axes" in op.attrs else (op.attrs["axis"],)
            s = plan.stage[id(op)]
            group = groups.get((s, shape, axes))
            if group is None:
                group = groups[s, shape, axes] = []
                units.append((s, op.serial, group))
                spaces.setdefault((s, shape), group)
            group.append(op)
        else:
            pending.append(op)
    for op in pending:
        s, shape = plan.stage[id(op)], op.results[0].type.shape
        group = spaces.get((s, shape))
        if group is None:
            group = spaces[s, shape] = []
            units.append((s, op.serial, group))
        group.append(op)
    for _, _, unit in units:
        if isinstance(unit, list):
            unit.sort(key=lambda op: op.serial)
    units.sort(key=lambda u: u[:2])
    return _merge_rows(plan, [u if isinstance(u, Op) else [u] for _, _, u in units])


def _merge_rows(plan: Plan, units: list[Any]) -> list[Any]:
    """Kernels that reduce the last axes and kernels that use the results row by row become one:
    the shared axes are walked once, and a row stays in the cache from phase to phase."""
    place: dict[int, int] = {}
    out: list[Any] = []
    rows: list[int] = []
    for unit in units:
        at = len(out)
        if not isinstance(unit, Op) and unit[0][0].opdef.name != "concatenate":
            (roots,) = unit
            space = space_of(roots[0])
            axes = next((axes_of(r) for r in roots if axes_of(r)), ())
            real = len([d for d in space if d.__class__ is Dim or d != 1])
            suffix = axes == tuple(range(len(space) - len(axes), len(space)))
            if suffix and real > 1 and len(space) > len(axes):
                for k in reversed(rows[-4:]):
                    first = out[k][0]
                    theirs = next(axes_of(r) for r in first if axes_of(r))
                    fits = space_of(first[0]) == space and axes in (theirs, ())
                    if fits and _row_by_row(plan, roots, space, theirs, k, place):
                        out[k].append(roots)
                        at = k
                        break
                else:
                    if axes:
                        rows.append(at)
        if at == len(out):
            out.append(unit)
        for op in (unit,) if isinstance(unit, Op) else unit[0]:
            for v in op.results:
                place[id(v)] = at
    return out


def _row_by_row(
    plan: Plan, roots: Sequence[Op], space: tuple, axes: tuple, k: int, place: dict[int, int]
) -> bool:
    """Whether the roots can run as a phase of unit k: of it they read only the element itself or
    the reductions of its row, and everything else is there before it."""
    full = full_index(space)
    keep = tuple([i for a, i in enumerate(full) if a not in axes])
    seen: set[tuple] = set()
    stack: list[tuple[Value, Any]] = [
        (v, full) for op in roots for v in (op.operands if axes_of(op) else op.results)
    ]

    def go(v: Value, index: Any, mask: Any) -> None:
        stack.append((v, index))

    while stack:
        v, index = stack.pop()
        if (id(v), index) in seen or v.op is None:
            continue
        seen.add((id(v), index))
        where = place.get(id(_base(v)))
        if where is not None:
            if where > k:
                return False
            if where < k:
                continue
            if id(v) not in place or index != (keep if axes_of(v.op) else full):
                return False
            continue
        if plan.stored(v) and v.op not in roots:
            if not is_dense(v.op):
                return False
        elif v.op.opdef.name in INDEX_MAPS and index is not None:
            INDEX_MAPS[v.op.opdef.name](None, v.op, index, None, go)  # type: ignore[arg-type]
        else:
            at = index if v.op.opdef.elementwise else None
            stack += [(o, at) for o in v.op.operands]
    return True


def _note(roots: Sequence[Op], kernel: Op, phases: int) -> str:
    names = ", ".join(f"{op.opdef.name}: {op.results[0].type}" for op in roots[:6])
    more = f" and {len(roots) - 6} more" if len(roots) > 6 else ""
    turns = f" in {phases} phases a row" if phases > 1 else ""
    return f"kernel over {len(kernel.operands)} inputs computes {names}{more}{turns}"
