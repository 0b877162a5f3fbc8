"""Lists the benchmarks, or runs those named: `python -m benchmarks [NAME...] [its options]`; without a name, all."""

from __future__ import annotations

import pkgutil
import runpy
import sys

import benchmarks


def main(arguments: list[str]) -> None:
    """Run what is named before the first option, with the options that follow."""
    known = sorted(
        module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")
    )
    if arguments[:1] == ["--list"]:
        print("\n".join(known))
        return
    named = arguments[: next((i for i, word in enumerate(arguments) if word.startswith("-")), len(arguments))]
    if unknown := set(named) - set(known):
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    for name in named or known:
        sys.argv = [f"python -m benchmarks.{name}", *arguments[len(named) :]]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
