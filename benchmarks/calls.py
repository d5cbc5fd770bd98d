"""What a call costs: small arrays and scalars, against NumPy doing one operation."""

from __future__ import annotations

import numpy as onp
from timing import interleave, show

import jitgrad.numpy as np
from jitgrad import grad, jit, value_and_grad


def main() -> None:
    x = onp.arange(4.0)
    double = jit(lambda x: x * 2.0)
    square = jit(grad(lambda x: x**2))
    norm = jit(value_and_grad(lambda x: np.sum(x * x)))
    several = jit(lambda a, b, c, d, e: (a + b, c * d, e - a))
    arrays = [onp.ones(4) for _ in range(5)]
    rivals = {
        "numpy: x * 2.0, 4 elements": lambda: x * 2.0,
        "jit: x * 2.0, 4 elements": lambda: double(x),
        "jit: scalar gradient of x ** 2": lambda: square(3.0),
        "jit: value and gradient of sum(x * x)": lambda: norm(x),
        "jit: 5 arrays to 3 arrays": lambda: several(*arrays),
        "an empty Python function": lambda: None,
    }
    times = interleave(rivals)
    base = times["an empty Python function"][0]
    print("minimum (median) a call, the loop's own lambda subtracted")
    for name, (least, middle) in times.items():
        print(f"  {name:40}{show(max(least - base, 0)):>10} ({show(max(middle - base, 0))})")


if __name__ == "__main__":
    main()
