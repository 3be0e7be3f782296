"""`poolkit.judge.submission`: the snapshot holds what the app needs, and nothing reaches through it to other files."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from poolkit.errors import UsageFault
from poolkit.judge import submission
from poolkit.judge.submission import locate, take
from poolkit.report import AppError


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A learner's folder with an app in it."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "app.py").write_text("app = 1\n")
    return work


def taken(path: Path, target: Path) -> tuple[AppError | None, list[str]]:
    """Take a snapshot; return what it complains of, and the files that it copied."""
    error = take(locate(path, "app.py"), "app.py", target)
    return error, sorted(p.relative_to(target).as_posix() for p in target.rglob("*") if not p.is_dir())


# --- where it is ---


def test_a_file_or_its_folder_is_a_submission(work: Path) -> None:
    """Both are shown as the learner named them, up to the file."""
    assert locate(work, "app.py").shown == locate(work / "app.py", "app.py").shown == str(work / "app.py")


@pytest.mark.parametrize("name", ["gone.py", "gone/app.py", "sub", "app.py/app.py", "x" * 300, "a\0b", "new\nline"])
def test_what_is_not_there_is_a_usage_fault(work: Path, name: str) -> None:
    """One that says what to give instead; no name breaks it."""
    (work / "sub").mkdir()
    with pytest.raises(
        UsageFault, match="no such file; give a file, or a folder|not a path that can be read"
    ) as caught:
        locate(work / name, "app.py")
    assert caught.value.exit_code == 2


def test_a_pipe_is_no_submission(work: Path) -> None:
    """Reading one could take for ever."""
    os.mkfifo(work / "pipe.py")
    with pytest.raises(UsageFault, match="no such file"):
        locate(work / "pipe.py", "app.py")


# --- what is copied ---


def test_a_file_is_copied_under_the_exercise_s_name(work: Path, tmp_path: Path) -> None:
    """Alone, whatever lies beside it; a save afterwards changes nothing."""
    (work / "mine.py").write_text("app = 2\n")
    error, files = taken(work / "mine.py", tmp_path / "copy")
    (work / "mine.py").write_text("app = 3\n")
    assert (error, files) == (None, ["app.py"])
    assert (tmp_path / "copy" / "app.py").read_text() == "app = 2\n"
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o700


def test_of_a_folder_the_small_text_files_are_copied(work: Path, tmp_path: Path) -> None:
    """Packages included; no hidden files, caches, environments, databases, programs or large files."""
    for name in (
        *("shop/__init__.py", "shop/queries.sql", "page.html", "data.json", "notes.txt", "rows.csv"),
        *(".hidden.py", ".git/config.py", "__pycache__/app.pyc", "venv/lib.py", "node_modules/x.json"),
        *("shop.db", "lib.so", "app.pyc", "LICENSE", "shop/__pycache__/x.py"),
    ):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text("")
    (work / "large.txt").write_bytes(b"x" * (submission.MAX_FILE + 1))
    error, files = taken(work, tmp_path / "copy")
    assert error is None
    assert files == [
        *(".hidden.py", "app.py", "data.json", "notes.txt", "page.html", "rows.csv"),
        *("shop/__init__.py", "shop/queries.sql"),
    ]


def test_links_are_not_followed(work: Path, tmp_path: Path) -> None:
    """Neither to a file nor to a folder, in or out of the submission, nor one without an end."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "solution.py").write_text("solved")
    (work / "solution.py").symlink_to(secret / "solution.py")
    (work / "folder").symlink_to(secret)
    (work / "self").symlink_to(work)
    (work / "again.py").symlink_to("app.py")
    (work / "dangling.py").symlink_to("gone.py")
    assert taken(work, tmp_path / "copy") == (None, ["app.py"])


def test_a_link_is_no_app(work: Path, tmp_path: Path) -> None:
    """In a folder that somebody hands in, the app itself must be a plain file."""
    (work / "app.py").unlink()
    (tmp_path / "solution.py").write_text("solved")
    (work / "app.py").symlink_to(tmp_path / "solution.py")
    error, files = taken(work, tmp_path / "copy")
    assert files == []
    assert error
    assert error.message.endswith("app.py: a link, or over 1 MiB; use a plain file")


def test_what_is_no_file_is_left_out(work: Path, tmp_path: Path) -> None:
    """A pipe or a socket with a file's name neither stops the grader nor breaks it."""
    os.mkfifo(work / "pipe.py")
    os.mkfifo(work / "data.json")
    assert taken(work, tmp_path / "copy") == (None, ["app.py"])


def test_there_is_an_end_to_how_much_is_copied(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many files are an error that says so, too large ones too."""
    monkeypatch.setattr(submission, "MAX_FILES", 3)
    for number in range(3):
        (work / f"module_{number}.py").write_text("")
    error, files = taken(work, tmp_path / "copy")
    assert error
    assert error.message.endswith("work: over 3 files; keep what the app needs")
    assert len(files) == 3
    (work / "app.py").write_bytes(b"#" * (submission.MAX_FILE + 1))
    error, _ = taken(work / "app.py", tmp_path / "other")
    assert error
    assert error.message.endswith("app.py: over 1 MiB; that is no file for an exercise")


# --- what keeps it from running ---


@pytest.mark.parametrize("name", ["sqlite3", "databases", "asyncio", "fastapi", "pytest", "json", "poolkit", "types"])
@pytest.mark.parametrize("package", [False, True])
def test_a_file_that_hides_a_library_is_named(work: Path, tmp_path: Path, name: str, package: bool) -> None:
    """It would be imported in the library's place; the learner is told which file to rename."""
    file = work / name / "__init__.py" if package else work / f"{name}.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text("")
    error, _ = taken(work, tmp_path / "copy")
    assert error
    assert (
        error.message
        == f"{file.parent.name if package else file.name} hides the library `{name}` that the app imports; rename it"
    )
    assert error.where
    assert error.where.file == (name if package else f"{name}.py")


def test_other_names_hide_nothing(work: Path, tmp_path: Path) -> None:
    """A folder without code, or a name that no library has."""
    for name in ("json/data.json", "shop.py", "models/__init__.py", "models/types.py"):
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text("")
    assert taken(work, tmp_path / "copy")[0] is None
    assert "app" not in sys.stdlib_module_names


@pytest.mark.parametrize(
    ("content", "line", "told"),
    [
        (b"app = 1\nname = 'caf\xe9'\n", 2, "UTF-8"),
        (b"# caf\xe9\n", 1, "UTF-8"),
        ("app = 1\n".encode("utf-16"), 1, "UTF-8"),
        (b"\x00" * 100 + b"\xff", 1, "UTF-8"),
        (b"# coding: ascii\napp = '\xe9'\n", 2, "ASCII"),
        (b"# coding: no-such-thing\n", 1, "its coding comment is wrong"),
        (b"# coding: rot13\n", 1, "its coding comment is wrong"),
        (b"# coding: punycode\n" + b"a" * 900_000, 1, "its coding comment is wrong"),  # hours to decode
        (b"# coding: undefined\n", 1, "its coding comment is wrong"),
        (b"\xef\xbb\xbf# coding: latin-1\n", 1, "its coding comment is wrong"),
    ],
)
def test_what_is_no_text_is_told_with_its_line(
    work: Path, tmp_path: Path, content: bytes, line: int, told: str
) -> None:
    """With the name that the file has for the learner, and what to do."""
    (work / "mine.py").write_bytes(content)
    error, _ = taken(work / "mine.py", tmp_path / "copy")
    assert error
    assert re.search(told, error.message), error.message
    assert str(error.where) == f"mine.py:{line}"


@pytest.mark.parametrize(
    "content", [b"", b"\xef\xbb\xbfapp = 1\n", "app = 'é'\n".encode(), b"# -*- coding: latin-1 -*-\napp = '\xe9'\n"]
)
def test_text_that_python_reads_is_no_error(work: Path, tmp_path: Path, content: bytes) -> None:
    """A byte order mark, an empty file, a declared encoding: Python takes them, and so does the kit."""
    (work / "app.py").write_bytes(content)
    assert taken(work / "app.py", tmp_path / "copy")[0] is None
