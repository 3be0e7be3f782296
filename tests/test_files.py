"""`poolkit.files`: a file is whole at any time, and a lock ends with its process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from poolkit.errors import WorkspaceFault
from poolkit.files import locked, remove_litter, write_atomically

HOLDER = "import sys; from pathlib import Path; from poolkit.files import locked\nwith locked(Path(sys.argv[1])):\n"


def test_litter_is_told_from_what_an_editor_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed write left goes; a swap file of the same name, with work that is not saved, stays."""
    path = tmp_path / "app.py"
    (tmp_path / ".app.py.swp").write_text("unsaved")
    with monkeypatch.context() as context:
        context.setattr(os, "unlink", lambda _: None)
        context.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            write_atomically(path, "half")
    assert len(list(tmp_path.iterdir())) == 2
    remove_litter(path)
    assert [left.name for left in tmp_path.iterdir()] == [".app.py.swp"]


def test_a_lock_is_let_go_when_its_process_is_killed(tmp_path: Path) -> None:
    """Another process waits for it, gives up after its time, and gets it once the first is killed."""
    path = tmp_path / "lock"
    command = [sys.executable, "-c", f"{HOLDER}    print('held', flush=True); sys.stdin.read()", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(WorkspaceFault, match=r"lock: another poolkit has held it"), locked(path, timeout=0.02):
            pass
        holder.kill()
        with locked(path):
            pass
