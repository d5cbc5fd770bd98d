"""The rules, as data, by set; a pass names the sets that it applies."""

from ..match import RuleSet
from .algebra import ALGEBRA
from .canonical import CANONICAL
from .choice import CHOICE
from .expand import EXPAND
from .indexing import INDEXING
from .likelihood import LIKELIHOOD
from .reductions import REDUCTIONS
from .relaxed import RELAXED
from .slices import SLICES
from .softmax import SOFTMAX
from .special import SPECIAL
from .stabilize import STABILIZE
from .structure import MARKERS, STRUCTURE

RULE_SETS: dict[str, RuleSet] = {
    "canonical": CANONICAL,
    "algebra": [*RELAXED, *ALGEBRA, *CHOICE],  # what a user gave up for speed comes first
    "structure": [*SLICES, *INDEXING, *STRUCTURE, *REDUCTIONS],
    "markers": MARKERS,
    "expand": EXPAND,
    "stabilize": [*STABILIZE, *SPECIAL, *SOFTMAX, *LIKELIHOOD],
}
