"""`scan`: loops of symbolic graphs, Theano's way; `map`, `reduce`, `foldl`, `foldr` and `until`.

A step is built once, by calling the user's function on fresh variables. What it made of them is the
body of one loop; what does not depend on them stays outside of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .errors import at
from .frontend.source import here
from .frontend.symbolic import TensorVariable, as_tensor_variable
from .frontend.symbolic_body import StateError, body_of, building, conform, counted
from .frontend.symbolic_dims import dim_of
from .frontend.symbolic_ops import elemwise
from .frontend.symbolic_scan import (
    State,
    check_strict,
    defaults,
    listed,
    number_of_steps,
    returned,
    seen,
    stacked,
    state_of,
    taps_of,
    until,
)
from .ir.build import Builder
from .ir.core import Block, Op, Value, serial
from .ir.dims import Dim, DimLike, minimum
from .ir.types import BOOL, I64
from .updates import OrderedUpdates

__all__ = ["StateError", "foldl", "foldr", "map", "reduce", "scan", "until"]


def scan(
    fn: Callable[..., Any],
    sequences: Any = None,
    outputs_info: Any = None,
    non_sequences: Any = None,
    n_steps: Any = None,
    truncate_gradient: int = -1,
    go_backwards: bool = False,
    mode: Any = None,
    name: str | None = None,
    profile: Any = False,
    allow_gc: bool | None = None,
    strict: bool = False,
    return_list: bool = False,
) -> tuple[Any, OrderedUpdates]:
    """A loop: `fn` gives the outputs of one step; all steps' outputs are stacked.

    fn                 takes the elements of the sequences (for each its taps, in their order), then
                       the earlier values of outputs (likewise), then `non_sequences`; returns
                       outputs, or updates of shared variables (a dict, a list of pairs), or outputs
                       and updates, and behind these an `until(condition)`, if it likes
    sequences          variables to loop over, along their first axis; or dicts with "input" and
                       "taps": tap k is element t + k at step t (default [0])
    outputs_info       for each output its value before the first step; or None, where a step does
                       not see it; or a dict with "initial" and "taps" (default [-1]): below -1,
                       `initial` has the earlier values stacked, the last one last
    non_sequences      further arguments of `fn`; what it uses besides is found without them
    n_steps            an int or an integer variable; by default the shortest sequence decides. An
                       int below 0: so many steps, backwards
    truncate_gradient  gradients see the last so many steps only (-1: all)
    go_backwards       the sequences are read from their ends
    strict             shared variables that are not among `non_sequences` are an error
    return_list        a list of outputs even if there is one (or none)

    `name` stands in messages; `mode`, `profile` and `allow_gc` are taken as Theano has them, and
    change nothing. The result is a pair: the outputs (one variable, a list, None if there is none),
    each with a leading axis for the steps, and the updates of shared variables, for `function`.

    >>> import jitgrad.tensor as T
    >>> from jitgrad import function
    >>> x, k = T.dvector("x"), T.iscalar("k")
    >>> powers, updates = scan(lambda y, x: y * x, outputs_info=T.ones_like(x), non_sequences=x,
    ...                        n_steps=k)
    >>> function([x, k], powers, updates=updates)([1, 2, 3], 2)
    array([[1., 2., 3.],
           [1., 4., 9.]])

    Raises `StateError` (a ValueError and a TypeError) where an output's dtype, rank or broadcast
    pattern is not its initial value's, `ValueError` for taps and returned values that make no
    sense, `MissingInputError` for what `strict` forbids; at a call `ShapeError` for a sequence that
    is shorter than `n_steps`.
    """
    loc = here()
    title = f"scan {name}" if name else "scan"
    steps, back = number_of_steps(n_steps, loc)
    go_backwards = go_backwards is not back
    taken = [s for k, item in enumerate(listed(sequences)) for s in taps_of(item, k, title, loc)]
    infos = [state_of(item, k, title, loc) for k, item in enumerate(listed(outputs_info))]
    others = [as_tensor_variable(v) for v in listed(non_sequences)]
    if steps is None:
        if not taken:
            raise ValueError(at("No information about the number of steps provided. Either provide "
                                "a value for n_steps argument of scan or provide an input sequence",
                                loc))  # fmt: skip
        steps = taken[0].usable
        for s in taken[1:]:
            steps = minimum(steps, s.usable)
    start = serial()
    shown = [s.slot for s in taken] + [v for state, taps in infos for v in seen(state, taps)]
    with building([*shown, *(v for state, _ in infos if state for v in state.slots)], start):
        given = fn(*[TensorVariable(v, loc) for v in shown], *others)
    stop, outputs, updates = returned(given, loc)
    if infos and len(infos) != len(outputs):
        raise ValueError(at(
            "Please provide None as outputs_info for any output that does not feed back into scan "
            f"(i.e. it behaves like a map): outputs_info has {len(infos)} entries, the inner "
            f"function gives {len(outputs)} outputs", loc))  # fmt: skip
    defaults(updates, outputs, stop, [s.slot for s in taken], infos)
    if strict:
        used = [*outputs, *updates.values(), *([] if stop is None else [stop])]
        check_strict(used, [*others, *updates], loc)
    states = [s for s, _ in infos if s is not None]
    for u in updates:
        states.append(State(f"the shared variable {u!r}", [u.value], [u.value]))
    results = [conform(v.value, info[0].slots[0], info[0].what, loc) if info[0] else v.value
               for v, info in zip(outputs, infos or [(None, [])] * len(outputs))]  # fmt: skip
    latest = [r for r, (s, _) in zip(results, infos) if s is not None]
    latest += [conform(v.value, u.value, f"the shared variable {u!r}", loc)
               for u, v in updates.items()]  # fmt: skip
    nexts = [v for s, new in zip(states, latest) for v in (new, *s.slots[:-1])]
    firsts = [v for s in states for v in s.firsts]
    slots = [v for s in states for v in s.slots]
    xs = [s.slot for s in taken]
    flag = _flag(stop)
    body = body_of([*nexts, *results, *flag], [*slots, *xs], [v.value for v in others], start, loc)
    if flag:
        most = [stacked(s, steps, go_backwards, title, loc) for s in taken]
        count = counted(body, slots, firsts, nexts, xs, most, flag[0], steps, loc)
        steps = dim_of(TensorVariable(count, loc), f"the number of steps of {title}")
    stacks = [stacked(s, steps, go_backwards, title, loc) for s in taken]
    block = body.block(slots, xs, [*nexts, *results])
    b = Builder(loc)
    ends, ys = _loop(b, block, body.consts, firsts, stacks, steps, truncate_gradient)
    made = [TensorVariable(y, loc) for y in ys]
    place = len(ends) - len(updates)
    after = OrderedUpdates([(s, TensorVariable(v, loc)) for s, v in zip(updates, ends[place:])])
    if return_list or len(made) > 1:
        return made, after
    return (made[0] if made else None), after


def _loop(
    b: Builder, block: Block, consts: Sequence[Value], firsts: Sequence[Value],
    stacks: Sequence[Value], steps: DimLike, truncate: int,
) -> tuple[list[Value], list[Value]]:  # fmt: skip
    """The last states and the stacked outputs; gradients see the last `truncate` steps."""
    nc = len(firsts)

    def run(length: DimLike, ks: Sequence[Value], cs: Sequence[Value], xs: Sequence[Value]) -> Op:
        return b.op("scan", *ks, *cs, *xs, regions=(block,), length=length, carries=nc,
                    consts=len(ks), reverse=False)  # fmt: skip

    if isinstance(truncate, bool) or not isinstance(truncate, int) or truncate < -1:
        raise ValueError(at(f"truncate_gradient is a number of steps or -1, not {truncate!r}",
                            b.loc))  # fmt: skip
    if truncate == -1 or (steps.__class__ is int and truncate >= steps):
        loop = run(steps, consts, firsts, stacks)
        return list(loop.results[:nc]), list(loop.results[nc:])
    tail = minimum(steps, truncate)
    head = steps - tail

    def part(v: Value, lo: DimLike, hi: DimLike) -> Value:
        rest = v.type.shape[1:]
        return b("slice", v, starts=(lo, *(0 for _ in rest)), stops=(hi, *rest),
                 steps=(1,) * v.type.rank)  # fmt: skip

    before = run(head, consts, firsts, [part(v, 0, head) for v in stacks])
    held = [b("zero_grad", v) for v in before.results]
    if head.__class__ is Dim:  # maybe there is nothing before: then the first states are reached
        some = b("gt", b("dim", expr=head), b.const(0, I64.rank0))
        held[:nc] = [b.select(b.broadcast(some, v.type.shape, ()), v, w)
                     for v, w in zip(held, firsts)]  # fmt: skip
    after = run(tail, consts, held[:nc], [part(v, head, steps) for v in stacks])
    ys = [b("concatenate", early, late, axis=0)
          for early, late in zip(held[nc:], after.results[nc:])]  # fmt: skip
    return list(after.results[:nc]), ys


def _flag(stop: TensorVariable | None) -> list[Value]:
    if stop is None:
        return []
    v = stop if stop.value.type.dtype is BOOL else elemwise("ne", stop, 0)
    return [v.value]


# -- map, reduce, folds ---------------------------------------------------------------------------


def map(
    fn: Callable[..., Any], sequences: Any, non_sequences: Any = None, truncate_gradient: int = -1,
    go_backwards: bool = False, mode: Any = None, name: str | None = None,
) -> tuple[Any, OrderedUpdates]:  # fmt: skip
    """`fn` of each element of `sequences` (the shortest decides), stacked; and updates, as `scan`.

    >>> import jitgrad.tensor as T
    >>> x = T.dvector("x")
    >>> map(lambda v: v**2, x)[0].eval({x: [1.0, 2.0]})
    array([1., 4.])
    """
    return scan(fn, sequences, [], non_sequences, None, truncate_gradient, go_backwards, mode, name)


def reduce(
    fn: Callable[..., Any], sequences: Any, outputs_info: Any, non_sequences: Any = None,
    go_backwards: bool = False, mode: Any = None, name: str | None = None,
) -> tuple[Any, OrderedUpdates]:  # fmt: skip
    """What `fn(element, …, value so far)` gives after the last element; and updates, as `scan`.

    Raises `IndexError` at a call for sequences without elements, as Theano does.

    >>> import jitgrad.tensor as T
    >>> x = T.dvector("x")
    >>> reduce(lambda v, total: total + v, x, T.constant(0.0))[0].eval({x: [1.0, 2.0]})
    array(3.)
    """
    outs, updates = scan(fn, sequences, outputs_info, non_sequences, None, -1, go_backwards, mode,
                         name)  # fmt: skip
    if isinstance(outs, list):
        return [v[-1] for v in outs], updates
    return (None if outs is None else outs[-1]), updates


def foldl(
    fn: Callable[..., Any], sequences: Any, outputs_info: Any, non_sequences: Any = None,
    mode: Any = None, name: str | None = None,
) -> tuple[Any, OrderedUpdates]:  # fmt: skip
    """`reduce` from the first element to the last."""
    return reduce(fn, sequences, outputs_info, non_sequences, False, mode, name)


def foldr(
    fn: Callable[..., Any], sequences: Any, outputs_info: Any, non_sequences: Any = None,
    mode: Any = None, name: str | None = None,
) -> tuple[Any, OrderedUpdates]:  # fmt: skip
    """`reduce` from the last element to the first."""
    return reduce(fn, sequences, outputs_info, non_sequences, True, mode, name)
