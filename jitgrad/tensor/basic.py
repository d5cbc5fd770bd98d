"""`T.basic`: variables and functions, those of `T` but for a few of their own modules."""

from ..frontend.symbolic import (
    TensorConstant,
    TensorType,
    TensorVariable,
    as_tensor_variable,
    constant,
)
from ..frontend.symbolic import as_tensor_variable as as_tensor
from ..frontend.symbolic_constants import *
from ..frontend.symbolic_create import *
from ..frontend.symbolic_join import *
from ..frontend.symbolic_math import *
from ..frontend.symbolic_math import identity as scalar_from_tensor
from ..frontend.symbolic_math import identity as tensor_copy
from ..frontend.symbolic_math import identity as tensor_from_scalar
from ..frontend.symbolic_products import *
from ..frontend.symbolic_reduce import *
from ..frontend.symbolic_select import *
from ..frontend.symbolic_shape import *
from ..frontend.symbolic_sort import *
from ..frontend.symbolic_special import *
from ..frontend.symbolic_update import *
from ..frontend.symbolic_variables import tensor
