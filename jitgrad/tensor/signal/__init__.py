"""`T.signal`: pooling and convolution of images."""

from . import conv, downsample, pool
