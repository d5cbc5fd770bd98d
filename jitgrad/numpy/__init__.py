"""stub"""
from ..frontend import protocol
