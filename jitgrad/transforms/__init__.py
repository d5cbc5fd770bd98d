"""Transforms of the IR: pushforward (jvp), pullback (vjp), batch; of any order, through regions."""

from . import loops  # noqa: F401  (rules for scan register there)
from .batch import batch
from .jvp import pushforward
from .regions import batched, jvp, vjp
from .vjp import pullback

__all__ = ["batch", "batched", "jvp", "pullback", "pushforward", "vjp"]
