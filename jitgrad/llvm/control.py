"""Control flow of core: branches and loops whose regions hold steps of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .buffers import Step, bytes_of

if TYPE_CHECKING:
    from .lower import Core


def cond(core: Core, step: Step) -> None:
    """Both regions write into the memory of the results."""
    flag = core.ins(f"load i8, ptr {core.pointer(step.ins[0])}, align 1")
    flag = core.ins(f"icmp ne i8 {flag}, 0")
    yes, no, done = core.fresh("yes"), core.fresh("no"), core.fresh("done")
    targets = [core.pointer(v) for v in step.outs]
    scopes = []
    for label, region in zip((yes, no), step.regions):
        scopes.append(core.push(label))
        for p, v in zip(region.block.params, step.ins[1:]):
            core.pointers[id(p)] = core.pointer(v)
        core.run(region, targets)
        core.line(f"br label %{done}")
        core.pop()
    core.line(f"br i1 {flag}, label %{yes}, label %{no}")
    for scope in scopes:
        core.cur.lines += scope.lines
    core.label(done)


def scan(core: Core, step: Step) -> None:
    """A loop. A carry has two buffers, written in turn so that the last step hits the result."""
    op, (region,) = step.op, step.regions
    nk, nc = op.attrs["consts"], op.attrs["carries"]
    consts, firsts, xs = step.ins[:nk], step.ins[nk : nk + nc], step.ins[nk + nc :]
    results = [core.pointer(v) for v in step.outs]
    finals, stacks = results[:nc], results[nc:]
    temps = [core.slot(k) for k in step.temps]
    first = [core.pointer(v) for v in firsts]
    inputs = [core.pointer(v) for v in xs]
    fixed = [core.pointer(v) for v in consts]
    n = core.dim(op.attrs["length"])
    # an even number of steps begins with the spare buffer, so that the last one hits the result
    odd = core.ins(f"trunc i64 {n} to i1")
    starts = [core.ins(f"select i1 {odd}, ptr {a}, ptr {b}") for a, b in zip(finals, temps)]
    spares = [core.ins(f"select i1 {odd}, ptr {b}, ptr {a}") for a, b in zip(finals, temps)]
    some = core.ins(f"icmp sgt i64 {n}, 0")
    none, loop, done = core.fresh("none"), core.fresh("scan"), core.fresh("done")
    came = core.cur.block
    scope = core.push(loop)
    i, j = core.tmp(), core.tmp()
    old = [core.tmp() for _ in first]  # what this step reads
    new = [core.tmp() for _ in first]  # what it writes
    spare = [core.tmp() for _ in first]  # what the next one writes
    body = region.block.params
    for p, at in zip(body, (*fixed, *old)):
        core.pointers[id(p)] = at
    row = core.ins(f"sub i64 {core.dim(op.attrs['length'] - 1)}, {i}") if op.attrs["reverse"] else i
    for p, at in zip(body[nk + nc :], inputs):
        core.pointers[id(p)] = core.offset(at, row, bytes_of(p))
    rows = [core.offset(at, row, bytes_of(v)) for at, v in zip(stacks, region.block.results[nc:])]
    core.run(region, [*new, *rows])
    core.pop()
    # a scope of its own: a size that both this and later code need must stand before the branch
    copies = core.push(none)
    for at, to, v in zip(first, finals, firsts):
        core.copy(to, at, bytes_of(v))
    core.line(f"br label %{done}")
    core.pop()
    core.line(f"br i1 {some}, label %{loop}, label %{none}")
    core.cur.lines.append(scope.lines[0])
    core.line(f"{i} = phi i64 [ 0, %{came} ], [ {j}, %{scope.block} ]")
    for o, w, s, a, b, c in zip(old, new, spare, first, starts, spares):
        core.line(f"{o} = phi ptr [ {a}, %{came} ], [ {w}, %{scope.block} ]")
        core.line(f"{w} = phi ptr [ {b}, %{came} ], [ {s}, %{scope.block} ]")
        core.line(f"{s} = phi ptr [ {c}, %{came} ], [ {w}, %{scope.block} ]")
    core.cur.lines += scope.lines[1:]
    core.line(f"{j} = add i64 {i}, 1")
    more = core.ins(f"icmp slt i64 {j}, {n}")
    core.line(f"br i1 {more}, label %{loop}, label %{done}")
    core.cur.lines += copies.lines
    core.label(done)
