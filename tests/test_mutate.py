"""`poolkit author mutate`: small mistakes in right solutions, and whether the checks see them."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from conftest import Poolkit

from poolkit.author.mutants import mutants
from poolkit.author.mutate import mutate
from poolkit.course import Course, open_course
from poolkit.errors import CourseFault

LIMITER = Path(__file__).with_name("courses") / "limiter"

POOL = '''\
"""A pool."""

import asyncio
from collections import deque


class Pool:
    """Lends connections."""

    def __init__(self, size: int = 4) -> None:
        self.free, self.size = deque(), size

    async def release(self, connection) -> None:
        """Take a connection back."""
        try:
            async with asyncio.timeout(5):
                await connection.rollback()
                self.size += 1
        except BaseException:
            if connection.open and self.size > 0:
                await asyncio.shield(self.drop(connection))
            raise
        finally:
            self.note(connection)
            self.wake(connection, self)
        for waiter in self.free:
            waiter.cancel()

    async def take(self):
        """Lend one."""
        while not self.free:
            await asyncio.wait_for(self.line(), timeout=2)
        return self.free.popleft()
'''


@pytest.mark.parametrize(
    ("named", "added"),
    [
        ("number in Pool.__init__: ", "    def __init__(self, size: int = 5) -> None:"),
        ("await dropped in Pool.release: ", "                connection.rollback()"),
        ("wrapper dropped in Pool.release: ", "                await self.drop(connection)"),
        ("wrapper dropped in Pool.take: ", "            await self.line()"),
        ("argument dropped in Pool.take: ", "            await asyncio.wait_for(self.line())"),
        ("method in Pool.take: ", "        return self.free.pop()"),
        ("once only in Pool.take: while not self.free:", "        if not self.free:"),
        ("first only in Pool.release: for waiter in self.free:", "            break"),
        ("with dropped in Pool.release: async with asyncio.timeout(5):", "            await connection.rollback()"),
        ("moved behind a with in Pool.release: self.size += 1", "            self.size += 1"),
        ("moved before a with in Pool.release: await connection.rollback()", "            await connection.rollback()"),
        ("finally to else in Pool.release: self.note(connection)", "        else:"),
        ("moved behind a finally in Pool.release: self.wake(connection, self)", "        self.wake(connection, self)"),
        ("except dropped in Pool.release: ", None),
        ("arguments swapped in Pool.release: ", "            self.wake(self, connection)"),
        ("comparison in Pool.release: ", "            if connection.open and self.size >= 0:"),
        ("condition in Pool.release: ", "            if connection.open or self.size > 0:"),
        ("arithmetic in Pool.release: ", "                self.size -= 1"),
        ("name in Pool.release: ", "        except Exception:"),
        ("statement dropped in Pool.release: raise", None),
        ("statements swapped in Pool.release: self.note(connection) <-> self.wake(connection, self)", None),
        ("returns early in Pool.release: before for waiter in self.free:", "        return"),
        ("returns nothing in Pool.take: ", "        return None"),
    ],
)
def test_each_operator_makes_its_mistake(named: str, added: str | None) -> None:
    """Named after the operator and the place, with the change in the diff."""
    found = [mutant for mutant in mutants(POOL) if mutant.name.startswith(named)]
    assert found
    if added is not None:
        assert any(f"+{added}" in mutant.diff.splitlines() for mutant in found), [each.diff for each in found]


def test_mutants_are_programs_that_differ() -> None:
    """Each is Python, each has a name of its own, and no two are the same but for their layout."""
    found = mutants(POOL)
    assert len(found) > 50
    assert len({mutant.name for mutant in found}) == len(found)
    meanings = {ast.dump(ast.parse(mutant.code)) for mutant in found}
    assert len(meanings) == len(found)
    assert ast.dump(ast.parse(POOL)) not in meanings


def test_an_except_becomes_wider() -> None:
    """As wide as `Exception`, and wider; what is as wide as that becomes no wider."""
    source = "try:\n    one()\nexcept {}:\n    two()\n"
    for caught, wider in (("OSError", ["Exception", "BaseException"]), ("BaseException", [])):
        found = [each for each in mutants(source.format(caught)) if each.name.startswith("except wider")]
        assert [each.diff.splitlines()[3] for each in found] == [f"+except {name}:" for name in wider]


def test_what_is_left_alone() -> None:
    """Imports, docstrings, definitions, and the order of two names that are set once."""
    found = mutants(
        '"""A file."""\n\nimport asyncio\n\nONE = "a"\nTWO = "b"\n\n\ndef two():\n    """Two."""\n    return TWO\n'
    )
    assert [mutant.name for mutant in found] == [
        'statement dropped in module: ONE = "a"',
        'statement dropped in module: TWO = "b"',
        "statement dropped in two: return TWO",
        "returns nothing in two: return TWO -> return None",
    ]


@pytest.fixture
def limiter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A copy of the other course, to break, and a cache that is not the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    shutil.copytree(LIMITER, tmp_path / "limiter", ignore=shutil.ignore_patterns("__pycache__"))
    return open_course(tmp_path / "limiter")


def record(course: Course, text: str) -> None:
    """Write down what passes."""
    (course.root / "solutions/limit-1/equivalent.yaml").write_text(text, encoding="utf-8")


ENTRY = "- file: {file}\n  mutant: {mutant!r}\n  reason: It is another way to say the same.\n"


def test_what_passes_is_found_kept_and_written_down(
    limiter: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that sees less lets more pass; a second run grades nothing again; what is written down is no survivor."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    suite = limiter.root / "grader/suites/test_limit_1.py"
    text = suite.read_text(encoding="utf-8")
    suite.write_text(text.replace("lab.advance(61)", "lab.advance(6100)"), encoding="utf-8")
    told: list[tuple[int, int]] = []
    [score] = mutate(limiter, ["limit-1"], reference_only=True, progress=lambda *done: told.append(done))
    assert score.problems == []
    assert score.mutants == score.killed + len(score.survivors)
    assert score.killed > 10
    slower = next(each for each in score.survivors if each.mutant.name.startswith("number in module: WINDOW"))
    assert slower.file == "app.py"
    assert told[-1] == (score.mutants, score.mutants)

    again: list[tuple[int, int]] = []
    assert mutate(limiter, ["limit-1"], reference_only=True, progress=lambda *done: again.append(done)) == [score]
    assert again == []

    record(limiter, "".join(ENTRY.format(file=each.file, mutant=each.mutant.name) for each in score.survivors))
    [settled] = mutate(limiter, ["limit-1"], reference_only=True)
    assert (settled.survivors, settled.equivalent) == ([], len(score.survivors))
    assert settled.killed == score.killed


def test_a_verdict_holds_for_these_checks_only(limiter: Course) -> None:
    """Another suite, and everything is graded anew; so it is when that is asked for."""
    graded: list[tuple[int, int]] = []
    arguments: Mapping[str, object] = {"reference_only": True, "sample": 2}
    for _ in range(2):
        mutate(limiter, ["limit-2"], fresh=True, progress=lambda *done: graded.append(done), **arguments)  # type: ignore[arg-type]
    suite = limiter.root / "grader/suites/test_limit_2.py"
    suite.write_text(suite.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    mutate(limiter, ["limit-2"], progress=lambda *done: graded.append(done), **arguments)  # type: ignore[arg-type]
    assert graded == [(1, 2), (2, 2)] * 3


def test_a_record_of_nothing_is_said(limiter: Course) -> None:
    """Of a mutant that a check sees by now, or that its source no longer gives."""
    record(limiter, ENTRY.format(file="app.py", mutant="await dropped in nobody: one -> two"))
    [score] = mutate(limiter, ["limit-1"], reference_only=True)
    assert "equivalent.yaml: app.py: await dropped in nobody: one -> two: no such mutant passes any more" in "".join(
        score.problems
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file: app.py\n", "not a list"),
        ("- app.py\n", "entry 1 is to have `file`, `mutant` and `reason`"),
        ("- {file: app.py, mutant: x}\n", "entry 1 is to have `file`, `mutant` and `reason`"),
        ("- {file: app.py, mutant: x, reason: y, colour: z}\n", "entry 1 is to have `file`, `mutant` and `reason`"),
        ("- {file: app.py, mutant: x, reason: '  '}\n", "entry 1: `reason` is no text"),
        ("- {file: app.py, mutant: 1, reason: y}\n", "entry 1: `mutant` is no text"),
        ("- {file: app.py, mutant: x, reason: y, kind: other}\n", "`kind` is one of equivalent, unreachable"),
    ],
)
def test_a_broken_record_is_one_line(limiter: Course, text: str, said: str) -> None:
    """With the file, and what is to be written."""
    record(limiter, text)
    with pytest.raises(CourseFault, match="equivalent.yaml") as fault:
        mutate(limiter, ["limit-1"], reference_only=True, sample=1)
    assert said in str(fault.value)


@pytest.mark.parametrize("text", [b"def (:\n", b"\xff\xfe"])
def test_a_source_that_is_no_python_is_one_line(limiter: Course, text: bytes) -> None:
    """With its path, and nothing is graded."""
    (limiter.root / "solutions/limit-1/right/broken.py").write_bytes(b"# right: broken\n" + text)
    with pytest.raises(CourseFault, match=r"broken\.py: ") as fault:
        mutate(limiter, ["limit-1"])
    assert "\n" not in str(fault.value)


def test_the_command_shows_what_passes(poolkit: Poolkit, limiter: Course) -> None:
    """As a diff, with a table at the end; the exit code says whether anything did."""
    course = ("--course", str(limiter.root))
    suite = limiter.root / "grader/suites/test_limit_1.py"
    text = suite.read_text(encoding="utf-8")
    suite.write_text(text.replace("lab.advance(61)", "lab.advance(6100)"), encoding="utf-8")
    ended = poolkit("author", "mutate", "limit-1", "--reference-only", *course)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "limit-1: app.py passes with this mistake:\n  number in module: WINDOW" in ended.stdout
    assert "\n    +WINDOW" in ended.stdout
    assert "mutants   killed  equivalent  unreachable  pass" in ended.stdout
    assert ended.stderr == ""
    for wrong in ((), ("limit-1", "--all")):
        refused = poolkit("author", "mutate", *wrong, *course)
        assert refused.returncode == 2
        assert "Name the exercises, or say --all." in refused.stderr
