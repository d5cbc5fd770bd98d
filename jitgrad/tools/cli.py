"""The `jitgrad` command: one subcommand a tool, each imported when it runs."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

# subcommand -> what it does; the module of its name has `add_arguments` and `run`
COMMANDS = {
    "dump": "print a Python function's IR, LLVM IR or machine code",
    "opt": "run passes over a file of IR",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status: 0, 1 for an error in the input, 2 for wrong usage."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="jitgrad", description=__doc__)
    sub = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        child = sub.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name in words[:1]:
            importlib.import_module(f"{__package__}.{name}").add_arguments(child)
    args = parser.parse_args(words)
    from ..errors import JitgradError

    try:
        tool = importlib.import_module(f"{__package__}.{args.command}")
        status = int(tool.run(args))
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `jitgrad dump … | head`: nor shall the flush at the end complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (JitgradError, OSError) as err:
        print(f"jitgrad {args.command}: {err}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
