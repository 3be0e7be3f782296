"""The project's own files agree: versions of Python and of libraries, the runs of nox and those of CI."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TRIED = sorted(
    (
        found[1]
        for each in PROJECT["project"]["classifiers"]
        if (found := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", each))
    ),
    key=Version,
)
CONSTRAINTS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.lstrip().startswith("#")
]
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


def test_this_python_was_tried() -> None:
    """A newer one is not refused, and is not promised either."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert Version(version) <= Version(TRIED[-1]), (
        f"Python {version} is newer than those that the kit was tried with ({', '.join(TRIED)}). Go through the list"
        ' in CONTRIBUTING.md, "A newer Python"; when `pytest`, the slow tests and `poolkit author verify` pass on it,'
        " add it to the classifiers in pyproject.toml, to PYTHONS in noxfile.py, to .ci/run, to the workflow and to"
        " the README's table. Then this test passes too."
    )


def test_each_place_names_the_same_pythons() -> None:
    """The classifiers, the oldest that is allowed, nox, the workflow and the script of CI."""
    assert PROJECT["project"]["requires-python"] == f">={TRIED[0]}"
    noxfile = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    assert f"PYTHONS = ({', '.join(map(repr, TRIED))})".replace("'", '"') in noxfile
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert set(re.findall(r"for version in (.+?); do", script)) == {" ".join(TRIED)}
    jobs = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    assert jobs["tests"]["strategy"]["matrix"]["python"] == TRIED


def test_the_workflow_is_one() -> None:
    """It cannot be run here; its schema is checked instead, as SchemaStore publishes it."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout


def test_the_workflow_takes_no_more_than_it_needs() -> None:
    """It may read the repository and nothing else, and each action is the one that was looked at."""
    workflow = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    steps: list[dict[str, Any]] = [step for job in workflow["jobs"].values() for step in job["steps"]]
    used = [step["uses"] for step in steps if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", each) for each in used)
    for step in steps:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"] == {"persist-credentials": False}


def test_the_workflow_runs_what_nox_has() -> None:
    """Each of its runs is one of `nox -l`."""
    listed = subprocess.run(
        [sys.executable, "-m", "nox", "-l"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    sessions = set(re.findall(r"^[*-] ([\w.-]+)", listed, re.MULTILINE))
    jobs = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    asked = {f"tests-{version}" for version in TRIED} | set(jobs["others"]["strategy"]["matrix"]["session"])
    names = {"newest", "lowest", "lint", "docs", "constraints"}
    assert names | asked <= sessions | {name.rpartition("-")[0] for name in sessions}


def test_each_upper_bound_has_a_reason() -> None:
    """Beside it, so that whoever meets it knows when it may go."""
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    bounded = [number for number, line in enumerate(lines) if re.match(r' +"[\w.-]+[^"]*<', line)]
    assert len(bounded) >= 8
    assert [lines[number].strip() for number in bounded if not lines[number - 1].lstrip().startswith("#")] == []


def test_the_constraints_are_for_everybody() -> None:
    """Names, versions and markers alone: one version of each for a Python and system, and no address."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "nox -s constraints" in text
    assert "://" not in text
    assert all([str(each.operator) for each in need.specifier] == ["=="] and need.url is None for need in CONSTRAINTS)
    here = [need.name for need in CONSTRAINTS if need.marker is None or need.marker.evaluate()]
    assert len(here) == len(set(here))


def test_the_constraints_are_what_the_project_allows() -> None:
    """Each library that it names is there, in a version that it takes."""
    pinned = {canonicalize_name(need.name): next(iter(need.specifier)).version for need in CONSTRAINTS}
    for line in (*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]):
        need = Requirement(line)
        assert need.specifier.contains(pinned[canonicalize_name(need.name)]), line


def test_both_lists_for_developers_are_one() -> None:
    """Installers know the one or the other."""
    assert PROJECT["dependency-groups"]["dev"] == PROJECT["project"]["optional-dependencies"]["dev"]
