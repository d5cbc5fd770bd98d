"""`T.nlinalg`: products and diagonals of matrices."""

from ..frontend.symbolic_products import matrix_dot
from ..frontend.symbolic_select import diag, trace
from ..frontend.symbolic_select import diagonal as extract_diag
from ..frontend.symbolic_select import make_diagonal as alloc_diag

__all__ = ["alloc_diag", "diag", "extract_diag", "matrix_dot", "trace"]
