"""`T.signal.pool`: pooling over windows."""

from ...frontend.symbolic_pool import max_pool_2d_same_size, pool_2d, pool_3d

__all__ = ["max_pool_2d_same_size", "pool_2d", "pool_3d"]
