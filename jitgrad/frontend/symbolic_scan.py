"""`scan`'s arguments and what its step returns, taken apart as Theano documents them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from weakref import ref

import numpy as np

from ..errors import Loc, MissingInputError, at
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.dims import DimLike, maximum, minimum
from .pp import short
from .source import here
from .symbolic import TensorVariable, as_tensor_variable
from .symbolic_body import StateError
from .symbolic_dims import dim_of
from .symbolic_notes import Note, notes
from .symbolic_shared import SharedVariable, shared_values


class until:
    """What a step returns beside its outputs to end a `scan`: the step after which `condition`
    holds is the last one."""

    def __init__(self, condition: Any) -> None:
        self.condition = as_tensor_variable(condition)
        if self.condition.ndim:
            raise TypeError(at(f"until takes a scalar condition, not {self.condition!r} of "
                               f"{self.condition.type}", here()))  # fmt: skip


class Sequence_(NamedTuple):
    """One tap of a sequence: what is read from `first` on, and how long it is."""

    value: Value
    first: int
    usable: DimLike
    slot: Value  # what a step sees of it


class State:
    """One recurrent output: its values before the first step and what a step sees, latest first."""

    def __init__(self, what: str, firsts: list[Value], slots: list[Value]) -> None:
        self.what, self.firsts, self.slots = what, firsts, slots


# -- arguments ------------------------------------------------------------------------------------


def listed(x: Any) -> list[Any]:
    if x is None:
        return []
    return list(x) if isinstance(x, (list, tuple)) else [x]


def number_of_steps(n_steps: Any, loc: Loc | None) -> tuple[DimLike | None, bool]:
    """The number of steps, None where the sequences say it; whether it was negative."""
    if n_steps is None:
        return None, False
    if isinstance(n_steps, (float, np.floating)):
        if not math.isfinite(n_steps):
            return None, False
        n_steps = int(n_steps)
    if getattr(n_steps, "dtype", None) is not None and np.dtype(n_steps.dtype).kind not in "iu":
        raise ValueError(at(f"n_steps must be an int. dtype provided is {n_steps.dtype}", loc))
    d = dim_of(n_steps, "the number of steps of scan")
    if d.__class__ is int and d < 0:
        return -d, True
    return d, False


def taps_of(item: Any, k: int, title: str, loc: Loc | None) -> list[Sequence_]:
    """The taps of one sequence."""
    taps: list[Any] = [0]
    if isinstance(item, Mapping):
        if item.get("input") is None:
            raise ValueError(at(f"{title}: sequence {k} is a dict without an 'input'", loc))
        if item.get("taps") is not None:
            taps = listed(item["taps"])
        item = item["input"]
    v = as_tensor_variable(item).value
    if not v.type.rank:
        raise StateError(at(f"{title}: sequence {k}, {short(v, k)}, has no dimension to loop over",
                            loc))  # fmt: skip
    taps = [_tap(t, title, loc) for t in taps]
    low, high = min([0, *taps]), max([0, *taps])
    n = v.type.shape[0]
    usable = n if low == high else maximum(n - (high - low), 0)
    slot = v.type.with_shape(v.type.shape[1:])
    return [Sequence_(v, t - low, usable, Value(slot, name=_name(v, t))) for t in taps]


def _name(v: Value, tap: int) -> str:
    return f"{v.name}[t{tap:+d}]".replace("+0", "") if v.name else ""


def _tap(t: Any, title: str, loc: Loc | None) -> int:
    if isinstance(t, bool) or not isinstance(t, (int, np.integer)):
        raise TypeError(at(f"{title}: taps are ints, not {t!r}", loc))
    return int(t)


def state_of(item: Any, k: int, title: str, loc: Loc | None) -> tuple[State | None, list[int]]:
    """The state of one output (None if it has none) and the taps that a step sees."""
    taps = [-1]
    if isinstance(item, Mapping):
        if item.get("return_steps") is not None:
            raise ValueError(at("Using `return_steps` has been deprecated. Simply select the "
                                "entries you need using a subtensor.", loc))  # fmt: skip
        given, initial = item.get("taps"), item.get("initial")
        if initial is None and given is not None:
            raise ValueError(at("If you are using slices of an output you need to provide a "
                                f"initial state for it: output {k} of {title} has taps {given} and "
                                "no 'initial'", loc))  # fmt: skip
        if given is not None:
            taps = [_tap(t, title, loc) for t in listed(given)]
            if len(set(taps)) < len(taps):
                raise ValueError(at(f"All the taps must be different in `outputs_info`: {taps}",
                                    loc))  # fmt: skip
            if any(t >= 0 for t in taps):
                raise ValueError(at(f"All the tap values must be smaller than 0: {taps}, of output "
                                    f"{k} of {title}", loc))  # fmt: skip
        item = initial
    if item is None or not taps:
        return None, []
    v = as_tensor_variable(item).value
    what = f"the initial state (outputs_info) of {short(v, k)} (output {k})"
    depth = -min(taps)
    if taps == [-1]:
        return State(what, [v], [Value(v.type, name=_name(v, -1))]), taps
    if not v.type.rank:
        raise StateError(at(f"{title}: {what} has no dimension for the taps {taps}: earlier values "
                            "are stacked along its first", loc))  # fmt: skip
    b, firsts = Builder(loc), []
    rest = v.type.shape[1:]
    for j in range(1, depth + 1):
        at_ = depth - j
        row = b("slice", v, starts=(at_, *(0 for _ in rest)), stops=(at_ + 1, *rest),
                steps=(1,) * v.type.rank)  # fmt: skip
        notes[row] = Note(
            "scan",
            (ref(v),),
            error=IndexError,
            text=f"{title}: {what} has too few values for the taps {taps}",
        )
        firsts.append(b.reshape(row, rest))
    slots = [Value(firsts[0].type, name=_name(v, -j)) for j in range(1, depth + 1)]
    return State(what, firsts, slots), taps


def seen(state: State | None, taps: list[int]) -> list[Value]:
    return [] if state is None else [state.slots[-t - 1] for t in taps]


def stacked(s: Sequence_, steps: DimLike, back: bool, title: str, loc: Loc | None) -> Value:
    """What the steps read of one tap, in the order of the steps."""
    v = s.value
    b = Builder(loc)

    def part(lo: DimLike, n: DimLike) -> Value:
        rest = v.type.shape[1:]
        if lo.__class__ is int and lo == 0 and (n is v.type.shape[0] or n == v.type.shape[0]):
            return v
        out = b("slice", v, starts=(lo, *(0 for _ in rest)), stops=(lo + n, *rest),
                steps=(1,) * v.type.rank)  # fmt: skip
        notes[out] = Note("scan", (ref(s.value),), text=f"{title}: a sequence is shorter than the "
                          "required number of steps")  # fmt: skip
        return out

    v = part(minimum(s.first, v.type.shape[0]), s.usable)
    v = part(s.usable - steps if back else 0, steps)
    return b("reverse", v, axes=(0,)) if back else v


# -- what a step returns --------------------------------------------------------------------------


def _is_outputs(x: Any) -> bool:
    return isinstance(x, TensorVariable) or (
        isinstance(x, (list, tuple)) and all(isinstance(v, TensorVariable) for v in x)
    )


def _is_updates(x: Any) -> bool:
    return isinstance(x, Mapping) or (
        isinstance(x, (list, tuple))
        and all(isinstance(p, (list, tuple)) and len(p) == 2 for p in x)
    )


def _allowed(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return all(map(_allowed, x)) or (len(x) == 2 and isinstance(x[0], SharedVariable))
    return isinstance(x, (TensorVariable, until, Mapping))


Updates = dict[SharedVariable, Any]


def returned(
    given: Any, loc: Loc | None
) -> tuple[TensorVariable | None, list[TensorVariable], Updates]:
    """Stopping condition, outputs and updates of what a step returned."""
    if not _allowed(given):
        raise ValueError(at(
            "The return value of your scan lambda expression may only be made of lists, tuples, or "
            "dictionaries containing variables (or `until` objects for conditions), not "
            f"{given!r:.80}. In particular if you need to use constant values, you can use "
            "`tensor.constant` to turn them into variables.", loc))  # fmt: skip
    if _is_outputs(given):
        return None, listed(given), {}
    if _is_updates(given):
        return None, [], _updates(given, loc)
    rest = list(given) if isinstance(given, (list, tuple)) else [given]
    stop = rest.pop().condition if isinstance(rest[-1], until) else None
    outputs: list[TensorVariable] = []
    updates: Updates = {}
    for _ in range(2):  # in either order
        if rest and not outputs and _is_outputs(rest[0]):
            outputs = listed(rest.pop(0))
        elif rest and not updates and _is_updates(rest[0]):
            updates = _updates(rest.pop(0), loc)
    if rest:
        raise ValueError(at(f"Scan cannot parse the return value of your lambda expression, which "
                            f"is: {given!r:.200}. It returns outputs (if any), then updates (if "
                            "any), then the stopping condition", loc))  # fmt: skip
    return stop, outputs, updates


def _updates(given: Any, loc: Loc | None) -> Updates:
    out: Updates = {}
    for s, v in given.items() if isinstance(given, Mapping) else given:
        if not isinstance(s, SharedVariable):
            raise TypeError(at(f"scan: updates are of shared variables, not of {s!r}", loc))
        if s in out:
            raise ValueError(at(f"scan: two updates of the shared variable {s!r}", loc))
        out[s] = as_tensor_variable(v)
    return out


def defaults(updates: Updates, outputs: Sequence[TensorVariable],
              stop: TensorVariable | None, slots: Sequence[Value],
              infos: Sequence[tuple[State | None, list[int]]]) -> None:  # fmt: skip
    """Add the default updates of the shared variables that a step uses."""
    ends = [*slots, *(v for s, _ in infos if s is not None for v in s.slots)]
    while True:
        roots = [v.value for v in (*outputs, *updates.values(), *([] if stop is None else [stop]))]
        new = [s.variable for s in shared_values(roots, ends)]
        new = [s for s in new if s.default_update is not None and s not in updates]
        if not new:
            return
        for s in new:
            updates[s] = as_tensor_variable(s.default_update)


def check_strict(used: Sequence[TensorVariable], others: Sequence[TensorVariable],
            loc: Loc | None) -> None:  # fmt: skip
    found = shared_values([v.value for v in used], [v.value for v in others])
    if found:
        raise MissingInputError(at(
            "scan(strict=True): the inner function uses the shared variable "
            f"{found[0].variable!r}, which is not among the non_sequences", loc))  # fmt: skip
