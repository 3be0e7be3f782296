"""`poolkit quiz export --format` and `poolkit quiz import` as their users run them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from conftest import Poolkit
from quiz_exporting import back, made
from quizzing import make_course, small

from poolkit.quiz import export, imports, load
from poolkit.quiz.model import Quiz


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A course with the small quiz, which has every type."""
    return str(make_course(tmp_path / "course").root)


def test_every_format_is_offered() -> None:
    """A new file in a folder is a format that the command must take."""
    from poolkit.cli.quiz import _EXPORTS, _IMPORTS

    assert list(_EXPORTS) == export.names()
    assert list(_IMPORTS) == imports.names()


@pytest.mark.parametrize("style", export.names())
def test_an_export_is_written_and_its_losses_are_told(
    poolkit: Poolkit, folder: str, tmp_path: Path, style: str
) -> None:
    """The file alone where it was asked for, and a line on stderr for each kind of loss."""
    ran = poolkit("quiz", "export", "small", "--format", style, "--output", "out.file", "--course", folder)
    assert (ran.returncode, ran.stdout) == (0, "")
    lines = ran.stderr.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("poolkit: small: ") for line in lines)
    assert "has no place for misconceptions, steps of a recorded run, proofs by code, the pass mark" in lines[-1]
    content = (tmp_path / "out.file").read_bytes()
    if style in ("moodle", "gift"):
        printed = poolkit("quiz", "export", "small", "--format", style, "--course", folder)
        assert printed.stdout.encode() == content
    else:
        assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None


def test_orders_and_hints_are_told_where_they_are_lost(tmp_path: Path) -> None:
    """By the names of the questions."""
    _, quiz = small(tmp_path / "course")
    for style in ("gift", "qti12"):
        said = "\n".join(export.warnings(style, quiz))
        assert "ask for an order; left out (small.order)" in said
        assert "hints" in said
        assert "(small.single)" in said
    assert "hints" not in "\n".join(export.warnings("moodle", quiz) + export.warnings("anki", quiz))
    assert "small: GIFT has no points; every question has Moodle's default (small.multi)" in export.warnings(
        "gift", quiz
    )


def test_control_characters_do_not_break_a_format() -> None:
    """XML cannot hold them: they are shown as U+FFFD, and that is told."""
    quiz = made([{"id": "x.y", "type": "true_false", "prompt": "A \x1b[31m bell \x07?", "answer": True}])
    for style in export.names():
        assert export.render(style, quiz)
        assert any("control character" in line for line in export.warnings(style, quiz))


def test_one_of_the_two_is_asked_for(poolkit: Poolkit, folder: str) -> None:
    """A copy for learners, or another program's format; and a place that can be written."""
    for more in ((), ("--for", "learner", "--format", "gift")):
        ran = poolkit("quiz", "export", "small", *more, "--course", folder)
        assert ran.returncode == 2
        assert "give either --for learner or --format" in ran.stderr
    ran = poolkit("quiz", "export", "small", "--format", "anki", "--output", "no/deck.apkg", "--course", folder)
    assert ran.returncode == 2
    assert "no/deck.apkg: cannot be written" in ran.stderr


@pytest.mark.parametrize("style", imports.names())
def test_a_quiz_comes_home(poolkit: Poolkit, folder: str, tmp_path: Path, style: str) -> None:
    """Exported, imported into the course under another name, and found fine by `quiz check`."""
    poolkit("quiz", "export", "small", "--format", style, "--output", "bank.txt", "--course", folder)
    target = Path(folder, "quizzes", "home.yaml")
    ran = poolkit("quiz", "import", "bank.txt", "--output", str(target))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    Path(folder, "quizzes", "small.yaml").unlink()
    assert poolkit("quiz", "check", "home", "--course", folder).stdout.splitlines()[-1] == "1 file, fine."
    printed = poolkit("quiz", "import", "bank.txt", "--format", style)
    assert printed.stdout.replace("id: small\n", "id: home\n").replace("id: bank\n", "id: home\n") == target.read_text()


@pytest.mark.parametrize("style", imports.names())
def test_every_type_loads_again_from_its_file(tmp_path: Path, style: str) -> None:
    """What an import writes, the strict loader reads as the same quiz."""
    course, quiz = small(tmp_path / "course")
    found = back(tmp_path, "bank.txt", export.render(style, quiz))
    path = load.folder(course) / f"{found.quiz.id}.yaml"
    path.write_text(found.text, encoding="utf-8")
    assert _without_lines(load.load(path, course)) == _without_lines(found.quiz)


def _without_lines(quiz: Quiz) -> dict[str, object]:
    return quiz.model_dump(exclude={"questions": {"__all__": {"code": {"lines"}}}})


def test_a_fault_of_an_import_is_one_line(poolkit: Poolkit, tmp_path: Path) -> None:
    """With file and line, and exit code 2; what was skipped is told otherwise."""
    (tmp_path / "bank.gift").write_text("Talk.\n\nWhat?{=a ~b\n", encoding="utf-8")
    ran = poolkit("quiz", "import", "bank.gift")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert (
        ran.stderr
        == "poolkit: bank.gift:3: { without a } after it; close the answers, with no blank line between them\n"
    )
    (tmp_path / "bank.gift").write_text("Talk.\n\nWhat?{=a ~b}\n", encoding="utf-8")
    ran = poolkit("quiz", "import", "bank.gift")
    assert ran.returncode == 0
    assert ran.stderr == "poolkit: bank.gift:1: a description asks nothing; left out\n"
    assert ran.stdout.startswith("poolkit_quiz: 1\nid: bank\ntitle: bank\nquestions:\n- id: bank.q1\n  type: single\n")
