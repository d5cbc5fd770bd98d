"""`T.nnet.sigm`: the sigmoid and its relatives."""

from ...frontend.symbolic_nnet import hard_sigmoid, sigmoid, softplus, ultra_fast_sigmoid

__all__ = ["hard_sigmoid", "sigmoid", "softplus", "ultra_fast_sigmoid"]
