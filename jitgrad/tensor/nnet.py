"""`T.nnet`: functions of neural networks and of likelihoods under Theano's names."""

from ..frontend.symbolic_nnet import *
from ..frontend.symbolic_nnet import log_softmax as logsoftmax

__all__ = [
    "binary_crossentropy", "categorical_crossentropy", "log_softmax", "logsoftmax", "logsumexp",
    "relu", "sigmoid", "softmax", "softplus",
]  # fmt: skip
