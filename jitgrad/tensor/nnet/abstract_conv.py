"""`T.nnet.abstract_conv`: convolutions."""

from ...frontend.symbolic_conv import *
