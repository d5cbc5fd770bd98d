"""`T.nnet.conv`: convolutions."""

from ...frontend.symbolic_conv import *
