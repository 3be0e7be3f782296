"""What the system grants: the sandbox's layers, a place for temporary files, open files, the terminal."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from poolkit.doctor.finding import Finding, Level, fine
from poolkit.lab import seccomp
from poolkit.lab.host import MAX_PATH

_NEEDED_SPACE = 100 << 20
_FEW_FILES = 256
_ENOUGH_FILES = 1024
_WIDTH = 80
_SIGNALS_SINCE = 6
"""Landlock's ABI that scopes signals and abstract sockets (Linux 6.12)."""

# CLONE_NEWUSER and CLONE_NEWNET, in a process of its own: it cannot be undone.
_UNSHARE = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare(0x10000000 | 0x40000000) != 0)"


def landlock() -> Iterator[Finding]:
    """Whether labs can be kept from files."""
    if sys.platform != "linux":
        text = "this system has none; labs run with resource limits alone"
        yield Finding("Landlock", Level.WARNING, text, "grade code that you do not trust on Linux")
        return
    try:
        import landlockpy

        abi = landlockpy.abi_version()
    except ImportError:
        yield Finding("Landlock", Level.PROBLEM, "the library landlockpy is missing", "install poolkit again")
        return
    if abi == 0:
        remedy = "use Linux 5.13 or newer with `landlock` in its list of security modules (/sys/kernel/security/lsm)"
        yield Finding("Landlock", Level.WARNING, "the kernel has none, so labs can read your files", remedy)
    elif abi < _SIGNALS_SINCE:
        text = f"ABI {abi}: labs are kept from files, and not from signals"
        yield Finding("Landlock", Level.WARNING, text, "use Linux 6.12 or newer for that too")
    else:
        yield fine("Landlock", f"ABI {abi}: labs are kept from files and signals")


def calls() -> Iterator[Finding]:
    """Whether labs can be kept from the network, by a filter of system calls or else by a namespace."""
    if sys.platform != "linux":
        return
    namespaces = subprocess.run([sys.executable, "-I", "-S", "-c", _UNSHARE], check=False).returncode == 0
    if seccomp.available():
        yield fine("seccomp", "labs make no sockets and start no programs")
        use = "not needed here" if namespaces else "this user gets none, and needs none here"
        yield fine("Namespaces", f"{use}: seccomp keeps labs from the network")
        return
    remedy = "use a 64-bit x86 or ARM machine whose kernel has seccomp filters; in a container, do not forbid them"
    yield Finding("seccomp", Level.WARNING, "not available here", remedy)
    if namespaces and os.geteuid() == 0:
        yield fine("Namespaces", "granted: labs have a network of their own, with nobody in it")
    else:
        text = "no namespace is granted, so labs can use the network"
        yield Finding("Namespaces", Level.WARNING, text, "grade code that you do not trust as root of a container")


def temporary() -> Iterator[Finding]:
    """Whether there is a place for a run's files, with a path that is short enough for sockets."""
    try:
        folder = tempfile.gettempdir()
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"poolkit")
    except OSError as error:
        text = f"no folder can be written to ({error.strerror or error})"
        yield Finding("Temporary files", Level.PROBLEM, text, "make /tmp writable, or set TMPDIR to a folder that is")
        return
    free = shutil.disk_usage(folder).free
    length = len(os.fsencode(folder))
    if free < _NEEDED_SPACE:
        text = f"{folder} has {free >> 20} MiB left"
        yield Finding("Temporary files", Level.PROBLEM, text, "make room there, or set TMPDIR to another folder")
    elif length > MAX_PATH:
        text = f"{folder} is too long a path for sockets ({length} bytes, {MAX_PATH} at most); /tmp is used instead"
        yield Finding("Temporary files", Level.WARNING, text, "set TMPDIR to a folder with a shorter path")
    else:
        yield fine("Temporary files", f"{folder}, {free >> 20:,} MiB free")


def open_files() -> Iterator[Finding]:
    """Whether enough files may be open at once; each connection of a lab is one here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = "any number" if soft == resource.RLIM_INFINITY else f"{soft:,} at once"
    remedy = f"ulimit -n {_ENOUGH_FILES}" + ("" if hard >= _ENOUGH_FILES or hard < 0 else ", as an administrator")
    if 0 <= soft < _FEW_FILES:
        yield Finding("Open files", Level.PROBLEM, found, remedy)
    elif 0 <= soft < _ENOUGH_FILES:
        yield Finding("Open files", Level.WARNING, f"{found}; exercises with many connections may need more", remedy)
    else:
        yield fine("Open files", found)


def terminal() -> Iterator[Finding]:
    """Whether what the kit prints can be read here."""
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    columns = shutil.get_terminal_size().columns
    if encoding != "utf8":
        text = f"prints in {sys.stdout.encoding}, which has no ✓"
        yield Finding("Terminal", Level.WARNING, text, "export LANG=C.UTF-8 PYTHONUTF8=1")
    if sys.stdout.isatty() and columns < _WIDTH:
        text = f"{columns} columns; tables are {_WIDTH} wide"
        yield Finding("Terminal", Level.WARNING, text, "make the window wider")
    elif encoding == "utf8":
        colour = "no colours (NO_COLOR)" if os.environ.get("NO_COLOR") else "colours"
        yield fine(
            "Terminal", f"UTF-8, {columns} columns, {colour}" if sys.stdout.isatty() else "UTF-8, and no terminal"
        )


def load() -> Iterator[Finding]:
    """Whether the machine has time for a check."""
    cores = os.cpu_count() or 1
    busy, *_ = os.getloadavg()
    found = f"{cores} cores, a load of {busy:.1f}" if cores > 1 else f"1 core, a load of {busy:.1f}"
    if busy > 4 * cores:
        yield Finding("Processor", Level.WARNING, found, "checks have deadlines; let what else is running finish first")
    else:
        yield fine("Processor", found)
