"""The entry support module: one table-driven vectorcall entry, shared by all compiled functions.

`call_text()` and `rest_text()` are LLVM text: the C side of the native function type (vectorcall,
traverse, clear, dealloc, descr_get). What is particular to one function stands in its *spec block*,
plain memory that `runtime.native` packs by the layout below. So a compiled function brings its core
and no entry code of its own.
"""

from __future__ import annotations

import re

from .entry_layout import (
    ACCEPT_ARRAY,
    ACCEPT_BOOL,
    ACCEPT_COMPLEX,
    ACCEPT_FLOAT,
    ACCEPT_INT,
    ACCEPT_SCALAR,
    DATA_SYMBOLS,
    KIND_C64,
    KIND_C128,
    KIND_F32,
    KIND_F64,
    KIND_INT,
    LAYOUT,
    NUMPY_FUNCTIONS,
    RESULTS,
)
from .entry_rest import REST

# fmt: off
__all__ = [
    "ACCEPT_ARRAY", "ACCEPT_BOOL", "ACCEPT_COMPLEX", "ACCEPT_FLOAT", "ACCEPT_INT",
    "ACCEPT_SCALAR", "DATA_SYMBOLS", "KIND_C64", "KIND_C128", "KIND_F32", "KIND_F64",
    "KIND_INT", "LAYOUT", "NUMPY_FUNCTIONS", "RESULTS", "call_text", "rest_text",
]
# fmt: on

# Two shorthands, expanded by `_expand`: `%x = get T %p OFF` loads a field, `put T %v %p OFF`
# stores one. Upper-case names are LAYOUT's numbers.
_CALL = r"""
@PyArray_Type = external global i8
@PyFloat_Type = external global i8
declare ptr @PyArray_NewFromDescr(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)
declare void @Py_IncRef(ptr)
declare ptr @PyErr_NoMemory()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyEval_SaveThread()
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @malloc(i64)
declare void @free(ptr)
declare ptr @jg_number(ptr, ptr, ptr)
declare i64 @jg_elements(ptr, i64)
declare void @jg_drop(ptr, i64)
declare i1 @jg_late(ptr, ptr, ptr, i64)
declare ptr @jg_pack(i64, ptr, i64)
declare ptr @jg_fail(ptr, i32, ptr, ptr, i64)

define ptr @jg_call(ptr %self, ptr %args, i64 %nargsf, ptr %kwnames) {
entry:
  %ctx = alloca [4 x i64], align 16
  %arena_size = alloca i64
  %stack_scratch = alloca [STACK_SCRATCH x i8], align 16
  %stack_arena = alloca [STACK_ARENA x i8], align 64
  %spec = get ptr %self SELF_SPEC
  %nargs = and i64 %nargsf, 9223372036854775807
  %want = get i64 %spec S_NARGS
  %count_ok = icmp eq i64 %nargs, %want
  %no_kw = icmp eq ptr %kwnames, null
  %plain = and i1 %count_ok, %no_kw
  br i1 %plain, label %setup, label %slow_call

setup:
  %scratch_size = get i64 %spec S_SCRATCH
  %small = icmp ule i64 %scratch_size, STACK_SCRATCH
  br i1 %small, label %begin, label %big_scratch
big_scratch:
  %heap_new = call ptr @malloc(i64 %scratch_size)
  %no_heap = icmp eq ptr %heap_new, null
  br i1 %no_heap, label %no_scratch, label %begin
no_scratch:
  %e0 = call ptr @PyErr_NoMemory()
  ret ptr null

begin:
  %heap = phi ptr [null, %setup], [%heap_new, %big_scratch]
  %scratch = phi ptr [%stack_scratch, %setup], [%heap_new, %big_scratch]
  %off_outdata = get i64 %spec S_OUTDATA
  %outdata = getelementptr i8, ptr %scratch, i64 %off_outdata
  %off_outobj = get i64 %spec S_OUTOBJ
  %outobj = getelementptr i8, ptr %scratch, i64 %off_outobj
  %off_dims = get i64 %spec S_DIMS
  %dims = getelementptr i8, ptr %scratch, i64 %off_dims
  %off_strides = get i64 %spec S_STRIDES
  %strides0 = getelementptr i8, ptr %scratch, i64 %off_strides
  %records = get ptr %spec S_ARGS
  store [4 x i64] zeroinitializer, ptr %ctx
  br label %arg

; one argument
arg:
  %i = phi i64 [0, %begin], [%i_next, %arg_next]
  %strides = phi ptr [%strides0, %begin], [%strides_next, %arg_next]
  %args_end = icmp eq i64 %i, %nargs
  br i1 %args_end, label %prepare, label %arg_check
arg_check:
  %rec_off = mul i64 %i, A_SIZE
  %rec = getelementptr i8, ptr %records, i64 %rec_off
  %obj_at = getelementptr ptr, ptr %args, i64 %i
  %obj = load ptr, ptr %obj_at
  %in_at = getelementptr ptr, ptr %scratch, i64 %i
  %type = get ptr %obj OB_TYPE
  %accept = get i32 %rec A_ACCEPT
  %is_array = icmp eq ptr %type, @PyArray_Type
  br i1 %is_array, label %array, label %number

array:
  %may_array = trunc i32 %accept to i1
  %nd = get i32 %obj ARR_ND
  %nd_want = get i32 %rec A_ND
  %nd_ok = icmp eq i32 %nd, %nd_want
  %flags = get i32 %obj ARR_FLAGS
  %mask = get i32 %rec A_MASK
  %flags_on = and i32 %flags, %mask
  %flags_ok = icmp eq i32 %flags_on, %mask
  %ok1 = and i1 %nd_ok, %flags_ok
  %ok2 = and i1 %ok1, %may_array
  br i1 %ok2, label %array_dtype, label %slow
array_dtype:
  %descr = get ptr %obj ARR_DESCR
  %descr_want = get ptr %rec A_DESCR
  %descr_same = icmp eq ptr %descr, %descr_want
  br i1 %descr_same, label %array_dims, label %dtype_equal
dtype_equal:                     ; unpickled arrays carry a dtype object of their own
  %tn = get i32 %descr D_TYPENUM
  %tn_want = get i32 %rec A_TYPENUM
  %tn_ok = icmp eq i32 %tn, %tn_want
  %order = get i8 %descr D_ORDER
  %order_native = icmp eq i8 %order, 61
  %order_none = icmp eq i8 %order, 124
  %order_ok = or i1 %order_native, %order_none
  %dt_ok = and i1 %tn_ok, %order_ok
  br i1 %dt_ok, label %array_dims, label %slow
array_dims:
  %data = get ptr %obj ARR_DATA
  store ptr %data, ptr %in_at
  %nd64 = zext i32 %nd to i64
  %shape = get ptr %obj ARR_DIMS
  %codes = get ptr %rec A_CODES
  br label %dim
dim:
  %j = phi i64 [0, %array_dims], [%j_next, %dim_next]
  %dims_end = icmp eq i64 %j, %nd64
  br i1 %dims_end, label %array_strides, label %dim_check
dim_check:
  %code_at = getelementptr i64, ptr %codes, i64 %j
  %code = load i64, ptr %code_at
  %size_at = getelementptr i64, ptr %shape, i64 %j
  %size = load i64, ptr %size_at
  %is_sym = icmp slt i64 %code, 0
  br i1 %is_sym, label %dim_sym, label %dim_static
dim_static:
  %static_ok = icmp eq i64 %code, %size
  br i1 %static_ok, label %dim_next, label %slow
dim_sym:                         ; ~(2k): first appearance, ~(2k + 1): later ones
  %sym2 = xor i64 %code, -1
  %sym = lshr i64 %sym2, 1
  %later = trunc i64 %sym2 to i1
  %sym_at = getelementptr i64, ptr %dims, i64 %sym
  br i1 %later, label %dim_compare, label %dim_bind
dim_bind:
  store i64 %size, ptr %sym_at
  br label %dim_next
dim_compare:
  %bound = load i64, ptr %sym_at
  %bound_ok = icmp eq i64 %bound, %size
  br i1 %bound_ok, label %dim_next, label %slow
dim_next:
  %j_next = add i64 %j, 1
  br label %dim
array_strides:
  %strided32 = get i32 %rec A_STRIDED
  %strided = icmp ne i32 %strided32, 0
  br i1 %strided, label %stride_copy, label %arg_next
stride_copy:
  %given = get ptr %obj ARR_STRIDES
  br label %stride
stride:
  %s = phi i64 [0, %stride_copy], [%s_next, %stride_body]
  %s_end = icmp eq i64 %s, %nd64
  br i1 %s_end, label %stride_end, label %stride_body
stride_body:
  %from = getelementptr i64, ptr %given, i64 %s
  %stride_value = load i64, ptr %from
  %to = getelementptr i64, ptr %strides, i64 %s
  store i64 %stride_value, ptr %to
  %s_next = add i64 %s, 1
  br label %stride
stride_end:
  %strides_moved = getelementptr i64, ptr %strides, i64 %nd64
  br label %arg_next

number:
  %stype = get ptr %rec A_STYPE
  %is_scalar = icmp eq ptr %type, %stype
  %scalar_bit = and i32 %accept, 2
  %may_scalar = icmp ne i32 %scalar_bit, 0
  %scalar_ok = and i1 %is_scalar, %may_scalar
  %payload = getelementptr i8, ptr %obj, i64 OB_VALUE
  br i1 %scalar_ok, label %in_place, label %try_float
in_place:                        ; immutable and held by the caller: read where it is
  store ptr %payload, ptr %in_at
  br label %arg_next
try_float:
  %kind = get i32 %rec A_KIND
  %is_float = icmp eq ptr %type, @PyFloat_Type
  %is_f64 = icmp eq i32 %kind, 0
  %float_bit = and i32 %accept, 4
  %may_float = icmp ne i32 %float_bit, 0
  %float_f64 = and i1 %is_float, %is_f64
  %float_ok = and i1 %float_f64, %may_float
  br i1 %float_ok, label %in_place, label %convert
convert:
  %slot_off = get i64 %rec A_SLOT
  %slot = getelementptr i8, ptr %scratch, i64 %slot_off
  %converted = call ptr @jg_number(ptr %obj, ptr %rec, ptr %slot)
  store ptr %converted, ptr %in_at
  %no_number = icmp eq ptr %converted, null
  br i1 %no_number, label %slow, label %arg_next

arg_next:
  %strides_next = phi ptr [%strides, %array_strides], [%strides_moved, %stride_end],
                          [%strides, %in_place], [%strides, %convert]
  %i_next = add i64 %i, 1
  br label %arg

; dims -> output shapes and arena size
prepare:
  %arena_static = get i64 %spec S_ARENA
  store i64 %arena_static, ptr %arena_size
  %static_shapes = get ptr %spec S_STATIC
  %off_shapes = get i64 %spec S_SHAPES
  %dyn_shapes = getelementptr i8, ptr %scratch, i64 %off_shapes
  %prep = get ptr %spec S_PREP
  %no_prep = icmp eq ptr %prep, null
  br i1 %no_prep, label %outputs, label %run_prep
run_prep:
  %prep_status = call i32 %prep(ptr %ctx, ptr %dims, ptr %dyn_shapes, ptr %arena_size,
      ptr %static_shapes)
  %prep_ok = icmp eq i32 %prep_status, 0
  br i1 %prep_ok, label %outputs, label %failed

outputs:
  %shapes = phi ptr [%static_shapes, %prepare], [%dyn_shapes, %run_prep]
  %nouts = get i64 %spec S_NOUTS
  %outs = get ptr %spec S_OUTS
  br label %out
out:
  %k = phi i64 [0, %outputs], [%k_next, %out_made]
  %outs_end = icmp eq i64 %k, %nouts
  br i1 %outs_end, label %arena_begin, label %out_make
out_make:
  %orec_off = mul i64 %k, O_SIZE
  %orec = getelementptr i8, ptr %outs, i64 %orec_off
  %odescr = get ptr %orec O_DESCR
  %otype = get ptr %orec O_STYPE
  %oalloc = get ptr %orec O_ALLOC
  %is_out_array = icmp eq ptr %otype, null
  br i1 %is_out_array, label %out_array, label %out_scalar
out_array:
  %ond = get i32 %orec O_ND
  %oshape_off = get i64 %orec O_SHAPE
  %oshape = getelementptr i8, ptr %shapes, i64 %oshape_off
  call void @Py_IncRef(ptr %odescr)
  %new_array = call ptr @PyArray_NewFromDescr(ptr @PyArray_Type, ptr %odescr, i32 %ond,
      ptr %oshape, ptr null, ptr null, i32 0, ptr null)
  %array_null = icmp eq ptr %new_array, null
  br i1 %array_null, label %alloc_failed, label %out_array_ok
out_array_ok:
  %array_data = get ptr %new_array ARR_DATA
  br label %out_made
out_scalar:
  %late = icmp eq ptr %oalloc, null
  br i1 %late, label %out_late, label %out_early
out_late:                        ; np.bool has two objects only: chosen after the core
  %oslot_off = get i64 %orec O_SLOT
  %oslot = getelementptr i8, ptr %scratch, i64 %oslot_off
  br label %out_made
out_early:
  %new_scalar = call ptr %oalloc(ptr %otype, i64 0)
  %scalar_data = getelementptr i8, ptr %new_scalar, i64 OB_VALUE
  %scalar_null = icmp eq ptr %new_scalar, null
  br i1 %scalar_null, label %alloc_failed, label %out_made
out_made:
  %made = phi ptr [%new_array, %out_array_ok], [null, %out_late], [%new_scalar, %out_early]
  %made_data = phi ptr [%array_data, %out_array_ok], [%oslot, %out_late],
                       [%scalar_data, %out_early]
  %made_at = getelementptr ptr, ptr %outobj, i64 %k
  store ptr %made, ptr %made_at
  %made_data_at = getelementptr ptr, ptr %outdata, i64 %k
  store ptr %made_data, ptr %made_data_at
  %k_next = add i64 %k, 1
  br label %out

arena_begin:
  %bytes = load i64, ptr %arena_size
  %arena_fits = icmp ule i64 %bytes, STACK_ARENA
  br i1 %arena_fits, label %run, label %arena_heap
arena_heap:
  %padded = add i64 %bytes, 64
  %wild = icmp slt i64 %bytes, 0
  %request = select i1 %wild, i64 -1, i64 %padded
  %block = call ptr @malloc(i64 %request)
  %no_block = icmp eq ptr %block, null
  br i1 %no_block, label %no_memory, label %arena_align
arena_align:
  %address = ptrtoint ptr %block to i64
  %minus = sub i64 0, %address
  %lift = and i64 %minus, 63
  %aligned = getelementptr i8, ptr %block, i64 %lift
  br label %run
no_memory:
  %e1 = call ptr @PyErr_NoMemory()
  br label %alloc_failed

run:
  %block_held = phi ptr [null, %arena_begin], [%block, %arena_align]
  %arena = phi ptr [%stack_arena, %arena_begin], [%aligned, %arena_align]
  %core = get ptr %spec S_CORE
  %threshold = get i64 %spec S_NOGIL
  %keep_gil = icmp eq i64 %threshold, 9223372036854775807
  br i1 %keep_gil, label %direct, label %measure
measure:
  %in_elements = call i64 @jg_elements(ptr %args, i64 %nargs)
  %out_elements = call i64 @jg_elements(ptr %outobj, i64 %nouts)
  %elements = add i64 %in_elements, %out_elements
  %much = icmp sgt i64 %elements, %threshold
  br i1 %much, label %released, label %direct
direct:
  %status1 = call i32 %core(ptr %ctx, ptr %scratch, ptr %outdata, ptr %dims, ptr %arena)
  br label %ran
released:
  %thread = call ptr @PyEval_SaveThread()
  %status2 = call i32 %core(ptr %ctx, ptr %scratch, ptr %outdata, ptr %dims, ptr %arena)
  call void @PyEval_RestoreThread(ptr %thread)
  br label %ran
ran:
  %status = phi i32 [%status1, %direct], [%status2, %released]
  %has_block = icmp ne ptr %block_held, null
  br i1 %has_block, label %free_block, label %check
free_block:
  call void @free(ptr %block_held)
  br label %check
check:
  %good = icmp eq i32 %status, 0
  br i1 %good, label %finish, label %core_failed
core_failed:
  call void @jg_drop(ptr %outobj, i64 %nouts)
  br label %failed
failed:
  %bad_status = phi i32 [%prep_status, %run_prep], [%status, %core_failed]
  %failed_heap = icmp ne ptr %heap, null
  br i1 %failed_heap, label %failed_free, label %failed_call
failed_free:
  call void @free(ptr %heap)
  br label %failed_call
failed_call:
  %answer = call ptr @jg_fail(ptr %self, i32 %bad_status, ptr %ctx, ptr %args, i64 %nargs)
  ret ptr %answer

alloc_failed:
  call void @jg_drop(ptr %outobj, i64 %k)
  br label %leave_null
leave_null:
  br label %leave

finish:
  %any_late = get i64 %spec S_LATE
  %is_late = icmp ne i64 %any_late, 0
  br i1 %is_late, label %make_late, label %collect
make_late:
  %late_ok = call i1 @jg_late(ptr %outs, ptr %outobj, ptr %outdata, i64 %nouts)
  br i1 %late_ok, label %collect, label %late_failed
late_failed:
  call void @jg_drop(ptr %outobj, i64 %nouts)
  br label %leave_null
collect:
  %result = get i64 %spec S_RESULT
  %single = icmp eq i64 %result, 1
  br i1 %single, label %one, label %many
one:
  %first = load ptr, ptr %outobj
  br label %leave
many:
  %several = call ptr @jg_pack(i64 %result, ptr %outobj, i64 %nouts)
  br label %leave
leave:
  %returned = phi ptr [%first, %one], [%several, %many], [null, %leave_null]
  %leave_heap = icmp ne ptr %heap, null
  br i1 %leave_heap, label %leave_free, label %leave_now
leave_free:
  call void @free(ptr %heap)
  br label %leave_now
leave_now:
  ret ptr %returned

slow:
  %slow_heap = icmp ne ptr %heap, null
  br i1 %slow_heap, label %slow_free, label %slow_call
slow_free:
  call void @free(ptr %heap)
  br label %slow_call
slow_call:
  %slow_fn = get ptr %self SELF_SLOW
  %slow_answer = call ptr @PyObject_Vectorcall(ptr %slow_fn, ptr %args, i64 %nargsf, ptr %kwnames)
  ret ptr %slow_answer
}
"""


_GET = re.compile(r"^ *(%(\w+)) = get (\w+) (%\w+) (\w+)$", re.MULTILINE)
_PUT = re.compile(r"^ *put (\w+) (\S+) (%\w+) (\w+)$", re.MULTILINE)


def call_text() -> str:
    """The module of the vectorcall entry ``jg_call``; declares what `rest_text` defines."""
    return _expand(_CALL)


def rest_text() -> str:
    """The rarer parts of a call, and the type's traverse, clear, dealloc and descr_get.

    A module of its own since it needs no optimizing: that saves a third of the compile time.
    """
    return _expand(REST)


def _expand(source: str) -> str:
    number = iter(range(1 << 30))
    source = _GET.sub(
        r"  %at.\2 = getelementptr i8, ptr \4, i64 \5\n  \1 = load \3, ptr %at.\2", source
    )
    source = _PUT.sub(
        lambda m: (
            f"  %to.{(n := next(number))} = getelementptr i8, ptr {m[3]}, i64 {m[4]}\n"
            f"  store {m[1]} {m[2]}, ptr %to.{n}"
        ),
        source,
    )
    return re.sub(r"\b[A-Z]+_[A-Z]+\b", lambda m: str(LAYOUT[m[0]]), source)
