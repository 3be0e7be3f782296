"""Writes files that survive a crash, and keeps two processes from writing the same one at once."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from poolkit.errors import WorkspaceFault

LOCK_TIMEOUT = 10.0


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that whoever reads it, also after a crash, finds the old content or the new one, whole."""
    data = content.encode() if isinstance(content, str) else content
    descriptor, name = tempfile.mkstemp(prefix=_prefix(path), dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def remove_litter(path: Path) -> None:
    """Remove what `write_atomically` left beside a file when it was killed; only for whoever alone writes that file."""
    with contextlib.suppress(OSError):
        for left in path.parent.iterdir():
            if left.name.startswith(_prefix(path)):
                left.unlink(missing_ok=True)


def unused(path: Path) -> Path:
    """Return a path where no file is yet: this one, or the same with a number after its name."""
    found, number = path, 1
    while found.exists():
        number += 1
        found = path.with_stem(f"{path.stem}-{number}")
    return found


def _prefix(path: Path) -> str:
    # Ours beyond doubt: an editor keeps what is not saved yet in files such as `.app.py.swp`.
    return f".{path.name}.poolkit-"


@contextlib.contextmanager
def locked(path: Path, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Hold a lock that the system lets go of when its process ends, however it ends.

    Args:
        path: the lock's file, which stays.
        timeout: seconds to wait for another process.

    Raises:
        WorkspaceFault: another process holds it all that time, or the file cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise WorkspaceFault(f"{path}: cannot be written ({error.strerror}); mend that") from None
    try:
        _wait_for(descriptor, path, timeout)
        yield
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, path: Path, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise WorkspaceFault(f"{path}: another poolkit has held it for {timeout:.0f} s; end that one") from None
            time.sleep(0.005)
        except OSError as error:
            # Some network file systems know no locks; one learner at one keyboard does without.
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            return
