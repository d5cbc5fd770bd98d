"""The rules, as data, by set; a pass names the sets that it applies."""

from ..match import RuleSet
from .algebra import ALGEBRA
from .canonical import CANONICAL
from .expand import EXPAND
from .reductions import REDUCTIONS
from .softmax import SOFTMAX
from .stabilize import STABILIZE
from .structure import MARKERS, STRUCTURE

RULE_SETS: dict[str, RuleSet] = {
    "canonical": CANONICAL,
    "algebra": ALGEBRA,
    "structure": [*STRUCTURE, *REDUCTIONS],
    "markers": MARKERS,
    "expand": EXPAND,
    "stabilize": [*STABILIZE, *SOFTMAX],
}
