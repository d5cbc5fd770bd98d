"""Sorting and searching: functions of the module, one for each dtype and kind, called line by line.

Lines of runs made by insertion are merged bottom-up: n log n comparisons at worst, none needed
where two runs already follow each other. Runs of one length are merged from both ends at once, so
that two chains of loads overlap (Bentley and McIlroy's "bidirectional" merge): neither end can run
out before the middle is reached. Nothing branches on a comparison. NaNs are put aside before, in
their order, and come last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..ir.core import Op
from ..ir.dims import DimLike, product
from ..ir.types import DType
from .scalar import MEMORY
from .text import DTYPES

if TYPE_CHECKING:
    from .buffers import Step
    from .lower import Core

RUN = 16  # elements that insertion sorts


def scratch_of(op: Op) -> DimLike:
    """Bytes that a sort needs beside its operand and its result: two lines, of indices too."""
    x = op.operands[0].type
    each = x.dtype.np.itemsize + (8 if op.opdef.name == "argsort" else 0)
    return x.shape[op.attrs["axis"]] * (2 * each)


def sort(core: Core, step: Step) -> None:
    """`sort` and `argsort`: a call a line."""
    op = step.op
    x, axis = op.operands[0].type, op.attrs["axis"]
    keys = op.opdef.name == "sort"
    name = f"jg.{op.opdef.name}.{x.dtype.name}"
    attributes = core.unit.target.attributes
    symbol = core.unit.helper(name, lambda: _sorter(name, x.dtype, not keys, attributes))
    core.unit.declare("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
    source, target = core.pointer(step.ins[0]), core.pointer(step.outs[0])
    scratch = core.slot(step.temps[0])
    n, inner = core.dim(x.shape[axis]), product(x.shape[axis + 1 :])
    stride, block = core.dim(inner), core.dim(inner * x.shape[axis])
    e, i = _memory(x.dtype), _memory(x.dtype) if keys else "i64"

    def outer(k: str, _: list[str]) -> list[str]:
        start = core.ins(f"mul i64 {k}, {block}")

        def line(j: str, _: list[str]) -> list[str]:
            at = core.ins(f"add i64 {start}, {j}")
            src = core.ins(f"getelementptr {e}, ptr {source}, i64 {at}")
            dst = core.ins(f"getelementptr {i}, ptr {target}, i64 {at}")
            core.line(f"call void {symbol}(ptr {src}, ptr {dst}, ptr {scratch}, i64 {stride}, "
                      f"i64 {n})")  # fmt: skip
            return []

        core.count(stride, line)
        return []

    core.count(core.dim(product(x.shape[:axis])), outer)


def search(core: Core, step: Step) -> None:
    """`searchsorted`: a call an element."""
    op = step.op
    x, y = (v.type for v in op.operands)
    right = op.attrs["right"]
    name = f"jg.search.{'right' if right else 'left'}.{x.dtype.name}"
    attributes = core.unit.target.attributes
    symbol = core.unit.helper(name, lambda: _searcher(name, x.dtype, right, attributes))
    table, values = (core.pointer(v) for v in step.ins)
    target = core.pointer(step.outs[0])
    rank = x.rank - 1
    n, many = core.dim(x.shape[-1]), core.dim(product(y.shape[rank:]))
    e = _memory(x.dtype)

    def row(k: str, _: list[str]) -> list[str]:
        start = core.ins(f"mul i64 {k}, {n}")
        line = core.ins(f"getelementptr {e}, ptr {table}, i64 {start}")
        first = core.ins(f"mul i64 {k}, {many}")

        def element(j: str, _: list[str]) -> list[str]:
            at = core.ins(f"add i64 {first}, {j}")
            src = core.ins(f"getelementptr {e}, ptr {values}, i64 {at}")
            v = core.ins(f"load {e}, ptr {src}, align {x.dtype.np.itemsize}")
            found = core.ins(f"call i64 {symbol}(ptr {line}, i64 {n}, {e} {v})")
            dst = core.ins(f"getelementptr i64, ptr {target}, i64 {at}")
            core.line(f"store i64 {found}, ptr {dst}, align 8")
            return []

        core.count(many, element)
        return []

    core.count(core.dim(product(x.shape[:rank])), row)


def _memory(dtype: DType) -> str:
    return MEMORY.get(dtype.name) or DTYPES[dtype.name]


def _less(dtype: DType) -> str:
    """The comparison `<` of elements as they are in memory."""
    if dtype.is_float:
        return "fcmp olt"
    return "icmp slt" if dtype.kind == "i" else "icmp ult"


def _searcher(name: str, dtype: DType, right: bool, attributes: str) -> str:
    """Halving without branches; NaN is larger than all."""
    t = _memory(dtype)
    a, b = ("%v", "%m") if right else ("%m", "%v")
    test = [f"  %c = {_less(dtype)} {t} {a}, {b}"]
    if dtype.is_float:
        test = [f"  %u = fcmp ult {t} {a}, {b}", f"  %o = fcmp ord {t} {a}, {a}",
                "  %c = and i1 %u, %o"]  # fmt: skip
    # behind the middle if it is less than the value, or (right) unless the value is less
    low, count = "i64 %after, i64 %lo", "i64 %rest, i64 %half"
    if right:
        low, count = "i64 %lo, i64 %after", "i64 %half, i64 %rest"
    lines = "\n".join(test)
    return f"""define internal i64 @{name}(ptr %x, i64 %n, {t} %v) nounwind {attributes} {{
entry:
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %step, label %done
step:
  %lo = phi i64 [ 0, %entry ], [ %low, %step ]
  %len = phi i64 [ %n, %entry ], [ %left, %step ]
  %half = lshr i64 %len, 1
  %at = add i64 %lo, %half
  %p = getelementptr {t}, ptr %x, i64 %at
  %m = load {t}, ptr %p, align {dtype.np.itemsize}
{lines}
  %after = add i64 %at, 1
  %less = sub i64 %len, %half
  %rest = sub i64 %less, 1
  %low = select i1 %c, {low}
  %left = select i1 %c, {count}
  %more = icmp sgt i64 %left, 0
  br i1 %more, label %step, label %done
done:
  %r = phi i64 [ 0, %entry ], [ %low, %step ]
  ret i64 %r
}}
"""


class _Text:
    """Lines of a function that moves elements `t` and, with them, indices."""

    def __init__(self, dtype: DType, indices: bool) -> None:
        self.t, self.size, self.indices = _memory(dtype), dtype.np.itemsize, indices
        self.cmp = _less(dtype)
        self.lines: list[str] = []
        self.count = 0

    def label(self, name: str) -> None:
        self.lines.append(name + ":")

    def put(self, *lines: str) -> None:
        self.lines += ["  " + line for line in lines]

    def ins(self, text: str) -> str:
        self.count += 1
        self.put(f"%t{self.count} = {text}")
        return f"%t{self.count}"

    def _at(self, array: str, i: str, index: bool) -> tuple[str, str, int]:
        t = "i64" if index else self.t
        place = self.ins(f"getelementptr {t}, ptr {array}, i64 {i}")
        return t, place, 8 if index else self.size

    def key(self, i: str, array: str = "%p") -> str:
        t, place, size = self._at(array, i, False)
        return self.ins(f"load {t}, ptr {place}, align {size}")

    def index(self, i: str, array: str = "%ip") -> str:
        if not self.indices:
            return ""
        t, place, size = self._at(array, i, True)
        return self.ins(f"load {t}, ptr {place}, align {size}")

    def store(self, key: str, index: str, i: str, array: str = "%q", indices: str = "%iq") -> None:
        t, place, size = self._at(array, i, False)
        self.put(f"store {t} {key}, ptr {place}, align {size}")
        if self.indices:
            t, place, size = self._at(indices, i, True)
            self.put(f"store {t} {index}, ptr {place}, align {size}")

    def copy(self, to: str, start: str, count: str) -> None:
        """From p to q."""
        for p, q, index in (("%p", "%q", False), ("%ip", "%iq", True))[: 1 + self.indices]:
            _, a, size = self._at(p, start, index)
            _, b, _ = self._at(q, to, index)
            n = self.ins(f"mul i64 {count}, {size}")
            self.put(f"call void @llvm.memcpy.p0.p0.i64(ptr {b}, ptr {a}, i64 {n}, i1 false)")

    def least(self, a: str, b: str) -> str:
        less = self.ins(f"icmp slt i64 {a}, {b}")
        return self.ins(f"select i1 {less}, i64 {a}, i64 {b}")

    def when(self, test: str, yes: str, no: str) -> None:
        self.put(f"br i1 {self.ins(test)}, label %{yes}, label %{no}")

    def front(self, i: str, j: str, o: str, after: tuple[str, str]) -> None:
        """The lesser of p[i] and p[j] to q[o], of equals p[i]; `after` are i and j of the next."""
        t = self.t
        a, b = self.key(i), self.key(j)
        c = self.ins(f"{self.cmp} {t} {b}, {a}")
        at = self.ins(f"select i1 {c}, i64 {j}, i64 {i}") if self.indices else ""
        self.store(self.ins(f"select i1 {c}, {t} {b}, {t} {a}"), self.index(at), o)
        step = self.ins(f"zext i1 {c} to i64")
        more = self.ins(f"add i64 {i}, 1")
        self.put(f"{after[0]} = sub i64 {more}, {step}", f"{after[1]} = add i64 {j}, {step}")

    def back(self, i: str, j: str, o: str, after: tuple[str, str]) -> None:
        """The larger of p[i] and p[j] to q[o], of equals p[j]."""
        t = self.t
        a, b = self.key(i), self.key(j)
        c = self.ins(f"{self.cmp} {t} {b}, {a}")
        at = self.ins(f"select i1 {c}, i64 {i}, i64 {j}") if self.indices else ""
        self.store(self.ins(f"select i1 {c}, {t} {a}, {t} {b}"), self.index(at), o)
        step = self.ins(f"zext i1 {c} to i64")
        less = self.ins(f"sub i64 {j}, 1")
        self.put(f"{after[0]} = sub i64 {i}, {step}", f"{after[1]} = add i64 {less}, {step}")


def _sorter(name: str, dtype: DType, indices: bool, attributes: str) -> str:
    """`void name(src, dst, scratch, stride, n)`; the stride counts elements, of both."""
    w = _Text(dtype, indices)
    t = w.t
    arrays = ("a", "b", "ia", "ib") if indices else ("a", "b")
    w.label("entry")
    if indices:
        w.put("%ia = getelementptr i8, ptr %scratch, i64 0",
              "%ib = getelementptr i64, ptr %ia, i64 %n",
              "%a = getelementptr i64, ptr %ib, i64 %n")  # fmt: skip
    else:
        w.put("%a = getelementptr i8, ptr %scratch, i64 0")
    w.put(f"%b = getelementptr {t}, ptr %a, i64 %n", "%last = sub i64 %n, 1")
    w.when("icmp sgt i64 %n, 0", "load", "done")

    w.label("load")  # numbers to the front of a, NaNs from its end on
    w.put("%i = phi i64 [ 0, %entry ], [ %i1, %load ]", "%f = phi i64 [ 0, %entry ], [ %k, %load ]")
    v = w.key(w.ins("mul i64 %i, %stride"), "%src")
    if dtype.is_float:
        fine = w.ins(f"fcmp ord {t} {v}, {v}")
        odd = w.ins("sub i64 %i, %f")
        at = w.ins(f"select i1 {fine}, i64 %f, i64 {w.ins(f'sub i64 %last, {odd}')}")
        w.put(f"%k = add i64 %f, {w.ins(f'zext i1 {fine} to i64')}")
    else:
        at = "%i"
        w.put("%k = add i64 %f, 1")
    w.store(v, "%i", at, "%a", "%ia")
    w.put("%i1 = add i64 %i, 1")
    w.when("icmp slt i64 %i1, %n", "load", "runs")

    w.label("runs")
    w.put("%s = phi i64 [ 0, %load ], [ %s1, %ran ]", f"%s1 = add i64 %s, {RUN}")
    w.put("%second = add i64 %s, 1")
    end = w.least("%s1", "%k")
    w.when(f"icmp slt i64 %second, {end}", "insert", "ran")
    w.label("insert")
    w.put("%n1 = phi i64 [ %second, %runs ], [ %n2, %put ]")
    x, xi = w.key("%n1", "%a"), w.index("%n1", "%ia")
    w.put("br label %shift")
    w.label("shift")
    w.put("%j = phi i64 [ %n1, %insert ], [ %j1, %move ]", "%j1 = sub i64 %j, 1")
    w.when("icmp sgt i64 %j, %s", "compare", "put")
    w.label("compare")
    y = w.key("%j1", "%a")
    w.when(f"{w.cmp} {t} {x}, {y}", "move", "put")
    w.label("move")
    w.store(y, w.index("%j1", "%ia"), "%j", "%a", "%ia")
    w.put("br label %shift")
    w.label("put")
    w.store(x, xi, "%j", "%a", "%ia")
    w.put("%n2 = add i64 %n1, 1")
    w.when(f"icmp slt i64 %n2, {end}", "insert", "ran")
    w.label("ran")
    w.when("icmp slt i64 %s1, %k", "runs", "passes")

    w.label("passes")  # from p to q, in turn
    w.put(f"%w = phi i64 [ {RUN}, %ran ], [ %w2, %passed ]")
    for x, y in (arrays[k : k + 2] for k in range(0, len(arrays), 2)):
        p, q = ("%ip", "%iq") if x == "ia" else ("%p", "%q")
        w.put(f"{p} = phi ptr [ %{x}, %ran ], [ {q}, %passed ]",
              f"{q} = phi ptr [ %{y}, %ran ], [ {p}, %passed ]")  # fmt: skip
    w.put("%w2 = mul i64 %w, 2")
    w.when("icmp slt i64 %w, %k", "pair", "write")
    w.label("pair")
    w.put("%lo = phi i64 [ 0, %passes ], [ %next, %paired ]", "%next = add i64 %lo, %w2")
    mid, hi = w.least(w.ins("add i64 %lo, %w"), "%k"), w.least("%next", "%k")
    w.when(f"icmp slt i64 {mid}, {hi}", "look", "keep")
    w.label("look")
    before = w.ins(f"sub i64 {mid}, 1")
    w.when(f"{w.cmp} {t} {w.key(mid)}, {w.key(before)}", "which", "keep")
    w.label("keep")  # one run, or two in order
    w.copy("%lo", "%lo", w.ins(f"sub i64 {hi}, %lo"))
    w.put("br label %paired")
    w.label("which")
    top = w.ins(f"sub i64 {hi}, 1")
    w.when(f"icmp eq i64 {hi}, %next", "both", "one")

    w.label("both")
    firsts = [("%fi", "%lo"), ("%fj", mid), ("%fo", "%lo"), ("%bi", before), ("%bj", top),
              ("%bo", top)]  # fmt: skip
    w.put(*(f"{v} = phi i64 [ {first}, %which ], [ {v}n, %both ]" for v, first in firsts))
    w.front("%fi", "%fj", "%fo", ("%fin", "%fjn"))
    w.back("%bi", "%bj", "%bo", ("%bin", "%bjn"))
    w.put("%fon = add i64 %fo, 1", "%bon = sub i64 %bo, 1")
    w.when(f"icmp slt i64 %fon, {mid}", "both", "paired")

    w.label("one")
    firsts = [("%oi", "%lo"), ("%oj", mid), ("%oo", "%lo")]
    w.put(*(f"{v} = phi i64 [ {first}, %which ], [ {v}n, %one ]" for v, first in firsts))
    w.front("%oi", "%oj", "%oo", ("%oin", "%ojn"))
    w.put("%oon = add i64 %oo, 1")
    some = w.ins(f"icmp slt i64 %oin, {mid}")
    w.when(f"and i1 {some}, {w.ins(f'icmp slt i64 %ojn, {hi}')}", "one", "rest")
    w.label("rest")
    left = w.ins(f"sub i64 {mid}, %oin")
    w.copy("%oon", "%oin", left)
    w.copy(w.ins(f"add i64 %oon, {left}"), "%ojn", w.ins(f"sub i64 {hi}, %ojn"))
    w.put("br label %paired")
    w.label("paired")
    w.when("icmp slt i64 %next, %k", "pair", "passed")
    w.label("passed")
    w.put("br label %passes")

    w.label("write")
    w.put("%o = phi i64 [ 0, %passes ], [ %o1, %write ]", "%o1 = add i64 %o, 1")
    inside = w.ins("icmp slt i64 %o, %k")
    tail = w.ins(f"sub i64 %last, {w.ins('sub i64 %o, %k')}")
    at = w.ins(f"select i1 {inside}, i64 %o, i64 {tail}")
    p, first, size = ("%ip", "%ia", 8) if indices else ("%p", "%a", w.size)
    from_ = w.ins(f"select i1 {inside}, ptr {p}, ptr {first}")
    v = w.index(at, from_) if indices else w.key(at, from_)
    e = "i64" if indices else t
    to = w.ins(f"getelementptr {e}, ptr %dst, i64 {w.ins('mul i64 %o, %stride')}")
    w.put(f"store {e} {v}, ptr {to}, align {size}")
    w.when("icmp slt i64 %o1, %n", "write", "done")
    w.label("done")
    w.put("ret void")
    head = f"define internal void @{name}(ptr %src, ptr %dst, ptr %scratch, i64 %stride, i64 %n) "
    return "\n".join([f"{head}nounwind {attributes} {{", *w.lines, "}", ""])
