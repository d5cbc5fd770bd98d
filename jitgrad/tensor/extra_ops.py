"""`T.extra_ops`: what NumPy has beyond the basics."""

from ..frontend.symbolic_create import bartlett
from ..frontend.symbolic_join import repeat
from ..frontend.symbolic_reduce import cumprod, cumsum, diff
from ..frontend.symbolic_select import compress, ravel_multi_index, to_one_hot, unravel_index
from ..frontend.symbolic_shape import broadcast_arrays, broadcast_to, squeeze
from ..frontend.symbolic_sort import bincount, searchsorted, unique
from ..frontend.symbolic_update import fill_diagonal, fill_diagonal_offset

__all__ = [
    "bartlett", "bincount", "broadcast_arrays", "broadcast_to", "compress", "cumprod", "cumsum",
    "diff", "fill_diagonal", "fill_diagonal_offset", "ravel_multi_index", "repeat",
    "searchsorted", "squeeze", "to_one_hot", "unique", "unravel_index",
]  # fmt: skip
