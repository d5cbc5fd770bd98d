"""`T.nnet.nnet`: the functions of `T.nnet` but for convolutions."""

from ...frontend.symbolic_nnet import *
