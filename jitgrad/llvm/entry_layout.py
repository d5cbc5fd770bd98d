"""Where the entry finds things: offsets in its tables and in objects of Python and NumPy."""

from __future__ import annotations

# Byte offsets. SELF_*: the function object. S_*: the spec block (64-bit fields). A_*: an argument
# record. O_*: an output record. Scratch is one block a call: data pointers of inputs, then of
# outputs, then output objects, dims (symbols, then strides), output shapes, 16-byte scalar slots.
# ARR_* and D_* are NumPy's ndarray and dtype headers, verified by runtime.native at start-up.
LAYOUT = {
    "OB_TYPE": 8,
    "OB_VALUE": 16,  # of float, complex and NumPy scalar objects
    "SELF_CALL": 16,
    "SELF_SPEC": 24,
    "SELF_SLOW": 32,
    "SELF_ERROR": 40,
    "SELF_KEEP": 48,
    "SELF_DICT": 56,
    "SELF_WEAK": 64,
    "SELF_SIZE": 72,
    "S_NARGS": 0,  # -1: no call is accepted, all go to the slow path
    "S_NOUTS": 8,
    "S_CORE": 16,
    "S_PREP": 24,
    "S_ARENA": 32,
    "S_RESULT": 40,
    "S_NOGIL": 48,  # release the GIL above so many elements; INT64_MAX: never
    "S_SCRATCH": 56,
    "S_OUTDATA": 64,
    "S_OUTOBJ": 72,
    "S_DIMS": 80,
    "S_STRIDES": 88,
    "S_SHAPES": 96,
    "S_STATIC": 104,  # address of the static output shapes
    "S_ARGS": 112,
    "S_OUTS": 120,
    "S_LATE": 128,  # whether some scalar outputs are made after the core
    "S_SIZE": 136,
    "A_DESCR": 0,
    "A_STYPE": 8,
    "A_ND": 16,
    "A_ACCEPT": 20,
    "A_MASK": 24,
    "A_STRIDED": 28,
    "A_CODES": 32,
    "A_TYPENUM": 40,
    "A_KIND": 44,
    "A_SLOT": 48,
    "A_MIN": 56,
    "A_MAX": 64,
    "A_SIZE": 72,
    "O_DESCR": 0,
    "O_STYPE": 8,
    "O_ND": 16,
    "O_SHAPE": 24,
    "O_ALLOC": 32,
    "O_SLOT": 40,
    "O_SIZE": 48,
    "ARR_DATA": 16,
    "ARR_ND": 24,
    "ARR_DIMS": 32,
    "ARR_STRIDES": 40,
    "ARR_DESCR": 56,
    "ARR_FLAGS": 64,
    "D_ORDER": 26,
    "D_TYPENUM": 28,
    "STACK_SCRATCH": 4096,
    "STACK_ARENA": 2048,
}

# Accepted kinds of objects (bits of A_ACCEPT), how a Python number is stored (A_KIND), results.
ACCEPT_ARRAY, ACCEPT_SCALAR, ACCEPT_FLOAT, ACCEPT_INT, ACCEPT_BOOL, ACCEPT_COMPLEX = (
    1,
    2,
    4,
    8,
    16,
    32,
)
KIND_F64, KIND_F32, KIND_INT, KIND_C128, KIND_C64 = range(5)
RESULTS = ("none", "single", "tuple", "list")

DATA_SYMBOLS = (
    "PyArray_Type",
    "PyFloat_Type",
    "PyLong_Type",
    "PyBool_Type",
    "PyComplex_Type",
    "_Py_TrueStruct",
    "_Py_NoneStruct",
)
NUMPY_FUNCTIONS = {"PyArray_Scalar": 60, "PyArray_NewFromDescr": 94}  # index in NumPy's API table
