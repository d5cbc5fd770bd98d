"""The text of what a call needs rarely, and of the native function type's other slots.

The shorthands are those of `entry`.
"""

from __future__ import annotations

REST = r"""
@PyArray_Type = external global i8
@PyFloat_Type = external global i8
@PyLong_Type = external global i8
@PyBool_Type = external global i8
@PyComplex_Type = external global i8
@_Py_TrueStruct = external global i8
@_Py_NoneStruct = external global i8
declare ptr @PyArray_Scalar(ptr, ptr, ptr)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyErr_Occurred()
declare ptr @PyList_New(i64)
declare i32 @PyList_SetItem(ptr, i64, ptr)
declare i64 @PyLong_AsLongLongAndOverflow(ptr, ptr)
declare ptr @PyMethod_New(ptr, ptr)
declare ptr @PyObject_CallFunction(ptr, ptr, ...)
declare void @PyObject_ClearWeakRefs(ptr)
declare void @PyObject_GC_Del(ptr)
declare void @PyObject_GC_UnTrack(ptr)
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare double @llvm.fabs.f64(double)
@jg_unbound = internal constant i64 -1
@jg_error_format = internal constant [7 x i8] c"iLLLLN\00"

; a Python number as the data of argument record %rec: its address, or null for the slow path
define ptr @jg_number(ptr %obj, ptr %rec, ptr %slot) {
entry:
  %overflow = alloca i32
  %type = get ptr %obj OB_TYPE
  %payload = getelementptr i8, ptr %obj, i64 OB_VALUE
  %accept = get i32 %rec A_ACCEPT
  %kind = get i32 %rec A_KIND
  %is_float = icmp eq ptr %type, @PyFloat_Type
  br i1 %is_float, label %float, label %try_int
float:
  %float_bit = and i32 %accept, 4
  %may_float = icmp ne i32 %float_bit, 0
  %float_value = load double, ptr %payload
  br i1 %may_float, label %store_number, label %slow
try_int:
  %is_int = icmp eq ptr %type, @PyLong_Type
  br i1 %is_int, label %int, label %try_bool
int:
  %int_bit = and i32 %accept, 8
  %may_int = icmp ne i32 %int_bit, 0
  br i1 %may_int, label %int_ok, label %slow
int_ok:
  %int_read = call i64 @PyLong_AsLongLongAndOverflow(ptr %obj, ptr %overflow)
  %over = load i32, ptr %overflow
  %fits = icmp eq i32 %over, 0
  br i1 %fits, label %int_store, label %slow
try_bool:
  %is_bool = icmp eq ptr %type, @PyBool_Type
  br i1 %is_bool, label %bool, label %try_complex
bool:
  %bool_bit = and i32 %accept, 16
  %may_bool = icmp ne i32 %bool_bit, 0
  %is_true = icmp eq ptr %obj, @_Py_TrueStruct
  %bool_value = zext i1 %is_true to i64
  br i1 %may_bool, label %int_store, label %slow
int_store:
  %int_value = phi i64 [%int_read, %int_ok], [%bool_value, %bool]
  %int_double = sitofp i64 %int_value to double
  %kind_int = icmp eq i32 %kind, 2
  br i1 %kind_int, label %int_range, label %store_number
int_range:
  %min = get i64 %rec A_MIN
  %max = get i64 %rec A_MAX
  %ge_min = icmp sge i64 %int_value, %min
  %le_max = icmp sle i64 %int_value, %max
  %in_range = and i1 %ge_min, %le_max
  store i64 %int_value, ptr %slot
  br i1 %in_range, label %stored, label %slow
store_number:                    ; a double into f64, f32, c128 or c64
  %value = phi double [%float_value, %float], [%int_double, %int_store]
  %is_f32 = icmp eq i32 %kind, 1
  %is_c64 = icmp eq i32 %kind, 4
  %narrow = or i1 %is_f32, %is_c64
  br i1 %narrow, label %store_narrow, label %store_wide
store_wide:
  store double %value, ptr %slot
  put double 0.0 %slot 8
  br label %stored
store_narrow:
  %value32 = fptrunc double %value to float
  %back = fpext float %value32 to double
  %back_abs = call double @llvm.fabs.f64(double %back)
  %back_inf = fcmp oeq double %back_abs, 0x7FF0000000000000
  %not_inf = fcmp one double %value, %back
  %too_big = and i1 %back_inf, %not_inf
  store float %value32, ptr %slot
  put float 0.0 %slot 4
  br i1 %too_big, label %slow, label %stored
stored:
  ret ptr %slot
try_complex:
  %is_complex = icmp eq ptr %type, @PyComplex_Type
  %complex_bit = and i32 %accept, 32
  %may_complex = icmp ne i32 %complex_bit, 0
  %complex_ok = and i1 %is_complex, %may_complex
  br i1 %complex_ok, label %complex, label %slow
complex:
  ret ptr %payload
slow:
  ret ptr null
}

; a prep for shapes of numbers and of symbols (~k), behind which stands INT64_MIN
define i32 @jg_shapes(ptr %ctx, ptr %dims, ptr %shapes, ptr %arena_size, ptr %codes) {
entry:
  br label %next
next:
  %i = phi i64 [0, %entry], [%i2, %number], [%i2, %symbol]
  %code_at = getelementptr i64, ptr %codes, i64 %i
  %to = getelementptr i64, ptr %shapes, i64 %i
  %code = load i64, ptr %code_at
  %end = icmp eq i64 %code, -9223372036854775808
  br i1 %end, label %done, label %one
one:
  %i2 = add i64 %i, 1
  %is_number = icmp sge i64 %code, 0
  br i1 %is_number, label %number, label %symbol
number:
  store i64 %code, ptr %to
  br label %next
symbol:
  %k = xor i64 %code, -1
  %from = getelementptr i64, ptr %dims, i64 %k
  %size = load i64, ptr %from
  store i64 %size, ptr %to
  br label %next
done:
  ret i32 0
}

; releases the first n objects (null allowed)
define void @jg_drop(ptr %objects, i64 %n) {
entry:
  br label %next
next:
  %i = phi i64 [0, %entry], [%i2, %body]
  %end = icmp eq i64 %i, %n
  br i1 %end, label %done, label %body
body:
  %at = getelementptr ptr, ptr %objects, i64 %i
  %o = load ptr, ptr %at
  call void @Py_DecRef(ptr %o)
  %i2 = add i64 %i, 1
  br label %next
done:
  ret void
}

; the number of elements of the arrays among n objects
define i64 @jg_elements(ptr %objects, i64 %n) {
entry:
  br label %next
next:
  %i = phi i64 [0, %entry], [%i2, %step]
  %total = phi i64 [0, %entry], [%total2, %step]
  %end = icmp eq i64 %i, %n
  br i1 %end, label %done, label %body
body:
  %at = getelementptr ptr, ptr %objects, i64 %i
  %o = load ptr, ptr %at
  %null = icmp eq ptr %o, null
  br i1 %null, label %step, label %typed
typed:
  %type = get ptr %o OB_TYPE
  %array = icmp eq ptr %type, @PyArray_Type
  br i1 %array, label %shape, label %step
shape:
  %nd = get i32 %o ARR_ND
  %dims = get ptr %o ARR_DIMS
  %nd64 = zext i32 %nd to i64
  br label %dim
dim:
  %j = phi i64 [0, %shape], [%j2, %times]
  %p = phi i64 [1, %shape], [%p2, %times]
  %last = icmp eq i64 %j, %nd64
  br i1 %last, label %step, label %times
times:
  %d_at = getelementptr i64, ptr %dims, i64 %j
  %d = load i64, ptr %d_at
  %p2 = mul i64 %p, %d
  %j2 = add i64 %j, 1
  br label %dim
step:
  %more = phi i64 [0, %body], [0, %typed], [%p, %dim]
  %total2 = add i64 %total, %more
  %i2 = add i64 %i, 1
  br label %next
done:
  ret i64 %total
}

; makes the scalars that were left for after the core; false with an exception set on failure
define i1 @jg_late(ptr %outs, ptr %objects, ptr %data, i64 %n) {
entry:
  br label %next
next:
  %i = phi i64 [0, %entry], [%i2, %step]
  %end = icmp eq i64 %i, %n
  br i1 %end, label %done, label %body
body:
  %at = getelementptr ptr, ptr %objects, i64 %i
  %o = load ptr, ptr %at
  %null = icmp eq ptr %o, null
  br i1 %null, label %make, label %step
make:
  %rec_off = mul i64 %i, O_SIZE
  %rec = getelementptr i8, ptr %outs, i64 %rec_off
  %descr = get ptr %rec O_DESCR
  %from_at = getelementptr ptr, ptr %data, i64 %i
  %from = load ptr, ptr %from_at
  %new = call ptr @PyArray_Scalar(ptr %from, ptr %descr, ptr null)
  store ptr %new, ptr %at
  %bad = icmp eq ptr %new, null
  br i1 %bad, label %failed, label %step
step:
  %i2 = add i64 %i, 1
  br label %next
failed:
  ret i1 false
done:
  ret i1 true
}

; None, or a tuple (2) or list (3) that takes over the n objects
define ptr @jg_pack(i64 %result, ptr %objects, i64 %n) {
entry:
  %none = icmp eq i64 %result, 0
  br i1 %none, label %nothing, label %some
nothing:
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
some:
  %is_list = icmp eq i64 %result, 3
  br i1 %is_list, label %list, label %tuple
list:
  %l = call ptr @PyList_New(i64 %n)
  br label %made
tuple:
  %t = call ptr @PyTuple_New(i64 %n)
  br label %made
made:
  %pack = phi ptr [%l, %list], [%t, %tuple]
  %bad = icmp eq ptr %pack, null
  br i1 %bad, label %failed, label %next
failed:
  call void @jg_drop(ptr %objects, i64 %n)
  ret ptr null
next:
  %i = phi i64 [0, %made], [%i2, %step]
  %end = icmp eq i64 %i, %n
  br i1 %end, label %done, label %body
body:
  %at = getelementptr ptr, ptr %objects, i64 %i
  %o = load ptr, ptr %at
  br i1 %is_list, label %set_list, label %set_tuple
set_list:
  %r1 = call i32 @PyList_SetItem(ptr %pack, i64 %i, ptr %o)
  br label %step
set_tuple:
  %r2 = call i32 @PyTuple_SetItem(ptr %pack, i64 %i, ptr %o)
  br label %step
step:
  %i2 = add i64 %i, 1
  br label %next
done:
  ret ptr %pack
}

; on_error(status, op_id, v0, v1, v2, args); an exception that the core has set goes first
define ptr @jg_fail(ptr %self, i32 %status, ptr %ctx, ptr %args, i64 %n) {
entry:
  %pending = call ptr @PyErr_Occurred()
  %raised = icmp ne ptr %pending, null
  br i1 %raised, label %failed, label %pack
pack:
  %tuple = call ptr @PyTuple_New(i64 %n)
  %bad = icmp eq ptr %tuple, null
  br i1 %bad, label %failed, label %next
failed:
  ret ptr null
next:
  %i = phi i64 [0, %pack], [%i2, %body]
  %end = icmp eq i64 %i, %n
  br i1 %end, label %call, label %body
body:
  %at = getelementptr ptr, ptr %args, i64 %i
  %o = load ptr, ptr %at
  call void @Py_IncRef(ptr %o)
  %r = call i32 @PyTuple_SetItem(ptr %tuple, i64 %i, ptr %o)
  %i2 = add i64 %i, 1
  br label %next
call:
  %on_error = get ptr %self SELF_ERROR
  %op = get i64 %ctx 0
  %v0 = get i64 %ctx 8
  %v1 = get i64 %ctx 16
  %v2 = get i64 %ctx 24
  %answer = call ptr (ptr, ptr, ...) @PyObject_CallFunction(ptr %on_error, ptr @jg_error_format,
      i32 %status, i64 %op, i64 %v0, i64 %v1, i64 %v2, ptr %tuple)
  ret ptr %answer
}

; ---- the type's other slots ----
define i32 @jg_traverse(ptr %self, ptr %visit, ptr %arg) {
entry:
  %type = get ptr %self OB_TYPE
  %r0 = call i32 @jg_visit(ptr %type, ptr %visit, ptr %arg)
  %slow = get ptr %self SELF_SLOW
  %r1 = call i32 @jg_visit(ptr %slow, ptr %visit, ptr %arg)
  %error = get ptr %self SELF_ERROR
  %r2 = call i32 @jg_visit(ptr %error, ptr %visit, ptr %arg)
  %keep = get ptr %self SELF_KEEP
  %r3 = call i32 @jg_visit(ptr %keep, ptr %visit, ptr %arg)
  %dict = get ptr %self SELF_DICT
  %r4 = call i32 @jg_visit(ptr %dict, ptr %visit, ptr %arg)
  %s1 = or i32 %r0, %r1
  %s2 = or i32 %s1, %r2
  %s3 = or i32 %s2, %r3
  %s4 = or i32 %s3, %r4
  ret i32 %s4
}

define i32 @jg_visit(ptr %o, ptr %visit, ptr %arg) {
entry:
  %null = icmp eq ptr %o, null
  br i1 %null, label %skip, label %call
skip:
  ret i32 0
call:
  %r = call i32 %visit(ptr %o, ptr %arg)
  ret i32 %r
}

; leaves a function that answers every call with "None is not callable", and never crashes
define i32 @jg_clear(ptr %self) {
  call void @jg_reset(ptr %self, ptr @_Py_NoneStruct)
  ret i32 0
}

define void @jg_reset(ptr %self, ptr %other) {
  put ptr @jg_unbound %self SELF_SPEC
  call void @Py_IncRef(ptr %other)
  call void @Py_IncRef(ptr %other)
  %slow = get ptr %self SELF_SLOW
  put ptr %other %self SELF_SLOW
  %error = get ptr %self SELF_ERROR
  put ptr %other %self SELF_ERROR
  %keep = get ptr %self SELF_KEEP
  put ptr null %self SELF_KEEP
  %dict = get ptr %self SELF_DICT
  put ptr null %self SELF_DICT
  call void @Py_DecRef(ptr %slow)
  call void @Py_DecRef(ptr %error)
  call void @Py_DecRef(ptr %keep)
  call void @Py_DecRef(ptr %dict)
  ret void
}

define void @jg_dealloc(ptr %self) {
entry:
  call void @PyObject_GC_UnTrack(ptr %self)
  %weak = get ptr %self SELF_WEAK
  %no_weak = icmp eq ptr %weak, null
  br i1 %no_weak, label %free, label %refs
refs:
  call void @PyObject_ClearWeakRefs(ptr %self)
  br label %free
free:
  call void @jg_reset(ptr %self, ptr null)
  %type = get ptr %self OB_TYPE
  call void @PyObject_GC_Del(ptr %self)
  call void @Py_DecRef(ptr %type)
  ret void
}

define ptr @jg_descr_get(ptr %self, ptr %obj, ptr %type) {
entry:
  %null = icmp eq ptr %obj, null
  %none = icmp eq ptr %obj, @_Py_NoneStruct
  %unbound = or i1 %null, %none
  br i1 %unbound, label %same, label %bind
same:
  call void @Py_IncRef(ptr %self)
  ret ptr %self
bind:
  %method = call ptr @PyMethod_New(ptr %self, ptr %obj)
  ret ptr %method
}
"""
