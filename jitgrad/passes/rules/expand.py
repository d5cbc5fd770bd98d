"""Products of ops that `expand` takes apart, where the whole is cheaper than the parts."""

from __future__ import annotations

from ...ir.terms import app, exp, sigmoid, x
from ..match import RuleSet, rule

EXPAND: RuleSet = []

_e = exp(-app("abs", x))

# the derivative of the logistic: one division, and it shares exp and 1 + exp with the logistic
rule(EXPAND, "logistic-pair", sigmoid(x) * sigmoid(-x), _e / ((1 + _e) * (1 + _e)),
     exact="closer", ulp=4)  # fmt: skip
