"""Learners' copies of quizzes in a workspace: `poolkit init` puts them there, for a class whose key is held elsewhere.

They are used where the course at hand has no such quiz. A workspace holds them in the folder `quizzes`.
"""

from __future__ import annotations

from pathlib import Path

from poolkit.course import Course
from poolkit.errors import CourseFault, QuizFault, UsageFault
from poolkit.quiz import learner, load
from poolkit.quiz.learner import Sheet
from poolkit.text import plain
from poolkit.workspace import MARK, Workspace

FOLDER = "quizzes"


def of_course(course: Course) -> dict[str, str]:
    """Return the copies of all quizzes of a course, by their paths in a workspace.

    Raises:
        CourseFault: one of the quizzes is broken.
    """
    try:
        return {f"{FOLDER}/{path.name}": learner.learners_copy(load.load(path, course)) for path in load.paths(course)}
    except QuizFault as fault:
        raise CourseFault(str(fault)) from None


def chosen(name: str, course: Course | None, workspace: Workspace | None) -> str:
    """Return what to take a quiz by: its name where the course has it, else the path of the workspace's copy.

    Raises:
        UsageFault: neither has it.
    """
    if name.endswith((".yaml", ".yml")):
        return name
    own = {path.stem for path in load.paths(course)} if course is not None else set()
    if name in own:
        return name
    if copy := _held(workspace).get(name):
        return str(copy)
    raise UsageFault(f"no quiz {plain(name, 60)!r}; `poolkit quiz list` shows them")


def besides(course: Course | None, workspace: Workspace | None) -> list[tuple[Path, Sheet | None]]:
    """Return a workspace's copies of quizzes that the course at hand lacks; None stands for a broken one."""
    own = {path.stem for path in load.paths(course)} if course is not None else set()
    return [(path, _read(path)) for name, path in _held(workspace).items() if name not in own]


def _held(workspace: Workspace | None) -> dict[str, Path]:
    """Return a workspace's copies by their names. A checkout of a course has none: its quizzes have their keys."""
    if workspace is None or not (workspace.root / MARK / "workspace.json").is_file():
        return {}
    return {path.stem: path for path in sorted((workspace.root / FOLDER).glob("*.yaml"))}


def _read(path: Path) -> Sheet | None:
    try:
        return learner.load(path)
    except QuizFault:
        return None
