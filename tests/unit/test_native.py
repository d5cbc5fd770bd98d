"""The native callable, with hand-written cores; each behaviour on the entry and its stand-in."""

import ctypes
import functools
import gc
import os
import pickle
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

import jitgrad.runtime.native as native
from jitgrad.llvm.engine import compile_module
from jitgrad.llvm.entry import (
    ACCEPT_ARRAY,
    ACCEPT_BOOL,
    ACCEPT_COMPLEX,
    ACCEPT_FLOAT,
    ACCEPT_INT,
    ACCEPT_SCALAR,
)
from jitgrad.runtime.blas import blas, blas_symbols
from jitgrad.runtime.native import ArgSpec, CallSpec, OutSpec, PythonFunction

F64, F32, I64, BOOL = (np.dtype(c) for c in ("f8", "f4", "i8", "?"))
N, M = ("sym", 0), ("sym", 1)
ANY = ACCEPT_ARRAY | ACCEPT_SCALAR | ACCEPT_FLOAT | ACCEPT_INT | ACCEPT_BOOL

CORE = "(ptr %ctx, ptr %in, ptr %out, ptr %dims, ptr %arena)"
LOOP = """
  %any = icmp sgt i64 %n, 0
  br i1 %any, label %loop, label %done
loop:
  %i = phi i64 [0, %entry], [%i2, %loop]
BODY
  %i2 = add i64 %i, 1
  %more = icmp slt i64 %i2, %n
  br i1 %more, label %loop, label %done
done:
  ret i32 0
}
"""
TEXT = (
    f"define i32 @twice{CORE} {{"
    """
entry:
  %x = load ptr, ptr %in
  %y = load ptr, ptr %out
  %n = load i64, ptr %dims"""
    + LOOP.replace(
        "BODY",
        """
  %px = getelementptr double, ptr %x, i64 %i
  %py = getelementptr double, ptr %y, i64 %i
  %v = load double, ptr %px
  %w = fmul double %v, 2.0
  store double %w, ptr %py""",
    )
    + f"define i32 @strided{CORE} {{"  # sum over axis 0 of the first column: dims = n, m, s0, s1
    """
entry:
  %x = load ptr, ptr %in
  %y = load ptr, ptr %out
  %n = load i64, ptr %dims
  %s_at = getelementptr i64, ptr %dims, i64 2
  %s = load i64, ptr %s_at
  store double 0.0, ptr %y"""
    + LOOP.replace(
        "BODY",
        """
  %off = mul i64 %i, %s
  %px = getelementptr i8, ptr %x, i64 %off
  %v = load double, ptr %px
  %t = load double, ptr %y
  %t2 = fadd double %t, %v
  store double %t2, ptr %y""",
    )
    + "".join(
        f"define i32 @copy{bits}{CORE} {{\n  %x = load ptr, ptr %in\n  %y = load ptr, ptr %out\n"
        f"  %v = load i{bits}, ptr %x\n  store i{bits} %v, ptr %y\n  ret i32 0\n}}\n"
        for bits in (8, 16, 32, 64, 128)
    )
    + f"define i32 @nothing{CORE} {{\n  ret i32 0\n}}\n"
    f"define i32 @fails{CORE} {{"
    """
  %v = getelementptr i64, ptr %ctx, i64 1
  store i64 7, ptr %ctx
  store i64 -5, ptr %v
  ret i32 3
}
define i32 @prep1(ptr %ctx, ptr %dims, ptr %shapes, ptr %arena) {
  %n = load i64, ptr %dims
  store i64 %n, ptr %shapes
  ret i32 0
}
define i32 @prep2(ptr %ctx, ptr %dims, ptr %shapes, ptr %arena) {
  %n = load i64, ptr %dims
  store i64 %n, ptr %shapes
  %at = getelementptr i64, ptr %shapes, i64 1
  store i64 %n, ptr %at
  ret i32 0
}
define i32 @prep_fails(ptr %ctx, ptr %dims, ptr %shapes, ptr %arena) {
  store i64 11, ptr %ctx
  ret i32 2
}
define i32 @prep_arena(ptr %ctx, ptr %dims, ptr %shapes, ptr %arena) {
  store i64 4, ptr %shapes
  %n = load i64, ptr %dims
  store i64 %n, ptr %arena
  ret i32 0
}
define i32 @prep_huge(ptr %ctx, ptr %dims, ptr %shapes, ptr %arena) {
  store i64 1, ptr %shapes
  %at = getelementptr i64, ptr %shapes, i64 1
  store i64 4611686018427387904, ptr %at
  ret i32 0
}
define i32 @arena"""
    f"{CORE} {{"  # fills the arena's ends; says where it is
    """
  %n = load i64, ptr %dims
  %y = load ptr, ptr %out
  %a = ptrtoint ptr %arena to i64
  store i64 %a, ptr %y
  store i64 1, ptr %arena
  %last = sub i64 %n, 8
  %end = getelementptr i8, ptr %arena, i64 %last
  store i64 1, ptr %end
  ret i32 0
}
declare ptr @PyGILState_Ensure()
declare i32 @PyGILState_Check()
declare void @PyErr_SetNone(ptr)
@PyExc_KeyError = external global ptr
define i32 @raises"""
    f"{CORE} {{"
    """
  %e = load ptr, ptr @PyExc_KeyError
  call void @PyErr_SetNone(ptr %e)
  ret i32 1
}
define i32 @has_gil"""
    f"{CORE} {{"
    """
  %y = load ptr, ptr %out
  %r = call i32 @PyGILState_Check()
  %r64 = sext i32 %r to i64
  store i64 %r64, ptr %y
  ret i32 0
}
"""
)


@functools.cache
def module():
    address = ctypes.cast(ctypes.pythonapi.PyErr_SetNone, ctypes.c_void_p).value
    error = ctypes.addressof(ctypes.c_void_p.in_dll(ctypes.pythonapi, "PyExc_KeyError"))
    return compile_module(TEXT, {"PyErr_SetNone": address, "PyExc_KeyError": error})


def slow(*args, **kwargs):
    return "slow", args, kwargs


def on_error(*record):
    return ("error", *record)


def python_function(spec, core, prep, slow, on_error, keepalive, name, doc=None):
    return PythonFunction(spec, core, prep, slow, on_error, keepalive, name, doc)


@pytest.fixture(params=[native.make_native, python_function], ids=["native", "python"])
def make(request):
    return functools.partial(build, request.param)


def build(maker, spec, core="nothing", prep=None, slow=slow, on_error=on_error):
    at = module().address
    return maker(spec, at(core), prep and at(prep), slow, on_error, module(), "f", "doc of f")


fast = functools.partial(build, native.make_native)
VECTOR = CallSpec((ArgSpec("x", F64, (N,)),), (OutSpec(F64, 1),), 1)
SWAPPED = np.dtype("f8").newbyteorder("S")


class Sub(np.ndarray):
    pass


def rank0(dtype, accept=ANY, kind="scalar"):
    return CallSpec((ArgSpec("x", np.dtype(dtype), (), False, accept),),
                    (OutSpec(np.dtype(dtype), 0, kind),))  # fmt: skip


def test_this_interpreter_has_the_native_entry():
    assert native.layout_problem() is None
    assert native.native_type() is native.NativeFunction is not PythonFunction


@pytest.mark.parametrize("n", [0, 1, 4, 1000])
def test_vector(make, n):
    f = make(VECTOR, "twice", "prep1")
    x = np.arange(n) + 0.5
    y = f(x)
    assert type(y) is np.ndarray and y.dtype == F64 and y.shape == (n,) and y.flags.owndata
    assert np.array_equal(y, 2 * x)
    x.flags.writeable = False
    assert np.array_equal(f(x), 2 * x)
    unpickled = pickle.loads(pickle.dumps(x))  # carries a dtype object of its own
    assert np.array_equal(f(unpickled), 2 * x)


@pytest.mark.parametrize(
    "args, kwargs",
    [
        (([1.0, 2.0],), {}),
        ((np.arange(4),), {}),
        ((np.arange(4, dtype=F32),), {}),
        ((np.arange(8.0)[::2],), {}),
        ((np.arange(4.0)[::-1],), {}),
        ((np.arange(4.0).astype(SWAPPED),), {}),
        ((np.arange(4.0).view(Sub),), {}),
        ((np.ma.array([1.0]),), {}),
        ((np.zeros((2, 2)),), {}),
        ((np.array(1.0),), {}),
        ((np.frombuffer(b"x" * 33, np.uint8)[1:].view(F64),), {}),
        ((1.0,), {}),
        ((None,), {}),
        ((), {}),
        ((np.arange(4.0), np.arange(4.0)), {}),
        ((np.arange(4.0),), {"axis": 0}),
        ((), {"x": np.arange(4.0)}),
    ],
)
def test_everything_else_goes_to_the_slow_callable(make, args, kwargs):
    word, given, named = make(VECTOR, "twice", "prep1")(*args, **kwargs)
    assert word == "slow" and len(given) == len(args) and named.keys() == kwargs.keys()
    assert all(a is b for a, b in zip(given, args))


def test_what_the_slow_callable_raises_is_raised(make):
    def refuse(*args):
        raise LookupError("here")

    with pytest.raises(LookupError, match="here"):
        make(VECTOR, "twice", "prep1", slow=refuse)(1)


def test_no_spec_is_always_slow_until_rebound(make):
    f = make(None)
    x = np.arange(3.0)
    assert f(x)[0] == f()[0] == "slow"
    native.rebind(f, VECTOR, module().address("twice"), module().address("prep1"), module())
    assert np.array_equal(f(x), 2 * x)
    native.rebind(f, None, 0, None, None)
    assert f(x)[0] == "slow"
    with pytest.raises(TypeError, match="NativeFunction"):
        native.rebind(len, None, 0, None, None)


def test_dims(make):
    args = (ArgSpec("a", F64, (N, 3)), ArgSpec("b", F64, (3, M)), ArgSpec("c", F64, (N, M)))
    f = make(CallSpec(args, (OutSpec(F64, 2, static_shape=(2, 3)),), 2))
    a, b, c = np.zeros((5, 3)), np.zeros((3, 4)), np.zeros((5, 4))
    assert f(a, b, c).shape == (2, 3)
    assert f(a[:0], b, c[:0]).shape == (2, 3)
    for wrong in ((a[:4].copy(), b, c), (a, np.zeros((2, 4)), c), (a, b, np.zeros((5, 3)))):
        assert f(*wrong)[0] == "slow"


def test_strided(make):
    arg = ArgSpec("x", F64, (N, M), True)
    f = make(CallSpec((arg,), (OutSpec(F64, 0, "scalar"),), 2), "strided")
    x = np.arange(24.0).reshape(4, 6)
    for view in (x, x.T, x[::2], x[::-1, 2:], x[1:, ::-3], np.broadcast_to(x[0], (3, 6)), x[:0]):
        assert f(view) == view[:, :1].sum()
    assert f(x.astype(F32))[0] == "slow"


@pytest.mark.parametrize("char", "?bhilBHILefdFD")
def test_rank_0_of_every_dtype(make, char):
    dtype = np.dtype(char)
    core = f"copy{8 * dtype.itemsize}"
    accept = ACCEPT_ARRAY | ACCEPT_SCALAR
    value = dtype.type(1)
    for kind in ("scalar", "array"):
        f = make(rank0(char, accept, kind), core)
        for given in (value, np.array(value)):
            y = f(given)
            assert type(y) is (dtype.type if kind == "scalar" else np.ndarray)
            assert y == value and y.dtype == dtype and y.shape == ()
        assert f(np.ones(1, dtype))[0] == f("1")[0] == f(1.0)[0] == f(1)[0] == f(True)[0] == "slow"
    if char == "?":
        f = make(rank0(char, accept), core)
        assert f(np.True_) is np.True_ and f(np.array(False)) is np.False_


BIG = 2**63 - 1


@pytest.mark.parametrize(
    "dtype, bits, takes, refuses",
    [
        ("f8", 64, [2.5, -0.0, float("inf"), 3, -BIG - 1, 2**53 + 1, True], [2**63, 1j, "1", None]),
        ("f4", 32, [0.1, 3e38, 1e-50, float("-inf"), 16777217, BIG, False], [1e39, -1e39, 2**64]),
        ("i8", 64, [0, BIG, -BIG - 1, True], [2**63, -(2**63) - 1, 1.0]),
        ("i4", 32, [2**31 - 1, -(2**31)], [2**31, -(2**31) - 1]),
        ("u1", 8, [0, 255, True], [256, -1]),
        ("u8", 64, [0, BIG], [-1, 2**63]),
        ("?", 8, [True, False], [0, 1, 1.0]),
        ("c16", 128, [1.5, -2, True, 1 - 2j], ["1j"]),
        ("c8", 64, [1.5, -2, True], [1e300, 2**64]),
    ],
)
def test_python_numbers(make, dtype, bits, takes, refuses):
    kind = np.dtype(dtype).kind
    accept = {"f": ANY, "c": ANY, "b": ACCEPT_BOOL}.get(kind, ACCEPT_INT | ACCEPT_BOOL)
    accept |= ACCEPT_COMPLEX if dtype == "c16" else 0
    f = make(rank0(dtype, accept), f"copy{bits}")
    for value in takes:
        y = f(value)
        assert type(y) is np.dtype(dtype).type
        assert y.tobytes() == np.array(value).astype(dtype).tobytes(), value
    for value in refuses:
        assert f(value)[0] == "slow", value
    assert np.isnan(f(float("nan"))) if kind in "fc" else f(0.5)[0] == "slow"


def test_subclasses_of_numbers_are_slow(make):
    class Int(int):
        pass

    class Float(float):
        pass

    f = make(rank0("f8"), "copy64")
    assert f(Int(1))[0] == f(Float(1))[0] == f(np.float32(1))[0] == f(np.int64(1))[0] == "slow"


@pytest.mark.parametrize("result, kind", [("tuple", tuple), ("list", list)])
@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_results(make, result, kind, count):
    """300 outputs overflow the entry's stack scratch."""
    outs = tuple(OutSpec(F64, 1, "array", (i,)) for i in range(count))
    f = make(CallSpec((), outs, result=result))
    y = f()
    assert type(y) is kind and [a.shape for a in y] == [(i,) for i in range(count)]
    assert f(1)[0] == "slow"


def test_result_none(make):
    assert make(CallSpec((), (), result="none"))() is None


def test_many_arguments(make):
    args = tuple(ArgSpec(f"x{i}", F64, (), False, ANY) for i in range(1000))
    f = make(CallSpec(args, (OutSpec(F64, 0, "scalar"),)), "copy64")
    assert f(*([2] * 1000)) == 2.0
    assert f(*([2] * 999), "x")[0] == "slow"


def test_mixed_outputs(make):
    outs = (OutSpec(BOOL, 0, "scalar"), OutSpec(F64, 2, "array", (2, 2)), OutSpec(F32, 0, "array"))
    a, b, c = make(CallSpec((), outs, result="tuple"))()
    assert type(a) is np.bool_ and b.shape == (2, 2) and c.shape == () and c.dtype == F32


def test_errors_of_core_and_prep(make):
    x = np.arange(3.0)
    word, *record, args = make(VECTOR, "fails", "prep1")(x)
    assert (word, *record) == ("error", 3, 7, -5, 0, 0) and args[0] is x and len(args) == 1
    assert make(VECTOR, "twice", "prep_fails")(x)[:3] == ("error", 2, 11)

    def fail(status, op_id, v0, v1, v2, args):
        raise IndexError(f"{v0} at op {op_id}")

    with pytest.raises(IndexError, match="-5 at op 7"):
        make(VECTOR, "fails", "prep1", on_error=fail)(x)


def test_an_exception_set_by_the_core_is_raised():
    with pytest.raises(KeyError):
        fast(VECTOR, "raises", "prep1")(np.arange(3.0))


@pytest.mark.parametrize("size", [8, 2048, 2049, 100_000])
def test_arena(make, size):
    spec = CallSpec((ArgSpec("x", np.dtype("u1"), (N,)),), (OutSpec(I64, 1),), 1)
    assert make(spec, "arena", "prep_arena")(np.zeros(size, np.uint8))[0] % 64 == 0


@pytest.mark.parametrize("size", [2**62, 2**63 - 1, -1])
def test_an_arena_that_cannot_be_had(size):
    spec = CallSpec((), (OutSpec(F64, 1, "array", (4,)),), arena_static=size)
    f = fast(spec)
    for _ in range(3):
        with pytest.raises(MemoryError):
            f()


def test_an_output_that_cannot_be_had():
    spec = CallSpec((ArgSpec("x", F64, (N,)),), (OutSpec(F64, 1), OutSpec(F64, 1)), 1, 0, "tuple")
    f = fast(spec, "nothing", "prep_huge")
    x = np.arange(3.0)
    before = sys.getrefcount(F64), sys.getrefcount(x)
    for _ in range(100):
        with pytest.raises((ValueError, MemoryError)):
            f(x)
    assert abs(sys.getrefcount(F64) - before[0]) < 10 and sys.getrefcount(x) == before[1]


def test_gil_is_released_above_the_threshold():
    spec = CallSpec((ArgSpec("x", F64, (N,)),), (OutSpec(I64, 0, "scalar"),), 1, nogil=True)
    f, kept = fast(spec, "has_gil"), fast(spec._replace(nogil=False), "has_gil")
    small, large = np.zeros(native.NOGIL_ELEMENTS), np.zeros(native.NOGIL_ELEMENTS + 1)
    assert (f(small), f(large), kept(large)) == (1, 0, 1)


def test_threads():
    f = fast(VECTOR._replace(nogil=True), "twice", "prep1")
    wrong = []

    def work(k):
        for n in (3, 30_000) * 40:
            x = np.full(n, float(k))
            if not np.array_equal(f(x), 2 * x):
                wrong.append((k, n))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_reentrancy():
    """The slow callable and on_error call the function, or one another without end."""
    f = fast(VECTOR, "twice", "prep1", slow=lambda x: f(np.array(x, float)))
    assert f([1, 2]).tolist() == [2.0, 4.0]
    g = fast(VECTOR, "fails", "prep1", on_error=lambda *r: f(r[-1][0]))
    assert g(np.ones(2)).tolist() == [2.0, 2.0]
    h = fast(None, slow=lambda *a: h(*a))
    with pytest.raises(RecursionError):
        h(1)


def test_attributes(make):
    f = make(VECTOR, "twice", "prep1")
    assert (f.__name__, f.__qualname__, f.__doc__) == ("f", "f", "doc of f")
    assert repr(f) == "<compiled function f>" and callable(f)
    f.explain = 3
    assert f.explain == 3 and f.__dict__["explain"] == 3
    with pytest.raises(AttributeError):
        _ = f.nothing
    import copy

    assert copy.copy(f) is f and copy.deepcopy([f])[0] is f
    for i in range(1000):
        setattr(f, f"a{i}", i)
    assert f.a999 == 999


def test_instances_come_from_make_native_only():
    with pytest.raises(TypeError):
        native.NativeFunction()
    with pytest.raises(TypeError):
        type("Sub", (native.NativeFunction,), {})


def test_binds_like_a_function(make):
    f = make(CallSpec((), (), result="none"))

    class Holder:
        method = f
        static = staticmethod(f)

    h = Holder()
    assert h.method(5) == ("slow", (h, 5), {}) and h.method(k=1) == ("slow", (h,), {"k": 1})
    bound = h.method
    assert bound() == ("slow", (h,), {}) and bound.__self__ is h and bound.__func__ is f
    assert Holder.method is f and Holder.static() is None and Holder.method() is None
    h.method = f
    assert h.method() is None


def test_life_and_death(make):
    class Keep:
        pass

    keep, held = Keep(), Keep()
    f = make(VECTOR, "twice", "prep1")
    f.held = held
    f.keep = keep
    refs = [weakref.ref(o) for o in (f, keep, held)]
    del keep, held, f
    assert [r() for r in refs] == [None] * 3


def test_cycles_are_collected():
    class Owner:
        def slow(self, *args):
            return self

    owner = Owner()
    owner.f = fast(VECTOR, "twice", "prep1", slow=owner.slow)
    one = fast(None)
    one.me = one
    two = native.make_native(None, 0, None, slow, on_error, [], "two")
    two.self_holder = [two]
    refs = [weakref.ref(x) for x in (owner, owner.f, one, two)]
    assert gc.is_tracked(one)
    del owner, one, two
    gc.collect()
    assert [r() for r in refs] == [None] * 4


def test_a_cleared_function_answers_with_an_error():
    """A finalizer may call a function that the collector has cleared already."""
    f = fast(VECTOR, "twice", "prep1")
    at = native._support()
    clear = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object)
    get = ctypes.pythonapi.PyType_GetSlot
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_int]
    assert clear(get(at.type, 51))(f) == 0
    with pytest.raises(TypeError, match="not callable"):
        f(np.ones(2))


def test_references_stay_level():
    x, s = np.arange(4.0), 1234.5
    outs = (OutSpec(F64, 1), OutSpec(F64, 1))
    two = CallSpec((ArgSpec("x", F64, (N,)),), outs, 1, result="tuple")
    calls = [
        (fast(VECTOR, "twice", "prep1"), x),
        (fast(two, "nothing", "prep2"), x),
        (fast(rank0("f8"), "copy64"), s),
        (fast(rank0("?", ACCEPT_BOOL), "copy8"), True),
        (fast(CallSpec((ArgSpec("x", F64, (N,)),), (), 1, result="none")), x),
        (fast(VECTOR, "fails", "prep1", on_error=lambda *r: None), x),
        (fast(VECTOR, slow=lambda v: None, prep="prep1"), [1]),
    ]
    watched = [x, s, F64, None, True, np.ndarray, np.float64, slow, *(f for f, _ in calls)]
    for f, v in calls:
        f(v)
    gc.collect()
    before = [sys.getrefcount(o) for o in watched]
    for f, v in calls:
        for _ in range(1000):
            f(v)
    gc.collect()
    after = [sys.getrefcount(o) for o in watched]
    assert all(abs(a - b) < 20 for a, b in zip(after, before))


def blocks_after(count, step):
    for _ in range(100):
        step()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(count):
        step()
    gc.collect()
    return sys.getallocatedblocks() - before


def test_calls_and_functions_leak_nothing():
    x = np.arange(4.0)
    f = fast(VECTOR, "twice", "prep1")
    g = fast(rank0("f8"), "copy64")
    bad = fast(VECTOR, "fails", "prep1", on_error=lambda *r: None)
    assert blocks_after(1_000_000, lambda: f(x)) < 50
    assert blocks_after(100_000, lambda: g(2.5)) < 50
    assert blocks_after(20_000, lambda: bad(x)) < 50
    assert blocks_after(2_000, lambda: fast(VECTOR, "twice", "prep1")) < 50


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads /proc")
def test_memory_of_calls_is_freed_on_every_way_out():
    """Scratch and arenas too big for the stack, on success, failure and the slow path."""
    args = tuple(ArgSpec(f"x{i}", F64, (), False, ANY) for i in range(500))
    out = (OutSpec(F64, 0, "scalar"),)
    good, bad = [1.0] * 500, [1.0] * 499 + ["x"]
    nothing = {"slow": lambda *a: None, "on_error": lambda *r: None}
    wide = fast(CallSpec(args, out), "copy64", **nothing)
    deep = fast(CallSpec(args, out, arena_static=50_000), "fails", **nothing)
    huge = fast(CallSpec(args, out, arena_static=2**62), "copy64", **nothing)

    def step():
        assert wide(*good) == 1.0
        assert wide(*bad) is None and deep(*good) is None
        with pytest.raises(MemoryError):
            huge(*good)

    for _ in range(200):
        step()
    before = resident_kb()
    for _ in range(2000):
        step()
    assert resident_kb() - before < 2000  # 16 MB if one way out forgot its scratch


def resident_kb():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


@pytest.mark.parametrize(
    "spec, says",
    [
        (CallSpec((ArgSpec("x", F64, (N,), False, ANY),), (), 1, result="none"), "cannot accept"),
        (CallSpec((ArgSpec("x", I64, (), False, ANY),), (), result="none"), "cannot accept"),
        (CallSpec((ArgSpec("x", F64, (N,)),), (), 0, result="none"), "bad dim"),
        (CallSpec((ArgSpec("x", F64, (-1,)),), (), 0, result="none"), "bad dim"),
        (CallSpec((ArgSpec("x", SWAPPED, ()),), (), result="none"), "dtype"),
        (CallSpec((ArgSpec("x", np.dtype("O"), ()),), (), result="none"), "dtype"),
        (CallSpec((), (OutSpec(F64, 1),)), "needs prep"),
        (CallSpec((), (OutSpec(F64, 1, "array", (1, 2)),)), "static shape"),
        (CallSpec((), (OutSpec(F64, 1, "scalar", (1,)),)), "kind"),
        (CallSpec((), (OutSpec(F64, 0), OutSpec(F64, 0))), "result"),
        (CallSpec((), (OutSpec(F64, 0),), result="dict"), "result"),
    ],
)
def test_contradictory_specs(make, spec, says):
    with pytest.raises(ValueError, match=says):
        make(spec)


def test_functions_alive_at_interpreter_exit():
    program = (
        "import numpy as np, jitgrad.runtime.native as n\n"
        "def slow(*a): return 1\n"
        "f = n.make_native(None, 0, None, slow, slow, [], 'f')\n"
        "f.me = f; slow.f = f; np.keep = [f]\n"
        "class C:\n    def __del__(self, f=f): f(1)\n"
        "np.c = C()\nassert f(2) == 1"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_children_call():
    f = fast(VECTOR, "twice", "prep1")
    pid = os.fork()
    if pid == 0:
        os._exit(0 if f(np.ones(2)).tolist() == [2.0, 2.0] else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_blas_is_numpys():
    found = blas()
    assert blas_symbols() is found.symbols and blas() is found
    assert found.symbols.keys() >= {"cblas_dgemm", "cblas_sgemm", "cblas_dgemv", "cblas_ddot"}
    integer = ctypes.c_int64 if found.ints_64 else ctypes.c_int32
    data = ctypes.c_void_p
    ddot = ctypes.CFUNCTYPE(ctypes.c_double, integer, data, integer, data, integer)
    x, y = np.arange(10.0), np.arange(10.0)[::-1].copy()
    assert ddot(found.symbols["cblas_ddot"])(10, x.ctypes.data, 1, y.ctypes.data, 1) == x @ y


def test_shapes_of_symbols_need_no_prep(make):
    outs = (OutSpec(F64, 2, "array", (M, 3)), OutSpec(F64, 0), OutSpec(F64, 2, "array", (N, M)))
    f = make(CallSpec((ArgSpec("x", F64, (N, M)),), outs, 2, 0, "tuple"))
    for shape in ((2, 5), (0, 1), (4, 4)):
        got = [r.shape for r in f(np.zeros(shape))]
        assert got == [(shape[1], 3), (), shape]


def test_shapes_of_unknown_symbols(make):
    spec = CallSpec((ArgSpec("x", F64, (N,)),), (OutSpec(F64, 1, "array", (M,)),), 1)
    with pytest.raises(ValueError, match="with 1 symbols"):
        make(spec)
