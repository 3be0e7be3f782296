"""`poolkit doctor`: what is in the way is found, with what to do about it, and a machine that is well is told so."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import io
import json
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from conftest import Poolkit

from poolkit.course import Course
from poolkit.doctor import grading, machine, packages
from poolkit.doctor.finding import Finding, Level, as_json, fine, healthy
from poolkit.judge.host import Host
from poolkit.judge.runner import grade
from poolkit.judge.submission import locate
from poolkit.lab import seccomp
from poolkit.lab.host import MAX_PATH


def only(findings: Iterator[Finding]) -> Finding:
    """Return the one finding."""
    (found,) = findings
    return found


def test_this_machine(poolkit: Poolkit) -> None:
    """Every finding has a sign, each that is not well a remedy; the last one is a real check."""
    ran = poolkit("doctor")
    assert ran.returncode == 0, ran.stdout
    lines = ran.stdout.splitlines()
    signs = [line[2] for line in lines if line[2:3] in "✓!✗" and line[3:4] == " "]
    assert len(signs) >= 13
    assert "✗" not in signs
    assert ran.stdout.count("→") == signs.count("!")
    assert "A real check      exercise-1, its reference: 11 of 11 points" in ran.stdout
    assert "The kit works here" in lines[-1]
    assert max(map(len, lines)) <= 80


def test_as_json(poolkit: Poolkit) -> None:
    """For a program, the same."""
    said = json.loads(poolkit("doctor", "--format", "json").stdout)
    assert (said["poolkit_doctor"], said["healthy"]) == (1, True)
    names = [finding["name"] for finding in said["findings"]]
    assert names[:2] == ["Python", "Libraries"]
    assert names[-2:] == ["Warm start", "A real check"]
    assert all(bool(finding["remedy"]) == (finding["level"] != "ok") for finding in said["findings"])


def test_a_problem_is_exit_code_1(poolkit: Poolkit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in a library's place, found through the environment as a user has it."""
    (tmp_path / "databases.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    ran = poolkit("doctor")
    assert ran.returncode == 1
    assert "✗ Imports" in ran.stdout
    assert "databases.py hides the library databases" in " ".join(ran.stdout.split())
    assert "1 problem" in ran.stdout


def test_a_warning_is_no_problem() -> None:
    """The kit works, only not as well."""
    findings = [fine("A", "x"), Finding("B", Level.WARNING, "y", "do")]
    assert healthy(findings)
    assert not healthy([*findings, Finding("C", Level.PROBLEM, "z", "do")])
    assert json.loads(as_json(findings))["healthy"] is True


Installed = Callable[[Mapping[str, list[str]], Mapping[str, str]], None]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Let other distributions be installed: `installed(what each needs, the version of each)`."""

    def pretend(needs: Mapping[str, list[str]], versions: Mapping[str, str]) -> None:
        def version(name: str) -> str:
            if name not in versions:
                raise importlib.metadata.PackageNotFoundError(name)
            return versions[name]

        def requires(name: str) -> list[str] | None:
            version(name)
            return needs.get(name)

        monkeypatch.setattr(importlib.metadata, "version", version)
        monkeypatch.setattr(importlib.metadata, "requires", requires)
        monkeypatch.setattr(importlib.metadata, "distribution", version)

    return pretend


def test_a_newer_python_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not refused: what was tried is told, and what to do."""
    assert packages.tried_pythons()[0] == "3.11"
    assert only(packages.python()).level is Level.OK
    monkeypatch.setattr(sys, "version_info", (3, 99, 0, "final", 0))
    found = only(packages.python(["3.11", "3.12", "3.100"]))
    assert found.level is Level.OK
    found = only(packages.python(["3.9", "3.12"]))
    assert found.level is Level.WARNING
    assert "tried with 3.9 to 3.12" in found.found
    assert "use Python 3.12" in found.remedy


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("a==1.0\nB.c==2.0  # why", None),
        ("# a comment\n\na==1.1\nunknown==3", "a 1.0 (tried: 1.1)"),
        ("a==1.1\nb-c==2.1", "a 1.0 (tried: 1.1); b-c 2.0 (tried: 2.1)"),
        ("a==1.1; sys_platform == 'none'", None),
    ],
)
def test_versions_that_were_not_tried_are_a_warning(
    installed: Installed, tmp_path: Path, lines: str, told: str | None
) -> None:
    """They may work as well; the file's markers count, and what the kit does not need does not."""
    installed({"kit": ["a", "b_c"]}, {"kit": "1", "a": "1.0", "b_c": "2.0", "b-c": "2.0"})
    (tmp_path / "constraints.txt").write_text(lines)
    found = list(packages.versions(tmp_path / "constraints.txt", "kit"))
    assert [each.found for each in found if each.level is Level.WARNING] == ([told] if told else [])
    assert all("pip install -c constraints.txt" in each.remedy for each in found if each.level is Level.WARNING)


@pytest.mark.parametrize("content", [b"a==\xff", b"no requirement at all", None])
def test_a_list_of_versions_that_cannot_be_read_is_no_finding(
    installed: Installed, tmp_path: Path, content: bytes | None
) -> None:
    """There is nothing to compare with, and nothing that a learner could do."""
    installed({"kit": ["a"]}, {"kit": "1", "a": "1.0"})
    path = tmp_path / "constraints.txt"
    if content is not None:
        path.write_bytes(content)
    assert list(packages.versions(path, "kit")) == []


@pytest.mark.parametrize(
    ("needs", "versions", "told"),
    [
        ({"kit": ["a>=1,<2"]}, {"a": "1.5"}, None),
        ({"kit": ["a>=1,<2"]}, {"a": "2.0"}, "a 2.0, and kit needs <2,>=1"),
        ({"kit": ["a>=1"]}, {}, "a is missing (kit needs it)"),
        ({"kit": ["a"], "a": ["b<3"]}, {"a": "1", "b": "3.1"}, "b 3.1, and a needs <3"),
        ({"kit": ["a"], "a": ["b"], "b": ["a"]}, {"a": "1", "b": "1"}, None),
        ({"kit": ["a; extra == 'dev'", "b; sys_platform == 'none'"]}, {}, None),
        ({"kit": ["a[more]"], "a": ["b; extra == 'more'"]}, {"a": "1"}, "b is missing (a needs it)"),
        ({"kit": ["a>=1"]}, {"a": "1.1rc1"}, None),
    ],
)
def test_versions_that_do_not_fit_are_named(
    installed: Installed, needs: dict[str, list[str]], versions: dict[str, str], told: str | None
) -> None:
    """Of all that the kit stands on, whoever needs it; extras and other systems do not count."""
    installed(needs, {"kit": "1", **versions})
    found = only(packages.libraries("kit"))
    if told is None:
        assert found.level is Level.OK
    else:
        assert (found.level, found.found) == (Level.PROBLEM, told)
        assert "new environment" in found.remedy


def test_a_kit_that_is_not_installed(installed: Installed) -> None:
    """As with a checkout on PYTHONPATH."""
    installed({}, {})
    assert "not installed" in only(packages.libraries("kit")).found


def test_an_old_python_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything else fails on it."""
    monkeypatch.setattr(packages, "OLDEST", (99, 1))
    found = only(packages.python())
    assert found.level is Level.PROBLEM
    assert "install Python 99.1 or newer" in found.remedy


def test_a_file_in_a_librarys_place_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of PYTHONPATH, unless things are installed there."""
    (tmp_path / "h11").mkdir()
    (tmp_path / "h11" / "__init__.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "h11", raising=False)
    assert list(packages.hidden(["h11", "click"])) == [("h11", str(tmp_path / "h11" / "__init__.py"))]
    (tmp_path / "h11-1.0.dist-info").mkdir()
    assert list(packages.hidden(["h11", "click"])) == []


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, []),
        ({"PYTHONSTARTUP": "x.py"}, []),
        ({"PYTHONPATH": "/somewhere"}, ["unset PYTHONPATH, unless you know what it is for"]),
        ({"PYTHONOPTIMIZE": "1", "PYTHONASYNCIODEBUG": "1"}, ["unset PYTHONOPTIMIZE", "unset PYTHONASYNCIODEBUG"]),
    ],
)
def test_variables_in_the_way_are_named(environment: dict[str, str], told: list[str]) -> None:
    """Those that change how Python works, and no others."""
    assert [finding.remedy for finding in packages.variables(environment) if finding.level is not Level.OK] == told


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")
@pytest.mark.parametrize(
    ("abi", "level"), [(0, Level.WARNING), (1, Level.WARNING), (5, Level.WARNING), (6, Level.OK), (7, Level.OK)]
)
def test_landlock(monkeypatch: pytest.MonkeyPatch, abi: int, level: Level) -> None:
    """By what its version can do."""
    import landlockpy

    monkeypatch.setattr(landlockpy, "abi_version", lambda: abi)
    assert only(machine.landlock()).level is level


@pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux's")
def test_without_seccomp_a_namespace_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With it none is."""
    monkeypatch.setattr(seccomp, "available", lambda: True)
    assert [finding.level for finding in machine.calls()] == [Level.OK, Level.OK]
    monkeypatch.setattr(seccomp, "available", lambda: False)
    monkeypatch.setattr(machine, "_UNSHARE", "import sys; sys.exit(1)")
    assert [finding.level for finding in machine.calls()] == [Level.WARNING, Level.WARNING]


def test_a_place_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be written to, has room, and a path that is short enough."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert only(machine.temporary()).level is Level.PROBLEM
    deep = tmp_path / ("x" * MAX_PATH)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    assert "too long a path" in only(machine.temporary()).found
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    assert only(machine.temporary()).level is Level.OK
    monkeypatch.setattr(machine, "_NEEDED_SPACE", 1 << 60)
    assert "MiB left" in only(machine.temporary()).found


@pytest.mark.parametrize(
    ("soft", "level"),
    [
        (100, Level.PROBLEM),
        (256, Level.WARNING),
        (1024, Level.OK),
        (resource.RLIM_INFINITY, Level.OK),
    ],
)
def test_open_files(monkeypatch: pytest.MonkeyPatch, soft: int, level: Level) -> None:
    """As many as the largest exercises need."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, 1_000_000))
    found = only(machine.open_files())
    assert found.level is level
    assert found.remedy == ("" if level is Level.OK else "ulimit -n 1024")


def test_a_terminal_without_utf_8_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ticks could not be printed there."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    assert "PYTHONUTF8=1" in only(machine.terminal()).remedy


def test_a_real_check_tells_what_it_is_worth(course: Course, host: Host) -> None:
    """Full marks in a full sandbox are well, in a part of one nearly; anything less than full marks is a problem."""
    exercise = course.exercise("exercise-1")
    report = grade(host, exercise, locate(exercise.reference, exercise.file_name), seed=7)
    thin = dataclasses.replace(report, assurance=dataclasses.replace(report.assurance, missing=("files", "calls")))
    assert grading.verdict(thin).level is Level.WARNING
    assert "without files, calls" in grading.verdict(thin).found
    wrong = grade(host, exercise, locate(exercise.stub, exercise.file_name), seed=7)
    assert grading.verdict(wrong).level is Level.PROBLEM
    broken = dataclasses.replace(report, fault="the machine is too slow")
    assert "the machine is too slow" in grading.verdict(broken).found
    assert grading.verdict(broken).level is Level.PROBLEM


def test_a_broken_course_is_found(tmp_path: Path, course: Course) -> None:
    """With the file that is broken."""
    (tmp_path / "exercises").mkdir()
    (tmp_path / "exercises" / "course.yaml").write_text("title: [\n")
    found = only(grading.course_files(Course(tmp_path)))
    assert found.level is Level.PROBLEM
    assert "course.yaml" in found.found
    assert only(grading.course_files(course)).level is Level.OK
