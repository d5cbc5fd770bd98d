"""What README, docs/ and docstrings show is true: examples run, commands and files exist."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import jitgrad
import jitgrad.tensor
from jitgrad.passes.pipelines import PIPELINES
from jitgrad.tools.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = sorted(
    m.name
    for m in pkgutil.walk_packages(jitgrad.__path__, "jitgrad.")
    if not m.name.endswith("__main__")
)
page = pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)


def blocks(path: Path) -> list[tuple[str, str]]:
    """Language and text of each fenced block of a page."""
    text = path.read_text(encoding="utf-8")
    return re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)


def commands(path: Path) -> list[list[str]]:
    """The command lines a page shows, as words: in blocks and between backticks."""
    text = path.read_text(encoding="utf-8")
    shown = [line for language, block in blocks(path) if language != "python"
             for line in block.splitlines()]  # fmt: skip
    inline = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    shown += [" ".join(s.split()) for s in inline]
    lines = [re.split(r"\s{3,}|\s#\s", s.strip())[0] for s in shown]
    return [shlex.split(s) for s in lines
            if re.match(r"(jitgrad|make|python|pip|pytest) ", s)]  # fmt: skip


# -- examples --------------------------------------------------------------------------------------


@page
def test_examples_of_the_pages_run(path: Path) -> None:
    parser = doctest.DocTestParser()
    test = parser.get_doctest(path.read_text(encoding="utf-8"), {}, path.name, str(path), 0)
    for language, block in blocks(path):
        if language == "python":
            assert ">>>" in block, f"{path.name}: a python block without a prompt is not run"
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(test)
    assert not runner.failures
    assert test.examples or path.name != "README.md"


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert not found.failed


def test_the_tutorial_is_in_readme_and_docstring() -> None:
    for text in (PAGES[0].read_text(encoding="utf-8"), (importlib.import_module(MODULES[0]) and
                 importlib.import_module("jitgrad.tensor").__doc__) or ""):  # fmt: skip
        assert "pp(gy)\n'((fill((x ** 2), 1.0) * 2) * (x ** (2 - 1)))'\n" in text
        assert "pp(f.maker.fgraph.outputs[0])\n'(2.0 * x)'\n" in text
        assert "dlogistic([[0, 1], [-1, -2]])\narray([[0.25      , 0.19661193],\n" in text


# -- commands --------------------------------------------------------------------------------------


@page
def test_commands_that_pages_show_exist(path: Path, tmp_path: Path,
                                        monkeypatch: pytest.MonkeyPatch,
                                        capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for words in commands(path):
        name, rest = words[0], words[1:]
        if name == "make":
            for target in rest:
                assert re.search(rf"^{target}:", makefile, re.MULTILINE), words
        elif name == "jitgrad":
            check_jitgrad(words[1:], tmp_path, monkeypatch)
            capsys.readouterr()
        elif name == "python" and rest[:2] != ["-m", "pytest"]:
            assert rest[0] == "-m", words
            assert rest[1] in MODULES, words
            if not rest[2:]:
                continue
            done = subprocess.run([sys.executable, *rest[:2], "--help"], capture_output=True,
                                  text=True, cwd=ROOT)  # fmt: skip
            assert done.returncode == 0, words
            for option in rest[2:]:
                assert not option.startswith("--") or option in done.stdout, words
        elif name == "pip":
            assert rest[0] == "install"


def check_jitgrad(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command line of the page; a file it reads is made up."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT))
    (tmp_path / "examples").exists() or (tmp_path / "examples").symlink_to(ROOT / "examples")
    text = """func @loss<n>(%x: f64[n, 3], %w: f64[3] strided) -> (f64) {
  %0: f64[n, 3] = broadcast %w {shape=[n, 3], dims=[1]}
  %1: f64[n, 3] = mul %x, %0
  %2: f64[n] = sum %1 {axes=[1]}
  %3: f64[n] = softplus %2
  %4: f64 = sum %3 {axes=[0]}
  return %4
}
"""
    for w in words:
        if w.endswith(".jg"):
            (tmp_path / w).write_text(text)
    if words[0] == "dump" and not any(":" in w for w in words):  # a mention of an option
        words = [*words, "examples.shapes:loss"]
    if words[0] == "dump" and "--args" not in words:
        words = [*words, "--args", "f64[3], f64[n, 3], f64[n]"]
    assert main(words) == 0, words


def test_pages_show_commands() -> None:
    """The test above finds what it looks for."""
    shown = {tuple(w[:2]) for p in PAGES for w in commands(p)}
    assert {("jitgrad", "dump"), ("jitgrad", "opt"), ("make", "demo"), ("make", "test")} <= shown
    assert ("python", "-m") in shown


@page
def test_files_and_modules_that_pages_name_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:jitgrad|tests|docs|examples|benchmarks)/[\w/.<>-]*)`", text):
        if "<" in name:
            name = name[: name.index("<")] + "*"
            assert list(ROOT.glob(name)), name
        else:
            assert (ROOT / name).exists(), name
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (path.parent / target).exists(), target
    for dotted in re.findall(r"`(jitgrad(?:\.\w+)+)", text):
        value = named(dotted)
        assert value is not None, dotted


def named(dotted: str) -> Any:
    """The module, or the attribute of one, of a dotted name; None where there is none."""
    words = dotted.split(".")
    for k in range(len(words), 0, -1):
        if ".".join(words[:k]) in ("jitgrad", *MODULES):
            value: Any = importlib.import_module(".".join(words[:k]))
            for word in words[k:]:
                value = getattr(value, word, None)
            return value
    return None


@page
def test_rows_and_rules_that_pages_quote_are_in_the_code(path: Path) -> None:
    """`_row(…)` and `rule(…)` in a text block stand, but for spaces, somewhere in the package."""
    quoted = [b for language, b in blocks(path)
              if language == "text" and re.match(r" *_?(row|rule)\(", b)]  # fmt: skip
    if not quoted:
        return
    folders = ("ir/ops", "passes/rules")
    calls = {ast.dump(node) for f in folders for p in (ROOT / "jitgrad" / f).glob("*.py")
             for node in ast.walk(ast.parse(p.read_text(encoding="utf-8")))
             if isinstance(node, ast.Call)}  # fmt: skip
    for block in quoted:
        for statement in ast.parse(re.sub(r"^ {3}", "", block, flags=re.MULTILINE)).body:
            assert isinstance(statement, ast.Expr)
            call = statement.value
            assert isinstance(call, ast.Call)
            # rules of a file leave out its set's name
            fewer = ast.Call(call.func, call.args[1:], call.keywords)
            assert ast.dump(call) in calls or ast.dump(fewer) in calls, ast.unparse(call)


def test_pipelines_named_in_help_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["opt", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    found = re.search(r"or a name: ([\w, ]+?) --", text)
    assert found
    assert set(found[1].split(", ")) <= set(PIPELINES)
