"""Compares Pythons: `python benchmarks/pythons.py [--tests] .venv311/bin/python .venv312/bin/python ...`.

Each has poolkit installed, in this checkout. The cold check, bare pytest on the same checks and the re-check of
`poolkit watch` are timed on all of them in turn; with `--tests` each runs the whole tests once, with two workers.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import time
from functools import partial

from run import EXERCISE, ROOT, bare, environment, in_turn, poolkit, rechecks, timed


def version(python: str) -> str:
    """Return what a Python calls itself."""
    command = [python, "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def whole_tests(python: str) -> tuple[float, str]:
    """Run the whole tests; return the seconds that they took, and the last line that they printed."""
    begin = time.perf_counter()
    command = [python, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal"]
    kept = {name: value for name, value in environment().items() if name != "PYTEST_DISABLE_PLUGIN_AUTOLOAD"}
    ran = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, check=False, timeout=3600)
    return time.perf_counter() - begin, ran.stdout.strip().splitlines()[-1]


def main() -> None:
    """Measure each Python and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each (5)")
    parser.add_argument("--tests", action="store_true", help="run the whole tests too")
    parser.add_argument("pythons", nargs="+", metavar="PYTHON")
    asked = parser.parse_args()
    # They are started in other folders too. A virtual environment's python is a link, which must not be followed.
    asked.pythons = [os.path.abspath(each) for each in asked.pythons]
    checks = [partial(timed, poolkit("check", EXERCISE, "--solution", python=each)) for each in asked.pythons]
    bares = [partial(timed, bare(each)) for each in asked.pythons]
    times = in_turn(asked.runs, *checks, *bares)
    number = len(asked.pythons)
    print("| Python | cold check | of bare pytest | re-check | whole tests |")
    print("|---|---|---|---|---|")
    for python, cold, theirs in zip(asked.pythons, times[:number], times[number:], strict=True):
        again = statistics.median(rechecks(max(asked.runs, 7), python))
        seconds, last = whole_tests(python) if asked.tests else (0.0, "")
        whole = f"{seconds:.0f} s: {last}" if asked.tests else ""
        ours, bare_pytest = statistics.median(cold), statistics.median(theirs)
        print(f"| {version(python)} | {ours:.3f} s | {ours / bare_pytest:.2f} | {again:.3f} s | {whole} |", flush=True)


if __name__ == "__main__":
    main()
