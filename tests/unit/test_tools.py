"""The `jitgrad` command and the generator of the IR reference."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jitgrad.errors import JitgradError
from jitgrad.ir.parser import parse_function, parse_module
from jitgrad.ir.printer import format_function
from jitgrad.ir.verify import verify
from jitgrad.tools import opdoc
from jitgrad.tools.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "ir_reference.md"
TEXT = """func @f<n>(%x: f64[n]) -> (f64[n]) {
  %0: f64[n] = neg %x
  %1: f64[n] = neg %0
  %2: f64[n] = exp %x
  %3: f64[n] = exp %x
  %4: f64[n] = add %2, %3
  %5: f64[n] = mul %1, %4
  return %5
}
"""
MODEL = """import jitgrad.numpy as np

def loss(x, w):
    return np.sum(np.tanh(x @ w))

class Net:
    loss = staticmethod(loss)

def branches(x):
    if x.sum() > 0:
        return x
    return -x

number = 3

def raises(x):
    return {}["lost"]
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "f.jg"
    path.write_text(TEXT)
    return str(path)


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "the_model.py"
    path.write_text(MODEL)
    return str(path)


def out(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert main(words) == status
    got = capsys.readouterr()
    return got.err if status else got.out


# -- opt ------------------------------------------------------------------------------------------


def test_opt_prints_what_it_read(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert out(capsys, "opt", file, "--verify") == TEXT
    monkeypatch.setattr(sys, "stdin", io.StringIO("// a comment\n" + TEXT))
    assert out(capsys, "opt", "-") == TEXT


def test_opt_runs_passes(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = out(capsys, "opt", file, "-p", "canonicalize,simplify,dce", "--verify")
    assert text.count("= exp") == 1
    assert "neg" not in text
    kernels = out(capsys, "opt", file, "-p", "tensor, lower", "--verify")
    assert "= kernel %x" in kernels


def test_opt_shows_stages_and_times(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["opt", file, "-p", "canonicalize,dce", "--time", "--print-after-all"]) == 0
    got = capsys.readouterr()
    assert [s for s in got.out.splitlines() if s.startswith("//")] == [
        "// after canonicalize",
        "// after dce",
    ]
    assert re.search(r"canonicalize +\d+\.\d+ ms\n +dce +\d+\.\d+ ms\n +all", got.err)


def test_opt_stops_after_so_many_rewrites(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["opt", file, "-p", "simplify", "--limit", "1"]) == 0
    got = capsys.readouterr()
    assert got.err.startswith("rewrite 1: ")
    assert got.err.count("\n") == 1


def test_opt_interprets(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = out(capsys, "opt", file, "-p", "tensor", "--interpret", "--args", "[0.0, -0.0]")
    assert "// x = [0.0, -0.0]" in text
    assert "// result 0 = [0.0, -0.0]" in text
    assert "// result 0 = [" in out(capsys, "opt", file, "--interpret", "--seed", "3")


def test_opt_notices_a_wrong_pass(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from jitgrad.passes.dce import Dce

    wrong = parse_function(TEXT.replace("add %2", "sub %2"))
    monkeypatch.setattr(Dce, "run", lambda self, fn: wrong)
    assert main(["opt", file, "-p", "dce", "--interpret", "--args", "[1.0]"]) == 1
    assert "BEFORE THE PASSES: [5.43656365691809]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-p", "no-such-pass"), "no pass 'no-such-pass'"),
        (("-p", "dce{x=1}"), "has no option"),
        (("--interpret", "--args", "[1.0], 2"), "@f takes 1 arguments, not 2"),
        (("--interpret", "--args", "[1.0"), "--args is not JSON"),
        (("--interpret", "--args", '["a"]'), "--args: could not convert"),
    ],
)
def test_opt_errors(
    file: str, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    err = out(capsys, "opt", file, *words, status=1)
    assert err.startswith("jitgrad opt: ")
    assert message in err


def test_bad_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such file" in out(capsys, "opt", str(tmp_path / "none.jg"), status=1)
    (tmp_path / "bad.jg").write_text("func @f() { }")
    assert "line 1, column 11: expected '->'" in out(
        capsys, "opt", str(tmp_path / "bad.jg"), status=1
    )


def test_a_file_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.out").write_bytes(b"\x7fELF\xd0\x00")
    assert "a.out is no text" in out(capsys, "opt", str(tmp_path / "a.out"), status=1)
    assert "directory" in out(capsys, "opt", str(tmp_path), status=1)


def test_a_reader_that_stops_reading(file: str) -> None:
    """`jitgrad opt … | head -1` ends without a word."""
    code = "import sys; from jitgrad.tools.cli import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, "opt", file, "-p", "tensor,lower", "--print-after-all"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None and run.stderr is not None
        run.stdout.close()
        assert run.stderr.read() == b""
    assert run.returncode == 0


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for words, code in (([], 2), (["no"], 2), (["opt"], 2), (["--help"], 0), (["dump", "-h"], 0)):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == code
    assert "usage: jitgrad" in capsys.readouterr().out


def test_the_command_imports_lazily() -> None:
    code = (
        "import sys; from jitgrad.tools.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print([m for m in ('numpy', 'llvmlite') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# -- dump -----------------------------------------------------------------------------------------


def test_dump_stages(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("dump", f"{model}:Net.loss", "--args", "f64[n, 3], f64[3]", "--stage")
    for stage in ("trace", "opt", "kernels"):
        fn = parse_function(out(capsys, *words, stage))
        verify(fn)
        assert fn.name == "loss"
        assert fn.dims == ("n",)
        assert ("kernel" in {op.name for op in fn.ops}) == (stage == "kernels")
    assert "define" in out(capsys, *words, "llvm")
    assert ".text" in out(capsys, *words, "asm")


def test_dump_locations_and_gradients(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("dump", f"{model}:loss", "--args", "f64[n, 3], f64[3]", "--grad")
    for stage in ("trace", "opt", "kernels"):
        text = out(capsys, *words, "--stage", stage, "--locs")
        assert 'the_model.py":4 in loss)' in text
        ir, *notes = text.rstrip("\n").split("\n// ")
        assert format_function(parse_function(text), locs=True) == ir
        assert bool(notes) == (stage == "kernels"), "what fusion decided, behind its IR"
        assert len(parse_function(text).results) == 2


def test_dump_of_a_module(capsys: pytest.CaptureFixture[str]) -> None:
    assert "= exp %x" in out(capsys, "dump", "jitgrad.numpy:exp", "--args", "f64[n]")


@pytest.mark.parametrize(
    ("target", "types", "message"),
    [
        ("nothing", "", "is not MODULE:FUNCTION"),
        ("no.such.module:f", "", "cannot import no.such.module"),
        ("no_such_file.py:f", "", "there is no file no_such_file.py"),
        ("MODEL:nope", "", "has no nope"),
        ("MODEL:number", "", "is no function but 3"),
        ("MODEL:loss", "f99", "--args: line 1, column 1: there is no dtype f99"),
        ("MODEL:loss", "f64 f64", "expected ','"),
        ("MODEL:branches", "f64[n]", "line 10, in branches"),
        ("MODEL:loss", "f64[n]", "MODEL:loss with --args 'f64[n]': missing a required argument"),
        ("MODEL:loss", "f64, f64, f64", "too many positional arguments"),
        ("MODEL:raises", "f64[n]", "MODEL:raises raised KeyError: 'lost'\n  at \"MODEL\", line 17"),
        ("BROKEN:f", "", "BROKEN raised SyntaxError: invalid syntax"),
        ("IMPORTS:f", "", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("IMPORTS:f", "", 'at "IMPORTS", line 2'),
    ],
)
def test_dump_errors(
    model: str, capsys: pytest.CaptureFixture[str], target: str, types: str, message: str
) -> None:
    folder = Path(model).parent
    files = {"MODEL": model}
    for name, text in (("BROKEN", "x ==== 3\n"), ("IMPORTS", "\nimport no_such_module\n")):
        (folder / f"{name.lower()}.py").write_text(text)
        files[name] = str(folder / f"{name.lower()}.py")
    for name, path in files.items():
        target, message = target.replace(name, path), message.replace(name, path)
    err = out(capsys, "dump", target, "--args", types, status=1)
    assert message in err
    assert "Traceback" not in err


# -- the reference --------------------------------------------------------------------------------


def test_the_reference_is_up_to_date(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert opdoc.main(["--check", str(PAGE)]) == 0
    stale = tmp_path / "page.md"
    stale.write_text(PAGE.read_text().replace("natural logarithm", "unnatural logarithm"))
    assert opdoc.main(["--check", str(stale)]) == 1
    assert "is out of date" in capsys.readouterr().err
    assert opdoc.main([str(stale)]) == 0
    assert stale.read_text() == PAGE.read_text()
    stale.write_text("no marks")
    with pytest.raises(JitgradError, match="lacks the mark"):
        opdoc.main([str(stale)])


def test_every_op_and_its_derivative_stand_in_the_reference() -> None:
    from jitgrad.ir.ops import TABLE

    text = PAGE.read_text()
    for row in TABLE.values():
        assert re.search(rf"\n\| `{row.name}[ `]", text), row.name
    assert "| `t * cos(x)` |" in text
    assert "| linear in x and in y |" in text


def test_examples_of_the_reference_are_ir() -> None:
    examples = re.findall(r"```\n(func .*?)```", PAGE.read_text(), re.DOTALL)
    assert examples
    for text in examples:
        for fn in parse_module(text).values():
            verify(fn)
            assert format_function(fn) == text.rstrip("\n")
