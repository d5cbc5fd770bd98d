"""The engine: what is compiled runs, what is wrong is refused, what is dropped is freed."""

import ctypes
import gc
import os
import subprocess
import sys
import threading

import pytest

from jitgrad.llvm.engine import CompileError, choose_plan, compile_module, inlined_size
from jitgrad.llvm.target import Target, describe

ADD = "define i64 @add(i64 %x) {\n  %y = add i64 %x, NUMBER\n  ret i64 %y\n}\n"
LOOP = """
define internal double @twice(double %x) alwaysinline {
  %y = fadd double %x, %x
  ret double %y
}
define double @total(ptr %x, i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i2, %loop]
  %s = phi double [0.0, %entry], [%s2, %loop]
  %p = getelementptr double, ptr %x, i64 %i
  %v = load double, ptr %p
  %t = call double @twice(double %v)
  %s2 = fadd double %s, %t
  %i2 = add i64 %i, 1
  %c = icmp slt i64 %i2, %n
  br i1 %c, label %loop, label %done
done:
  ret double %s2
}
"""


def call(module, name, value, kind=ctypes.c_int64):
    return ctypes.CFUNCTYPE(kind, kind)(module.address(name))(value)


@pytest.mark.parametrize("opt", ["none", "light", "full"])
def test_compiles_and_runs(opt):
    module = compile_module(LOOP, {}, opt=opt)
    total = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_void_p, ctypes.c_int64)
    data = (ctypes.c_double * 5)(1, 2, 3, 4, 5)
    assert total(module.address("total"))(ctypes.addressof(data), 5) == 30.0
    assert module.names == ("total",)
    assert set(module.timings) == {"parse", "passes", "codegen", "link"}
    assert all(seconds > 0 for seconds in module.timings.values())
    assert "call double @twice" not in module.optimized_ir()
    assert "total:" in module.assembly() and module.object_code
    with pytest.raises(KeyError):
        module.address("twice")


def test_symbols_come_from_the_caller_and_from_the_process():
    double = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(lambda x: 2 * x)
    text = """
    @there = external global i8
    declare i64 @mine(i64)
    declare double @exp(double)
    declare double @llvm.pow.f64(double, double)
    define i64 @use(i64 %x) {
      %y = call i64 @mine(i64 %x)
      ret i64 %y
    }
    define double @maths(double %x) {
      %y = call double @exp(double %x)
      %z = call double @llvm.pow.f64(double %y, double 2.0)
      %r = frem double %z, 5.0
      ret double %r
    }
    define ptr @where(ptr %x) {
      ret ptr @there
    }
    """
    address = ctypes.cast(double, ctypes.c_void_p).value
    module = compile_module(text, {"mine": address, "there": 0x7123456789AB})
    assert call(module, "use", 21) == 42
    assert call(module, "maths", 1.0, ctypes.c_double) == pytest.approx(2.3890560989306495)
    assert call(module, "where", 0, ctypes.c_void_p) == 0x7123456789AB


@pytest.mark.parametrize(
    "text, says",
    [
        ("define i64 @f() {\n  ret i32 0\n}", "function result type"),
        ("define i64 @f(i64 %x) {\n  %y = add i64 %y, 1\n  ret i64 %y\n}", "%y"),
        ("define i64 @f() {", "found end of file"),
        ("declare void @jg_no_such()\ndefine void @f() {\n  call void @jg_no_such()\n  ret void\n}",
         "no address for jg_no_such"),
    ],
)  # fmt: skip
def test_refuses(text, says):
    with pytest.raises(CompileError, match=says):
        compile_module(text, {})
    assert call(compile_module(ADD.replace("NUMBER", "1"), {}), "add", 1) == 2


def test_unknown_option():
    with pytest.raises(ValueError, match="opt is 'fast'"):
        compile_module(ADD, {}, opt="fast")


def test_policy():
    assert choose_plan(LOOP, "light") == ("inline", 1)
    assert choose_plan(LOOP.replace("alwaysinline", ""), "light") == ("none", 1)
    assert choose_plan(ADD, "light") == ("none", 0)
    assert choose_plan(ADD + "  %x = add i64 %x, 1\n" * 4000, "light") == ("none", 0)
    assert choose_plan(LOOP + "; a line\n" * 4000, "light") == ("inline", 0)
    assert choose_plan(LOOP, "none") == ("inline", 0)
    assert choose_plan(LOOP, "full") == ("full", 2)
    calls = "define void @g() {\n" + " call double @twice(double 0.0)\n" * 1000 + " ret void\n}\n"
    assert inlined_size(LOOP + calls) > 5000


@pytest.mark.parametrize("level, register", [("sse2", "xmm"), ("avx2", "ymm"), ("avx512", "zmm")])
def test_lesser_targets(level, register):
    """Wide code is legalized to the registers that the target has."""
    target = Target.x86(level)
    text = f"""
    define void @f(ptr %x) {target.attributes} {{
      %v = load <16 x double>, ptr %x, align 8
      %w = fmul <16 x double> %v, %v
      store <16 x double> %w, ptr %x, align 8
      ret void
    }}
    """
    assembly = compile_module(text, {}, target=target).assembly()
    wider = {"xmm": ("ymm", "zmm"), "ymm": ("zmm",), "zmm": ()}[register]
    assert register in assembly and not any(w in assembly for w in wider)
    assert target.lanes(64) * 64 == target.vector_bits
    assert target.fma == (level != "sse2")


def test_targets():
    host = Target.host()
    assert host is Target.host()
    assert host.vector_bits in (128, 256, 512) and host.runs_on(host)
    assert Target.x86("sse2").runs_on(Target.x86("avx512"))
    assert not Target.x86("avx2").runs_on(Target.x86("avx"))
    assert describe("aarch64-linux-gnu", "generic", "") == (
        "aarch64-linux-gnu", "generic", "", True, 128,
    )  # fmt: skip
    assert describe("x86_64-pc", "haswell", "+avx,+avx2,+fma,-avx512f").vector_bits == 256
    with pytest.raises(ValueError, match="mmx"):
        Target.x86("mmx")


def resident_kb():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads /proc")
@pytest.mark.parametrize("attribute, kb, count", [("", 0.75, 2000), ("alwaysinline", 8, 500)])
def test_dropped_modules_are_freed(attribute, kb, count):
    """Flat without passes; with them llvmlite itself keeps 5.5 KB of each pass builder."""
    text = ADD.replace(") {", f") {attribute} {{")
    for n in range(300):
        compile_module(text.replace("NUMBER", str(n)), {})
    before = resident_kb()
    for n in range(count):
        compile_module(text.replace("NUMBER", str(n)), {})
    assert resident_kb() - before < kb * count


def test_modules_held_stay_apart():
    modules = [compile_module(ADD.replace("NUMBER", str(n)), {}) for n in range(50)]
    del modules[::2]
    gc.collect()
    assert [call(m, "add", 100) for m in modules] == [100 + n for n in range(1, 50, 2)]


def test_threads():
    failures = []

    def work(k):
        for n in range(15):
            module = compile_module(ADD.replace("NUMBER", str(100 * k + n)), {})
            if call(module, "add", 1) != 100 * k + n + 1:
                failures.append((k, n))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


FORK = """
import ctypes, os, sys, threading
from jitgrad.llvm.engine import compile_module
text = {text!r}
stop = False
def work():
    while not stop:
        compile_module(text, {{}})
compile_module(text, {{}})
threads = [threading.Thread(target=work) for _ in range(2)]
[t.start() for t in threads]
codes = []
for _ in range(10):
    pid = os.fork()
    if pid == 0:
        m = compile_module(text, {{}})
        ok = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(m.address("add"))(1) == 8
        os._exit(0 if ok else 1)
    codes.append(os.waitpid(pid, 0)[1])
stop = True
[t.join() for t in threads]
print(codes == [0] * 10)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_children_compile_while_parents_threads_do():
    program = FORK.format(text=ADD.replace("NUMBER", "7"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "True", done.stderr


def test_llvmlite_is_loaded_on_the_first_compile():
    program = (
        "import sys, jitgrad.llvm.engine as e, jitgrad.runtime.native, jitgrad.runtime.blas\n"
        "assert not any(m.startswith('llvmlite') for m in sys.modules)\n"
        f"e.compile_module({ADD.replace('NUMBER', '1')!r}, {{}})\n"
        "assert 'llvmlite.binding' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
