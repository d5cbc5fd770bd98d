"""The examples run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_demo_does_what_it_says():
    out = subprocess.run(
        [sys.executable, str(EXAMPLES / "demo.py")], capture_output=True, text=True, check=True
    ).stdout
    assert "((fill((x ** 2), 1.0) * 2) * (x ** (2 - 1)))" in out
    assert "(2.0 * x)" in out and "array(8.) array(188.4)" in out
    assert "CONVERGENCE" in out and "accuracy 98" in out
    assert "softplus" in out and "sigmoid" in out, "the naive loss was stabilized"
    assert out.count("= sigmoid") == 1 and out.count("matmul %X") == 2, "nothing is computed twice"


def test_the_data_are_the_published_ones():
    table = np.loadtxt(EXAMPLES / "data" / "breast_cancer.csv", delimiter=",", skiprows=1)
    assert table.shape == (569, 31) and table[:, -1].sum() == 357
