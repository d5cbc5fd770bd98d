"""`T.signal.downsample`: pooling under its old name."""

from ...frontend.symbolic_pool import max_pool_2d, max_pool_2d_same_size

__all__ = ["max_pool_2d", "max_pool_2d_same_size"]
