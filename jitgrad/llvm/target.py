"""The machine that code is made for: triple, CPU, features, vector width, FMA.

``Target.host()`` describes the running machine. ``Target.x86("sse2")`` and its like describe lesser
machines of the same family, so that tests can walk the code paths of hardware they do not run on.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

# The psABI levels: what each implies for us is read off its name, since LLVM expands it by itself.
_X86_LEVELS = {
    "sse2": ("x86-64", "", False, 128),
    "sse4": ("x86-64-v2", "", False, 128),
    "avx": ("x86-64-v2", "+avx", False, 256),
    "avx2": ("x86-64-v3", "", True, 256),
    "avx512": ("x86-64-v4", "", True, 512),
}


class Target(NamedTuple):
    """What code is generated for; hashable, compared by value.

    >>> t = Target.x86("avx2")
    >>> t.fma, t.vector_bits, t.lanes(64), t.attributes
    (True, 256, 4, '"prefer-vector-width"="256"')
    """

    triple: str
    cpu: str
    features: str
    fma: bool
    vector_bits: int

    @property
    def attributes(self) -> str:
        """Attribute text for every ``define``: without it some CPUs default to half their width."""
        return f'"prefer-vector-width"="{self.vector_bits}"'

    def lanes(self, bits: int) -> int:
        """Elements of ``bits`` bits that one vector register holds."""
        return max(1, self.vector_bits // bits)

    @staticmethod
    def host() -> Target:
        """The running machine; asked once a process (0.3 ms, loads llvmlite)."""
        return _host()

    @staticmethod
    def x86(level: str) -> Target:
        """An x86-64 machine of ``level``: "sse2", "sse4", "avx", "avx2" or "avx512".

        Raises ValueError for another level. Its code runs here only if the host has the level.
        """
        if level not in _X86_LEVELS:
            raise ValueError(f"unknown x86 level {level!r}; one of {', '.join(_X86_LEVELS)}")
        cpu, features, fma, bits = _X86_LEVELS[level]
        return Target("x86_64-unknown-linux-gnu", cpu, features, fma, bits)

    def runs_on(self, other: Target) -> bool:
        """Whether code for this target runs on ``other``, as far as family and width tell."""
        same = self.triple.split("-")[0] == other.triple.split("-")[0]
        return same and self.vector_bits <= other.vector_bits and (other.fma or not self.fma)


def describe(triple: str, cpu: str, features: str) -> Target:
    """The target of an LLVM triple, CPU name and feature string ("+avx2,-fma4,...")."""
    on = {f[1:] for f in features.split(",") if f.startswith("+")}
    arch = triple.split("-")[0]
    if arch in ("aarch64", "arm64"):
        return Target(triple, cpu, features, True, 128)
    if {"avx512f", "avx512vl", "avx512dq", "avx512bw"} <= on:
        bits = 512
    else:
        bits = 256 if "avx" in on else 128
    return Target(triple, cpu, features, "fma" in on, bits)


@functools.cache
def _host() -> Target:
    import llvmlite.binding as llvm

    try:
        features = llvm.get_host_cpu_features().flatten()
    except RuntimeError:  # LLVM cannot tell on this system: the baseline of the CPU name holds
        features = ""
    return describe(llvm.get_process_triple(), llvm.get_host_cpu_name(), features)
