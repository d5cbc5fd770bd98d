"""The op table: what a row holds, how it is registered, and the type rules rows share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ...errors import DTypeError, ShapeError
from ..core import Op, Value
from ..terms import Term
from ..types import BOOL, DType, TensorType, tensor


class Case(NamedTuple):
    """One example of a structured op for the tests: operand types and attributes as text.

    Integer operands are drawn from `ints` (low, high); `regions` builds blocks where needed.
    """

    types: tuple[str, ...]
    attrs: Mapping[str, Any] = {}
    ints: tuple[int, int] = (0, 3)


class OpDef:
    """One row of the table; everything there is to know about an op.

    name        as printed and parsed
    family      the file it stands in, for the documentation
    arity       number of operands, None where it varies
    attrs       attribute names in their printed order, each with its kind (see printer)
    types       type rule: (operand types, attrs, regions) -> result types; raises ShapeError or
                DTypeError
    ref         NumPy reference: (*arrays, **attrs with dims as ints) -> array or tuple; the meaning
    deriv       elementwise: for each operand a Term linear in `t`, or None where it is flat; or a
                function (op, k) -> Term | None. Serves as JVP and, the map being diagonal, as VJP
    linear      operands in which a structured op is linear (its JVP is itself)
    bilinear    True where it is linear in each of them separately (products)
    transpose   (b, op, ct, k) -> cotangent of operand k; for a bool mask ct: which elements of the
                operand reach an active one, or None where that cannot be told
    jvp         (b, op, tangents with None for zero) -> tangents of the results; beside `linear`
                where the op is linear in some operands and smooth in others
    nondiff     a reason, where there is no derivative
    batch       (b, op, operands, flags, size) -> results; batched operands lead with the new axis
    emit        key of the LLVM emitter: a string, or one by the kind of dtype: {"f": key, "i": …};
                an instruction, "math", "expand" or the name of an emitter
    expand      elementwise: Term over simpler ops that replaces it before code generation, for
                the dtypes whose emitter is "expand"
    props       "commutative" "associative" "effect" "alias" (same data, other shape),
                "raises" (the value of an element may be an error), "prints" (shows its operand:
                not folded)
    domain      elementwise: the interval(s) of test inputs; structured: `cases`
    cases       examples, for tests
    edges       what happens at special values
    doc         one line
    """

    __slots__ = ("arity", "attrs", "batch", "bilinear", "cases", "deriv", "doc", "domain", "edges",
                 "effect", "elementwise", "emit", "expand", "family", "jvp", "linear", "name",
                 "nondiff", "props", "ref", "transpose", "types")  # fmt: skip

    def __init__(
        self,
        name: str,
        family: str,
        arity: int | None,
        types: Callable[..., tuple[TensorType, ...]],
        ref: Callable[..., Any] | None,
        doc: str,
        *,
        attrs: Mapping[str, str] | None = None,
        deriv: Sequence[Term | None] | Callable[[Op, int], Term | None] | None = None,
        linear: tuple[int, ...] | str = (),
        bilinear: bool = False,
        transpose: Callable[..., Any] | None = None,
        jvp: Callable[..., Any] | None = None,
        nondiff: str = "",
        batch: Callable[..., Any] | None = None,
        emit: Mapping[str, str] | str = "",
        expand: Term | None = None,
        props: Sequence[str] = (),
        domain: Any = None,
        cases: Sequence[Case] = (),
        edges: str = "",
        elementwise: bool = False,
    ) -> None:
        self.name, self.family, self.arity, self.types, self.ref = name, family, arity, types, ref
        self.doc, self.attrs, self.deriv, self.linear = doc, dict(attrs or {}), deriv, linear
        self.bilinear, self.transpose, self.jvp, self.nondiff = bilinear, transpose, jvp, nondiff
        self.batch, self.emit, self.expand = batch, emit, expand
        self.props, self.domain, self.cases, self.edges = frozenset(props), domain, cases, edges
        self.elementwise = elementwise
        self.effect = "effect" in self.props

    def derivative(self, op: Op, k: int) -> Term | None:
        """The derivative of an elementwise op by operand k, a Term linear in `t`; None is zero."""
        if self.deriv is None:
            return None
        return self.deriv(op, k) if callable(self.deriv) else self.deriv[k]

    def emitter(self, dtype: DType) -> str:
        """The key of the emitter for operands of `dtype`; "" where there is none."""
        emit = self.emit
        return emit.get(dtype.kind, "") if isinstance(emit, Mapping) else emit

    def is_linear(self, k: int) -> bool:
        return self.linear == "all" or k in self.linear

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __reduce__(self) -> tuple:
        return lookup, (self.name,)

    def __deepcopy__(self, memo: dict) -> OpDef:
        return self


TABLE: dict[str, OpDef] = {}


def define(name: str, *args: Any, **kwargs: Any) -> OpDef:
    """Add a row."""
    if name in TABLE:
        raise ValueError(f"op {name} stands in the table twice")
    TABLE[name] = row = OpDef(name, *args, **kwargs)
    return row


def lookup(name: str) -> OpDef:
    """The row of an op; `KeyError` for a name that is not in the table."""
    return TABLE[name]


# -- type rules that rows share -------------------------------------------------------------------

_CLASSES = {"float": "f", "num": "iuf", "logic": "biu", "any": "biuf", "signed": "if", "int": "iu"}


def check_dtype(name: str, t: TensorType, cls: str) -> None:
    kinds = _CLASSES[cls]
    if t.dtype.kind not in kinds:
        if t.dtype.kind == "c":
            raise DTypeError(f"{name} is not there yet for complex numbers ({t.dtype})")
        want = {"float": "floats", "num": "numbers", "logic": "bools or ints",
                "signed": "signed numbers", "int": "ints"}.get(cls, cls)  # fmt: skip
        raise DTypeError(f"{name} takes {want}, not {t.dtype}")


def check_same(name: str, types: Sequence[TensorType]) -> TensorType:
    """The common type of the operands of an elementwise op: no implicit cast or broadcast."""
    a = types[0]
    for b in types[1:]:
        if b is not a:
            if b.dtype is not a.dtype:
                raise DTypeError(f"{name} of {a} and {b}: dtypes differ")
            raise ShapeError(f"{name} of {a} and {b}: shapes differ")
    return a


def same(cls: str) -> Callable[..., tuple[TensorType, ...]]:
    """All operands of one type, the result too."""

    kinds = _CLASSES[cls]

    def rule(name: str, types: Sequence[TensorType], attrs: Mapping, regions: tuple) -> tuple:
        a = types[0]
        for b in types:
            if b is not a:
                check_same(name, types)
        if a.dtype.kind not in kinds:
            check_dtype(name, a, cls)
        return (a,)

    return rule


def predicate(cls: str) -> Callable[..., tuple[TensorType, ...]]:
    """All operands of one type, the result bool of the same shape."""

    def rule(name: str, types: Sequence[TensorType], attrs: Mapping, regions: tuple) -> tuple:
        a = check_same(name, types)
        check_dtype(name, a, cls)
        return (tensor(BOOL, a.shape),)

    return rule


def batch_elementwise(
    b: Any, op: Op, operands: Sequence[Value], flags: Sequence[bool], size: Any
) -> tuple[Value, ...]:
    """Operands without the batch axis are broadcast along it; then the op as it is."""
    ins = [v if f else b.broadcast_front(v, size) for v, f in zip(operands, flags)]
    attrs = op.attrs
    if "type" in attrs:
        attrs = {**attrs, "type": ins[0].type}
    return b.make(op.opdef, tuple(ins), attrs).results
