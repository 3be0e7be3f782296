"""The sandbox of a lab, in layers, put on after the fork and before the learner's file is read.

Each layer that a machine lacks is left out, and named in the report's `assurance`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from poolkit.lab import seccomp

LAYERS = ("session", "limits", "capabilities", "files", "signals", "calls", "network")
"""Every layer, in the order in which they are put on. `files`, `signals`: Landlock; `calls`: seccomp."""

_CLONE_NEWNET = 0x40000000
_CAPABILITY_VERSION_3 = 0x20080522
_SHARED_FILES = ("/usr/lib", "/lib", "/lib64", "/usr/share/zoneinfo", "/etc/localtime", "/etc/mime.types")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")


@dataclass(frozen=True)
class Limits:
    """What one lab may use: bytes of memory, seconds of CPU, bytes in one file, open files."""

    memory: int
    cpu: int
    file_size: int = 16 << 20
    open_files: int = 512


def readable_paths(forbidden: Iterable[Path]) -> list[str]:
    """Return the paths that Python needs to read, without the `forbidden` ones and all below them.

    Asked for once, before any lab: a rule set grants whole trees and cannot take a branch back, so a tree that
    holds something forbidden is granted entry by entry.
    """
    closed = [path.resolve() for path in forbidden]
    roots = {Path(path).resolve() for path in (*sys.path, *_SHARED_FILES) if path}
    roots |= {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")}
    paths: list[str] = []
    for root in sorted(roots):
        if not any(root.is_relative_to(other) for other in roots - {root}):
            _grant(root, closed, paths)
    return paths


def _grant(path: Path, closed: Sequence[Path], paths: list[str]) -> None:
    path = path.resolve()
    if not path.exists() or any(path.is_relative_to(one) for one in closed):
        return
    if path.is_dir() and any(one.is_relative_to(path) for one in closed):
        for entry in sorted(path.iterdir()):
            _grant(entry, closed, paths)
    else:
        paths.append(str(path))


def apply(readable: Sequence[str], code: str, limits: Limits) -> list[str]:
    """Shut this process in, and return the names of the layers that hold.

    It can write nowhere: no limit bounds how many files a process makes, and every file would have to be removed.

    Args:
        readable: what `readable_paths` returned.
        code: the folder of the learner's files, readable.
    """
    held = ["session"]
    with contextlib.suppress(PermissionError):
        # Already the leader where the host made it so; a session of its own is what is wanted.
        os.setsid()
    _limit(limits)
    held.append("limits")
    if sys.platform != "linux":
        return held
    libc = ctypes.CDLL(None, use_errno=True)
    # The filter of system calls lets no socket be made; where there is none, a namespace keeps the network away.
    own_network = not seccomp.available() and os.geteuid() == 0 and libc.unshare(_CLONE_NEWNET) == 0
    if _drop_capabilities(libc):
        held.append("capabilities")
    held += _landlock(readable, code)
    if seccomp.available():
        with contextlib.suppress(OSError):
            libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
            seccomp.restrict(os.getpid())
            held.append("calls")
    if own_network or "calls" in held:
        held.append("network")
    return held


def _limit(limits: Limits) -> None:
    for what, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, limits.cpu),
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_FSIZE, limits.file_size),
        (resource.RLIMIT_NOFILE, limits.open_files),
    ):
        _, most = resource.getrlimit(what)
        wanted = value if most == resource.RLIM_INFINITY else min(value, most)
        with contextlib.suppress(ValueError, OSError):  # macOS refuses some; the judge's deadline remains
            resource.setrlimit(what, (wanted, wanted))


def _drop_capabilities(libc: ctypes.CDLL) -> bool:
    """Give up root's powers, where this process has any."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    return bool(libc.capset(header, nothing) == 0)


def _landlock(readable: Sequence[str], code: str) -> list[str]:
    try:
        import landlockpy as landlock
    except ImportError:
        return []
    abi = landlock.abi_version()
    if abi == 0:
        return []
    files = landlock.AccessFS
    on_file = files.READ_FILE
    on_tree = files.READ_FILE | files.READ_DIR
    scope = landlock.Scope.SIGNAL | landlock.Scope.ABSTRACT_UNIX_SOCKET
    try:
        with landlock.Ruleset(scoped=scope) as rules:
            for path in (*readable, code):
                with contextlib.suppress(FileNotFoundError):
                    # The kernel refuses a directory's rights on a plain file.
                    rules.allow_path(path, on_tree if os.path.isdir(path) else on_file)
            for path in _DEVICES:
                with contextlib.suppress(FileNotFoundError):
                    rules.allow_path(path, on_file | files.WRITE_FILE)
            rules.restrict()
    except landlock.LandlockError:
        return []
    return ["files", "signals"] if abi >= 6 else ["files"]
