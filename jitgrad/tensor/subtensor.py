"""`T.subtensor`: elements replaced in a copy."""

from ..frontend.symbolic_select import take
from ..frontend.symbolic_update import inc_subtensor, set_subtensor

__all__ = ["inc_subtensor", "set_subtensor", "take"]
