"""Every module can be the first one that a program imports."""

from __future__ import annotations

import subprocess
import sys

# A layer whose modules have all been first stays loaded: those above are loaded anew on top of it,
# since it imports none of them.
_PROGRAM = """
import importlib, pkgutil, sys
import jitgrad

LAYERS = [("errors", "config"), ("ir",), ("frontend", "transforms", "passes", "llvm"), ("runtime",)]

def layer(name):
    part = (name.split(".") + [""])[1]
    return next((k for k, names in enumerate(LAYERS) if part in names), len(LAYERS))

found = [m.name for m in pkgutil.walk_packages(jitgrad.__path__, "jitgrad.")]
found = [n for n in found if not n.endswith("__main__")]
done = failed = 0
for k in range(len(LAYERS) + 1):
    names = [n for n in found if layer(n) == k]
    for name in names:
        for n in list(sys.modules):
            if n.startswith("jitgrad.") and layer(n) >= k:
                del sys.modules[n]
        done += 1
        try:
            importlib.import_module(name)
        except BaseException as err:
            failed += 1
            print(f"{name}: {type(err).__name__}: {err}")
    for name in names if k < len(LAYERS) else ():
        importlib.import_module(name)
print(f"{failed} of {done}")
"""


def test_every_module_can_be_imported_first() -> None:
    made = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    lines = made.stdout.splitlines()
    failed, done = lines[-1].split(" of ")
    assert failed == "0" and int(done) > 200, made.stdout
