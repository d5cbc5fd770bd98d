"""Dims: the canonical form against Python's integers, printing, equality by identity."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from jitgrad.errors import JitgradError
from jitgrad.ir.dim_parser import parse_dim
from jitgrad.ir.dims import (
    Dim,
    ceildiv,
    evaluate,
    floordiv,
    maximum,
    minimum,
    mod,
    nonnegative,
    product,
    substitute,
    symbol,
    symbols,
)

NAMES = ("n", "m", "k")
n, m, k = (symbol(s) for s in NAMES)
OPS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "//": floordiv, "%": mod,
}  # fmt: skip

# an expression is a number, a name, or (op, left, right): built once as a Dim, once in integers
leaves = st.one_of(st.integers(-7, 7), st.sampled_from(NAMES))
expressions = st.recursive(
    leaves, lambda e: st.tuples(st.sampled_from(list(OPS)), e, e), max_leaves=8
)
sizes = st.fixed_dictionaries({s: st.integers(-12, 40) for s in NAMES})


def as_dim(e: Any) -> Any:
    if isinstance(e, tuple):
        return OPS[e[0]](as_dim(e[1]), as_dim(e[2]))
    return symbol(e) if isinstance(e, str) else e


def as_int(e: Any, env: dict[str, int]) -> int:
    if isinstance(e, tuple):
        a, b = as_int(e[1], env), as_int(e[2], env)
        return {"//": operator.floordiv, "%": operator.mod}.get(e[0], OPS[e[0]])(a, b)
    return env[e] if isinstance(e, str) else e


def built(e: Any, env: dict[str, int]) -> tuple[Any, int]:
    """The dim and the number, or no example where there is a division by zero."""
    try:
        return as_dim(e), as_int(e, env)
    except ZeroDivisionError:
        assume(False)
        raise


@given(expressions, sizes)
@example(("-", 0, ("//", "n", 2)), {"n": 3, "m": 0, "k": 0})
@example(("-", "m", ("*", ("//", "n", 2), ("//", "m", 3))), {"n": 5, "m": 7, "k": 1})
def test_canonical_form_is_sound(e: Any, env: dict[str, int]) -> None:
    d, want = built(e, env)
    assert evaluate(d, env) == want
    # dim by dim as well: substituting some symbols first changes nothing
    half = substitute(d, {"n": env["n"]})
    assert "n" not in symbols(half)
    assert evaluate(half, env) == want


@given(expressions, sizes)
@example(("-", 0, ("//", "n", 2)), {"n": 3, "m": 0, "k": 0})
@example(("*", ("//", "n", 2), ("//", "m", 3)), {"n": 3, "m": 1, "k": 0})
@example(("//", ("//", "n", -2), ("%", "m", "k")), {"n": 3, "m": 1, "k": 2})
@example(("//", -1, "n"), {"n": 3, "m": 1, "k": 2})
def test_printing_round_trips(e: Any, env: dict[str, int]) -> None:
    d, _ = built(e, env)
    assert parse_dim(repr(d)) is d or parse_dim(repr(d)) == d
    assert pickle.loads(pickle.dumps(d)) is d or isinstance(d, int)
    assert copy.deepcopy(d) is d or isinstance(d, int)


@given(expressions, expressions, expressions)
def test_sums_and_products_have_one_form(a: Any, b: Any, c: Any) -> None:
    try:
        x, y, z = as_dim(a), as_dim(b), as_dim(c)
    except ZeroDivisionError:
        assume(False)
    for left, right in (
        (x + y, y + x), (x * y, y * x), ((x + y) + z, x + (y + z)), ((x * y) * z, x * (y * z)),
        (x * (y + z), x * y + x * z), (x - y, -1 * y + x), (x - x, 0),
    ):  # fmt: skip
        assert left is right or (isinstance(left, int) and left == right)


@given(expressions, expressions, sizes)
def test_ceildiv_and_product(a: Any, b: Any, env: dict[str, int]) -> None:
    x, p = built(a, env)
    y, q = built(b, env)
    assert evaluate(product([x, y, 3]), env) == p * q * 3
    assume(q != 0 and y != 0)
    assert evaluate(ceildiv(x, y), env) == -(-p // q)


FORMS = [
    (2 * (n + 1) - n, "n + 2"),
    ((4 * n + 8) // 4, "n + 2"),
    (n * m - m * n + 1, "1"),
    ((n + 5) // 2, "(n + 1)//2 + 2"),
    (ceildiv(n, 2), "n - n//2"),
    ((7 * n + 9) % 7, "2"),
    (n % 3 * (n // 2), "(n%3)*(n//2)"),
    (-1 * n * n, "-n*n"),
    (-1 * (n // 2), "-(n//2)"),
    (n // m, "n//m"),
    ((n + 1) % (m * 2), "(n + 1)%(2*m)"),
    (n // -2, "-n + n//2"),
    (2 * (n // 3) - 1, "2*(n//3) - 1"),
]


@pytest.mark.parametrize(("d", "text"), FORMS, ids=[t for _, t in FORMS])
def test_forms(d: Any, text: str) -> None:
    assert str(d) == text
    assert parse_dim(str(d)) is d or parse_dim(str(d)) == d


def test_a_dim_is_no_integer() -> None:
    assert not isinstance(n, int)
    assert n is symbol("n")
    assert n != 3
    assert (n == m) is False
    for convert in (bool, int, operator.index, len):
        with pytest.raises((JitgradError, TypeError)):
            convert(n)  # type: ignore[operator]
    with pytest.raises(JitgradError, match=r"the dim n \+ m needs \['m'\]|needs"):
        evaluate(n + m, {"n": 1})
    with pytest.raises(TypeError):
        n + 1.5  # type: ignore[operator]


@pytest.mark.parametrize("text", ["", "n +", "(n", "n m", "n ** 2", "1.5", "f(n)", "n]", "2²"])
def test_what_is_no_dim(text: str) -> None:
    with pytest.raises(ValueError, match="dim"):
        parse_dim(text)


def test_dims_are_freed() -> None:
    import gc

    from jitgrad.ir.dims import _interned

    gc.collect()
    before = len(_interned)
    many = [symbol(f"only_here_{i}") + 1 for i in range(100)]
    assert isinstance(many[0], Dim)
    assert len(_interned) >= before + 100
    del many
    gc.collect()
    assert len(_interned) <= before


def test_minimum_and_maximum() -> None:
    n, m = symbol("n"), symbol("m")
    for d in (minimum(n, m), maximum(n, m), 2 * minimum(n, 7) - m, minimum(n - 3, 2 * m),
              minimum(n, 3) * minimum(m, 4), m - minimum(n, 100), -1 * minimum(n, 100),
              minimum(minimum(n, 5), m) // 2, maximum(n - 5, 0) % 3):  # fmt: skip
        assert parse_dim(repr(d)) is d
    assert minimum(n, m) is minimum(m, n)
    assert minimum(n, n + 1) is n and maximum(n, n + 1) is n + 1
    assert minimum(3, 4) == 3 and minimum(0, n * m) == 0
    for a in range(6):
        for c in range(6):
            env = {"n": a, "m": c}
            assert evaluate(minimum(n - 2, m), env) == min(a - 2, c)
            assert evaluate(maximum(n, 2 * m - 3), env) == max(a, 2 * c - 3)


def test_nonnegative_is_sound() -> None:
    n, m = symbol("n"), symbol("m")
    sure = [n, n * m + 2, n - minimum(n, 5), n - minimum(n, m), maximum(n - 5, 0), (n + 1) // 2,
            maximum(minimum(n, 9), 3) - 3, n % 3]  # fmt: skip
    unsure = [n - 1, minimum(n - 5, 0), (n - 1) // 2, n - m, m - minimum(n, 5), -1 * n]
    assert all(nonnegative(d) for d in sure)
    assert not any(nonnegative(d) for d in unsure)
    for d in sure:
        assert all(evaluate(d, {"n": a, "m": c}) >= 0 for a in range(12) for c in range(4))
