"""Finds a course and reads what it says of its exercises.

A course is a directory with `exercises/course.yaml` (order and titles), `exercises/<id>/`, `solutions/<id>/`,
`grader/suites/test_<id>.py` and `quizzes/`. The kit's own comes with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from poolkit import yamlfile
from poolkit.errors import CourseFault, UnknownExercise

_ID = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"


Library = Literal["asyncpg", "psycopg_pool", "SQLAlchemy"]
"""Where a learner may meet the same ideas under other names."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Limits(_Strict):
    """What one run may use: seconds for a check and for the exercise, MiB of memory for a lab, checks at once.

    More than two at once make a run shorter only where its checks mostly wait.
    """

    check_s: int = Field(default=10, ge=1, le=600)
    exercise_s: int = Field(default=60, ge=1, le=3600)
    memory_mb: int = Field(default=1024, ge=256, le=16384)
    at_once: int = Field(default=2, ge=1, le=16)


class ExerciseFile(_Strict):
    """What `exercise.yaml` holds.

    `entry` is the app that is served, `file` what the learner edits, where that is not the app itself; `given` are
    files beside it that are always the course's own, `preload` modules that its labs have from the start,
    `stub_fails` the check that the stub fails first. `hints` is the ladder for everybody, `ladders` one for each of
    some misconceptions, shown when a check has found that one. After a pass, `praise` says what is good about it and
    `read_on` what other pools call the same thing.
    """

    title: str = Field(min_length=1)
    concepts: list[str] = Field(min_length=1)
    difficulty: int = Field(ge=1, le=5)
    limits: Limits = Field(default_factory=Limits)
    entry: str = Field("app:app", pattern=r"^[a-z_]+:[A-Za-z_]+$")
    file: str = Field("", pattern=r"^([a-z_]+\.py)?$")
    given: list[str] = Field(default_factory=list)
    preload: list[str] = Field(default_factory=list)
    databases: list[str] = Field(default_factory=lambda: ["shop.db"], min_length=1)
    stub_fails: str = ""
    trace: list[str] = Field(min_length=1)
    hints: list[str] = Field(min_length=3)
    misconceptions: dict[str, str] = Field(min_length=1)
    ladders: dict[str, list[Annotated[str, Field(min_length=1)]]] = Field(default_factory=dict)
    praise: str = ""
    read_on: dict[Library, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)

    @field_validator("ladders")
    @classmethod
    def _of_known_misconceptions(cls, ladders: dict[str, list[str]], info: ValidationInfo) -> dict[str, list[str]]:
        for name, hints in ladders.items():
            if name not in info.data.get("misconceptions", ()):
                problem = "{name} is no misconception of this exercise"
                raise PydanticCustomError("unknown_misconception", problem, {"name": repr(name)})
            if not all(hint.strip() for hint in hints) or not hints:
                raise PydanticCustomError("empty_hint", "{name} has an empty hint, or none", {"name": repr(name)})
        return ladders


class ExerciseEntry(_Strict):
    """One line of `course.yaml`; `formerly` are ids that the exercise had in earlier versions of the course."""

    id: str = Field(pattern=_ID)
    title: str = Field(min_length=1)
    formerly: list[Annotated[str, Field(pattern=_ID)]] = Field(default_factory=list)


class Least(_Strict):
    """How many files of a kind every exercise of a course needs, for `poolkit author verify`."""

    right: int = Field(default=1, ge=0)
    wrong: int = Field(default=1, ge=0)


class CourseFile(_Strict):
    """What `course.yaml` holds."""

    title: str = Field(min_length=1)
    least: Least = Field(default_factory=Least)
    exercises: list[ExerciseEntry] = Field(min_length=1)


M = TypeVar("M", bound=_Strict)


@dataclass(frozen=True)
class Exercise:
    """One exercise: its texts, and where its files are."""

    id: str
    course: Path
    about: ExerciseFile

    def with_an_app(self) -> Exercise:
        """Return this exercise with a whole app for its file, also where the learner's own file is another."""
        plain_app = {"entry": "app:app", "file": "", "given": [], "preload": []}
        return replace(self, about=self.about.model_copy(update=plain_app))

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.about.title

    @property
    def folder(self) -> Path:
        """What a learner is given."""
        return self.course / "exercises" / self.id

    @property
    def stub(self) -> Path:
        """The file that a learner edits, as it is at first."""
        return self.folder / self.file_name

    @property
    def file_name(self) -> str:
        """The name of the file that a learner edits."""
        return self.about.file or self.about.entry.partition(":")[0] + ".py"

    @property
    def given(self) -> tuple[Path, ...]:
        """Files that a run takes from the course, whatever stands beside the learner's."""
        return tuple(self.folder / name for name in self.about.given)

    @property
    def schema(self) -> Path | None:
        """The SQL that makes its database, if it has any."""
        path = self.folder / "schema.sql"
        return path if path.exists() else None

    @property
    def solutions(self) -> Path:
        """The folder of its reference, and of the right and wrong solutions that prove its suite."""
        return self.course / "solutions" / self.id

    @property
    def reference(self) -> Path:
        """Its reference solution."""
        return self.solutions / self.file_name

    @property
    def suite(self) -> Path:
        """The hidden checks."""
        return self.course / "grader" / "suites" / f"test_{self.id.replace('-', '_')}.py"


@dataclass(frozen=True)
class Course:
    """A directory that holds a course."""

    root: Path

    @cached_property
    def about(self) -> CourseFile:
        """What `course.yaml` says.

        Raises:
            CourseFault: the file is missing or broken.
        """
        path = self.root / "exercises" / "course.yaml"
        about = _parse(path, CourseFile)
        ids = [entry.id for entry in about.exercises]
        for name in ids:
            if ids.count(name) > 1:
                raise CourseFault(f"{path}: exercise {name!r} stands there twice; ids are unique")
        _refuse_unclear_renames(path, about)
        return about

    @property
    def ids(self) -> list[str]:
        """The exercises' ids, in order."""
        return [entry.id for entry in self.about.exercises]

    def exercise(self, name: str) -> Exercise:
        """Return an exercise by its id, its number, or the path of its folder or file.

        Raises:
            UnknownExercise: nothing has that name.
            CourseFault: its `exercise.yaml` is missing or broken.
        """
        exercise_id = self._find(name)
        about = _parse(self.root / "exercises" / exercise_id / "exercise.yaml", ExerciseFile)
        return Exercise(exercise_id, self.root, about)

    def _find(self, name: str) -> str:
        path = Path(name)
        for wanted in (name, path.name, path.parent.name if path.suffix == ".py" else path.name):
            for entry in self.about.exercises:
                if wanted == entry.id or wanted in entry.formerly:
                    return entry.id
        if re.fullmatch(r"[0-9]{1,6}", name):
            for exercise_id in self.ids:
                if exercise_id.rpartition("-")[2] == str(int(name)):
                    return exercise_id
        shown = name if name.isprintable() and len(name) <= 60 else ascii(name)[:60]
        raise UnknownExercise(f"no exercise {shown!r}; `poolkit list` shows them: {_span(self.ids)}")


def find_course() -> Course:
    """Return the course that comes with the kit: beside it in a checkout, inside it when installed.

    Raises:
        CourseFault: there is none in either place.
    """
    package = Path(__file__).resolve().parent
    for root in (package / "_course", package.parents[1]):
        if (root / "exercises" / "course.yaml").exists():
            return Course(root)
    raise CourseFault(f"{package}: the course's files are missing; install poolkit again")


def open_course(root: Path) -> Course:
    """Return the course in a directory.

    Raises:
        CourseFault: there is none.
    """
    if not (root / "exercises" / "course.yaml").is_file():
        raise CourseFault(f"{root}: no course; a course is a folder with exercises/course.yaml in it")
    return Course(root.resolve())


def private_folders(course: Course) -> list[Path]:
    """Return the folders that no lab may read: of this course, and of the kit's own."""
    roots = {course.root, find_course().root}
    names = ("exercises", "solutions", "quizzes", "grader/suites", "tests")
    return [root / name for root in sorted(roots) for name in names]


def _refuse_unclear_renames(path: Path, about: CourseFile) -> None:
    """Refuse a former id that could mean two exercises, in a ring of renames for example."""
    ids = [entry.id for entry in about.exercises]
    taken: dict[str, str] = {}
    for entry in about.exercises:
        for old in entry.formerly:
            if old in ids:
                raise CourseFault(
                    f"{path}: {entry.id!r} was formerly {old!r}, which is the id of an exercise now; "
                    "a learner's work there could be either's, so give the new exercise another id"
                )
            if old in taken:
                raise CourseFault(
                    f"{path}: {old!r} is a former id of {taken[old]!r} and of {entry.id!r}; keep one of the two"
                )
            taken[old] = entry.id


def _span(ids: list[str]) -> str:
    return ids[0] if len(ids) == 1 else f"{ids[0]} to {ids[-1]}"


def _parse(path: Path, model: type[M]) -> M:
    document = yamlfile.load(path)
    data: Any = document.data
    if not isinstance(data, dict):
        raise CourseFault(f"{path}:1: must hold named fields such as `title: ...`")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = tuple(first["loc"])
        shown = ".".join(str(part) for part in place)
        problem = {
            "missing": "is missing; add it",
            "extra_forbidden": "is not a field of this file; remove it or mend its spelling",
        }.get(first["type"], f"is wrong: {first['msg'].lower()}")
        raise CourseFault(f"{path}:{document.line(place)}: {shown} {problem}") from None
