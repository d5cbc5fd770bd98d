"""`T.type`: the type of variables."""

from ..frontend.symbolic_type import TensorType

__all__ = ["TensorType"]
