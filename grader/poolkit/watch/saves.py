"""Notices that a learner's files have changed, whatever their editor and their file system do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path

from poolkit.judge.submission import files

STEP = 0.005
"""Seconds without a change after which the system's notices are passed on; an editor's steps of one save are closer."""
POLL = 0.1
"""Seconds from look to look where the system gives no notice."""
LOOK = 1.0
"""Seconds from look to look where it does: a folder that was made anew has no notices any more."""

MOUNTS = Path("/proc/self/mountinfo")

Marks = tuple[tuple[str, int, int, int, int], ...]
"""A folder's files as they are at one moment: name, inode, size, and the times of the last change in nanoseconds."""

# File systems on which somebody else may write: another machine, or the one that this is a guest of. The kernel tells
# of its own programs' writes only.
_REMOTE = frozenset(
    {
        *("9p", "afs", "ceph", "cifs", "drvfs", "fakeowner", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4"),
        *("prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "wslfs"),
    }
)


def look(folder: Path) -> Marks:
    """Return what is in a folder of what a check takes; two looks are equal when nothing was saved between them."""
    found = []
    for path, name in files(folder):
        with contextlib.suppress(OSError):  # gone meanwhile, as when an editor puts another in its place
            seen = path.stat()
            found.append((str(name), seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns))
    return tuple(sorted(found))


def why_polled(folder: Path) -> str:
    """Say why the system will not tell of saves in a folder; "" when it will."""
    forced = os.environ.get("WATCHFILES_FORCE_POLLING", "").lower()
    if forced:
        return "" if forced in ("false", "disable", "disabled") else "WATCHFILES_FORCE_POLLING is set"
    kind = _file_system(folder)
    return f"this folder is on {kind}" if kind in _REMOTE or kind.startswith("fuse.") else ""


def _file_system(folder: Path) -> str:
    """Return the type of the file system that a folder is on, "" where the system does not tell (proc_mountinfo(5))."""
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    best, kind = -1, ""
    real = folder.resolve()
    for line in mounts.splitlines():
        fields, _, told = line.partition(" - ")
        # Blanks in a path are written as octal numbers.
        point = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields.split()[4])
        if real.is_relative_to(point) and len(point) >= best:  # of two on one point, the later covers the other
            best, kind = len(point), told.split()[0]
    return kind


class Watcher:
    """Calls `changed` whenever something may have been saved below a folder; needlessly at times, so look then.

    Args:
        folder: what to watch, all of it.
        changed: called in the event loop.
        unheard: called with the reason when the system turns out not to tell.
    """

    def __init__(self, folder: Path, changed: Callable[[], None], unheard: Callable[[str], None]) -> None:
        self._folder = folder
        self._changed = changed
        self._unheard = unheard
        self.polled = why_polled(folder)
        """Why it looks again and again instead of being told; "" when it is told."""

    async def run(self) -> None:
        """Watch until cancelled."""
        telling = asyncio.create_task(self._be_told())
        try:
            while True:
                await asyncio.sleep(POLL if self.polled else LOOK)
                self._changed()
        finally:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling

    async def _be_told(self) -> None:
        if self.polled:
            return
        # Its own polling sees a file's time in whole seconds, so that the second save within one would be missed.
        from watchfiles import awatch
        from watchfiles._rust_notify import WatchfilesRustInternalError

        step = round(STEP * 1000)
        try:
            async for _ in awatch(
                self._folder, watch_filter=None, debounce=5 * step, step=step, force_polling=False, recursive=True
            ):
                self._changed()
        except (OSError, WatchfilesRustInternalError) as error:
            self.polled = f"the system gives no notice of saves ({str(error)[:80]})"
            self._unheard(self.polled)


__all__ = ["Marks", "Watcher", "look", "why_polled"]
