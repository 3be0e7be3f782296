"""The runs that this project has, each in an environment of its own: `nox -l` lists them, `nox -s NAME` makes one.

Python itself is found, not brought: where a `python3.12` is missing, `tests-3.12` says so and fails.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nox

PYTHONS = ("3.11", "3.12", "3.13")
"""Those that the kit was tried with, the default first; pyproject.toml's classifiers name the same."""
CONSTRAINTS = "constraints.txt"
_TESTS = ("pytest", "-q", "-n", "2", "--dist", "worksteal")

nox.options.sessions = ["lint", "tests"]
nox.options.error_on_missing_interpreters = True
nox.options.default_venv_backend = "uv|virtualenv"


def install(session: nox.Session, *options: str) -> None:
    """Install the checkout with what its tests need, and in an environment that knows no other."""
    session.env["PYTHONDONTWRITEBYTECODE"] = ""
    session.install(*options, "-e", ".[dev]")


def test(session: nox.Session, *default: str) -> None:
    """Run the tests; what stands after `--` replaces how they are chosen."""
    session.run(*_TESTS, *(session.posargs or default))


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests on one Python, with the versions that everybody has."""
    install(session, "-c", CONSTRAINTS)
    test(session)


@nox.session(python=PYTHONS[0])
def newest(session: nox.Session) -> None:
    """The tests with the newest version of each library."""
    install(session, "--upgrade")
    test(session)


@nox.session(python=PYTHONS[0], venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """The tests with the lowest version of each library that pyproject.toml allows."""
    install(session, "--resolution", "lowest-direct")
    test(session)


@nox.session(python=PYTHONS)
def course(session: nox.Session) -> None:
    """What differs first on another Python: the references, stubs and lessons, the driver and the pool; a minute."""
    install(session, "-c", CONSTRAINTS)
    names = ("course", "driver", "lesson", "sqlite_pool", "sqlite_pool_python", "first_minutes")
    test(session, *(f"tests/test_{name}.py" for name in names))


@nox.session(python=PYTHONS)
def verify(session: nox.Session) -> None:
    """Prove every check of the course on one Python: `poolkit author verify`."""
    install(session, "-c", CONSTRAINTS)
    session.run("poolkit", "author", "verify", *session.posargs)


@nox.session(python=PYTHONS[0])
def lint(session: nox.Session) -> None:
    """ruff, and mypy as each Python sees the code."""
    install(session, "-c", CONSTRAINTS)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    for version in PYTHONS:
        session.run("mypy", "--python-version", version)


@nox.session(python=PYTHONS)
def wheel(session: nox.Session) -> None:
    """What `pip install poolkit` gives: the wheel, in an environment with nothing else, in an empty folder."""
    session.env["PYTHONDONTWRITEBYTECODE"] = ""
    session.install("-c", CONSTRAINTS, "build")
    built = Path(session.create_tmp()).resolve()
    session.run("python", "-m", "build", "--wheel", "--outdir", str(built), ".", silent=True)
    [made] = built.glob("*.whl")
    session.install("--force-reinstall", "-c", CONSTRAINTS, str(made))
    session.chdir(built)
    session.run("poolkit", "check", "exercise-3", "--solution")
    practice = built / "practice"
    if not practice.exists():
        session.run("poolkit", "init", str(practice))
    session.chdir(practice)
    session.run("poolkit", "check", "exercise-3", "--format", "github", success_codes=[1])
    made.unlink()


@nox.session(python=PYTHONS[0])
def docs(session: nox.Session) -> None:
    """What the README, the first ten minutes, the lessons and CONTRIBUTING say is true."""
    install(session, "-c", CONSTRAINTS)
    test(
        session, "tests/test_readme.py", "tests/test_first_minutes.py", "tests/test_lesson.py", "tests/test_project.py"
    )


@nox.session(python=PYTHONS)
def benchmark(session: nox.Session) -> None:
    """How quick it is; see benchmarks/run.py, and benchmarks/pythons.py for Pythons side by side."""
    install(session, "-c", CONSTRAINTS)
    session.run("python", "benchmarks/run.py", *session.posargs)


@nox.session(python=False)
def constraints(session: nox.Session) -> None:
    """Write constraints.txt anew, with the newest versions that pyproject.toml allows, for every Python and system."""
    session.run(
        *(
            sys.executable,
            "-m",
            "uv",
            "pip",
            "compile",
            "--quiet",
            "--universal",
            "--upgrade",
            "--python-version",
            PYTHONS[0],
        ),
        *("--extra", "dev", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
        *("--custom-compile-command", "nox -s constraints", "--output-file", CONSTRAINTS, "pyproject.toml"),
    )
