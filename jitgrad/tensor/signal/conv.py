"""`T.signal.conv`: images convolved with filters, without channels."""

from ...frontend.symbolic_conv import conv2d_signal as conv2d

__all__ = ["conv2d"]
