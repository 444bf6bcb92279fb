"""`python -m bench NAME [--quick] [--bars] [--only WORD …]`: run one scenario and print one JSON line per figure.

A scenario is a module of this package with `measure(quick: bool) -> Iterator[Figure]`; its docstring's first line is
its description. `--quick` gives a rough answer within a minute or two. `--bars` compares with bars.toml afterwards,
says what holds and what falls short on standard error, and exits with 1 if anything does. A run that shows the machine
to be in no state to be measured on is void: that is said whether asked for or not, and the exit code is 2. `--only` is
for those scenarios whose `measure` takes it: a part of what it would measure.
"""

import argparse
import ast
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.figure import bars, where


def scenarios() -> dict[str, str]:
    """Return each scenario's description by its name, without importing any."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.FunctionDef) and node.name == "measure" for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    known = scenarios()
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure one scenario.",
        epilog="\n".join(f"{name:12}{text}" for name, text in known.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=known, metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="a rough answer within a minute")
    parser.add_argument("--bars", action="store_true", help="compare with bars.toml; exit 1 if anything falls short")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="measure these parts alone; nothing is void then")
    options = parser.parse_args(arguments)
    place, figures = where(), []
    extra = {"only": options.only} if options.only else {}
    for figure in importlib.import_module(f"bench.{options.name}").measure(options.quick, **extra):
        figures.append(figure)
        print(figure.line(place), flush=True)
    known_bars = bars(options.name)
    conditions = [bar.judge(figures) for bar in known_bars if bar.void and not options.only]
    verdicts = [bar.judge(figures) for bar in known_bars if options.bars and not bar.void]
    for _, text in conditions + verdicts:
        print(text, file=sys.stderr)
    if not all(holds for holds, _ in conditions):
        print("This run is void: the machine did not reach what it can do.", file=sys.stderr)
        return 2
    return 0 if all(holds for holds, _ in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
