"""Measures how quick poolkit is, and prints a table: `python benchmarks/run.py` in a checkout, poolkit installed.

The cold check is timed against benchmarks/bare/, a plain pytest file that does the same checks in one process with
the app and without any protection. Each figure is the median of five runs (or `--runs N`); the two sides take turns,
each after one run that is not counted and that compiles the bytecode of both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXERCISE = "exercise-3"


def bare(python: str = sys.executable) -> list[str]:
    """Return the command line of pytest, as lean as it gets: no configuration, no plugin but what the file needs."""
    return [
        *(python, "-m", "pytest", "-q", "-c", os.devnull, "-p", "anyio", "-p", "no:cacheprovider"),
        *("--rootdir", tempfile.gettempdir(), str(ROOT / "benchmarks" / "bare")),
    ]


def poolkit(*arguments: str, python: str = sys.executable) -> list[str]:
    """Return the command line of the `poolkit` that is installed beside a Python, with these arguments."""
    return [str(Path(python).with_name("poolkit")), *arguments]


def environment(**extra: str) -> dict[str, str]:
    """Return the environment without what makes Python or pytest slower or quicker than a user's."""
    names = [name for name in os.environ if name.startswith("PYTEST") or name == "PYTHONDONTWRITEBYTECODE"]
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return kept | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | extra


def timed(command: Sequence[str]) -> float:
    """Run a command to its end and return its wall time in seconds.

    Raises:
        subprocess.CalledProcessError: it failed, so its time says nothing.
    """
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment(), cwd=ROOT, timeout=120)
    return time.perf_counter() - begin


def in_turn(runs: int, *sides: Callable[[], float]) -> list[list[float]]:
    """Time the sides one after the other, over and over; return each side's times, its first left out."""
    times: list[list[float]] = [[] for _ in sides]
    for number in range(runs + 1):
        for side, found in zip(sides, times, strict=True):
            taken = side()
            if number:
                found.append(taken)
    return times


def rechecks(runs: int, python: str = sys.executable) -> list[float]:
    """Save the reference again and again under `poolkit watch`; return the times until its verdict is on the screen.

    The terminal is a real one. A time begins before the file is written and ends when the last line of the report has
    been read from the terminal.
    """
    import pexpect

    from poolkit.course import find_course

    exercise = find_course().exercise(EXERCISE)
    text = exercise.reference.read_text(encoding="utf-8")
    times = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            poolkit("init", "practice", python=python), check=True, stdout=subprocess.DEVNULL, cwd=folder, timeout=120
        )
        practice = Path(folder, "practice")
        file = practice / "exercises" / exercise.id / exercise.file_name
        file.write_text(text, encoding="utf-8")
        command, *arguments = poolkit("watch", EXERCISE, python=python)
        watching = pexpect.spawn(
            command,
            arguments,
            cwd=str(practice),
            env=environment(TERM="xterm", NO_COLOR="1"),
            dimensions=(60, 80),
            encoding="utf-8",
            timeout=60,
        )
        watching.expect("q quit")
        for number in range(runs + 2):
            time.sleep(0.5)  # nobody saves sooner than that after reading a verdict
            begin = time.perf_counter()
            file.write_text(f"{text}# {number}\n", encoding="utf-8")
            watching.expect("points")
            times.append(time.perf_counter() - begin)
            watching.expect("q quit")
        watching.send("q")
        watching.expect(pexpect.EOF)
        watching.close()
    # The first waits for no lab that was forked ahead; it is not counted, as no other first run is.
    return times[2:]


def each_check(runs: int) -> dict[str, list[float]]:
    """Return the times of each check of the reference, as the report gives them."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "report.json")
        for _ in range(runs):
            timed(poolkit("check", EXERCISE, "--solution", "--format", "json", "--output", str(target)))
            for check in json.loads(target.read_text(encoding="utf-8"))["checks"]:
                found.setdefault(check["id"], []).append(check["duration_s"])
    return found


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each side (5)")
    runs = parser.parse_args().runs
    ours, theirs = in_turn(runs, lambda: timed(poolkit("check", EXERCISE, "--solution")), lambda: timed(bare()))
    ratio = statistics.median(ours) / statistics.median(theirs)
    (help_times,) = in_turn(runs, lambda: timed(poolkit("--help")))
    (list_times,) = in_turn(runs, lambda: timed(poolkit("list")))
    rows: list[tuple[str, list[float], str]] = [
        (f"poolkit check {EXERCISE} --solution, cold", ours, f"{ratio:.2f} of bare pytest (aim: at most 1.0)"),
        ("bare pytest, the same checks, no protection", theirs, ""),
        ("from a save to the verdict of `poolkit watch`", rechecks(max(runs, 7)), "aim: at most 0.25 s"),
        ("poolkit --help", help_times, "aim: at most 0.15 s"),
        ("poolkit list", list_times, ""),
        *((f"check {name}", times, "") for name, times in each_check(runs).items()),
    ]
    print(f"| what | median of {runs} | fastest to slowest | |")
    print("|---|---|---|---|")
    for name, times, note in rows:
        spread = f"{min(times):.3f} to {max(times):.3f} s"
        print(f"| {name} | {statistics.median(times):.3f} s | {spread} | {note} |")


if __name__ == "__main__":
    main()
