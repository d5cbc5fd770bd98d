"""Classes of shared variables under the names that programs test with `isinstance`."""

from __future__ import annotations

from ..frontend.symbolic_shared import (
    ScalarSharedVariable,
    SharedVariable,
    TensorSharedVariable,
    shared,
)

__all__ = ["ScalarSharedVariable", "SharedVariable", "TensorSharedVariable", "shared"]
