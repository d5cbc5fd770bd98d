"""`T.nnet`: functions of neural networks and of likelihoods under Theano's names."""

from ...frontend.symbolic_conv import *
from ...frontend.symbolic_nnet import *
from ...frontend.symbolic_norm import *
from . import abstract_conv, bn, conv, neighbours, nnet, sigm
