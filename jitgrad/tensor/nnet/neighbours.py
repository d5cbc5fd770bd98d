"""`T.nnet.neighbours`: images cut into patches."""

from ...frontend.symbolic_pool import images2neibs, neibs2images

__all__ = ["images2neibs", "neibs2images"]
