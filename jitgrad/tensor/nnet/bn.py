"""`T.nnet.bn`: batch normalization."""

from ...frontend.symbolic_norm import *
