"""Who may import whom: the table of docs/architecture.md, read off the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import jitgrad

ROOT = Path(jitgrad.__file__).parent
BASE = {"errors", "config"}
# a room and the rooms it may import; what is not here stands above all of these
MAY = {
    "errors": set(),
    "config": set(),
    "ir": BASE,
    "frontend": BASE | {"ir"},
    "transforms": BASE | {"ir"},
    "passes": BASE | {"ir"},
    "llvm": BASE | {"ir"},
    "runtime": BASE | {"ir", "llvm"},
}
# NumPy and the standard library are there for everybody; these are not
ONLY = {"llvmlite": {"llvm"}, "scipy": set(), "hypothesis": {"testing"}, "mpmath": {"testing"},
        "pytest": {"testing"}}  # fmt: skip
FILES = sorted(p for p in ROOT.rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Absolute names of what a file imports, anywhere in it; not for types alone."""
    package = ["jitgrad", *path.relative_to(ROOT).parts[:-1]]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((a.name, node.lineno) for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from . import x` and `from .. import x` import the module x
            bare = node.module is None or module == "jitgrad"
            for a in node.names:
                yield (f"{module}.{a.name}" if bare else module), node.lineno


def room(name: str) -> str:
    """The room of `jitgrad.room.module`."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def breaches(path: Path) -> list[str]:
    where = path.relative_to(ROOT)
    mine = where.parts[0].removesuffix(".py")
    out = []
    for name, line in imported(path):
        top = name.split(".")[0]
        if top in ONLY and mine not in ONLY[top]:
            out.append(f"{where}:{line} imports {name}")
        if top != "jitgrad":
            continue
        other = room(name)
        if mine in MAY and other not in MAY[mine] | {mine}:
            out.append(f"{where}:{line}: {mine} must not import {other or 'jitgrad itself'}")
        if other == "tools" and mine != "tools" and mine != "api":
            out.append(f"{where}:{line}: nothing imports tools")
        if other == "testing" and mine not in ("testing", "tools", "test_util"):
            out.append(f"{where}:{line}: only tools import testing")
    return out


def test_all_rooms_are_seen() -> None:
    rooms = {p.relative_to(ROOT).parts[0] for p in FILES}
    assert {"ir", "frontend", "transforms", "passes", "llvm", "runtime", "tools"} <= rooms
    found = dict(imported(ROOT / "ir" / "ops" / "base.py"))
    assert {"jitgrad.errors", "jitgrad.ir.core", "jitgrad.ir.types"} <= set(found)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports(path: Path) -> None:
    assert breaches(path) == []


def test_the_check_finds_breaches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "passes" / "bad.py"
    bad.parent.mkdir()
    bad.write_text("def f():\n    from ..llvm import engine\nimport llvmlite.binding\n")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert sorted(breaches(bad)) == [
        "passes/bad.py:2: passes must not import llvm",
        "passes/bad.py:3 imports llvmlite.binding",
    ]


@pytest.mark.parametrize("module", ["jitgrad", "jitgrad.ir.interp", "jitgrad.passes.pipelines"])
def test_importing_is_light(module: str) -> None:
    code = (
        f"import {module}, sys; "
        "print([m for m in ('llvmlite', 'scipy', 'hypothesis', 'mpmath', 'pytest')"
        " if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
