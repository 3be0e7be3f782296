"""`poolkit.lab.sandbox` and `.seccomp`: each layer really refuses what it is there for, and nothing that a lab needs.

A process of its own tries everything four times: without any layer, to show that the attempt is a real one; with
each of the two layers of the kernel alone; and shut in as a lab is.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from poolkit.course import find_course, private_folders
from poolkit.lab import sandbox

if sys.platform != "linux":
    pytest.skip("Landlock and seccomp are Linux's", allow_module_level=True)

PROBES = r"""
import ctypes, errno, json, mmap, os, resource, signal, socket, sqlite3, sys, threading
from poolkit.lab import sandbox, seccomp

mode, code, secret, elsewhere, suite, abstract, forbidden = json.loads(sys.argv[1])
parent = os.getppid()
libc = ctypes.CDLL(None, use_errno=True)

def checked(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), "")

def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)

def spawn():
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)

def thread():
    seen = []
    one = threading.Thread(target=seen.append, args=(1,))
    one.start()
    one.join()
    assert seen == [1]

def pair(kind):
    for end in socket.socketpair(socket.AF_UNIX, kind):
        end.close()

def make(family, kind):
    socket.socket(family, kind).close()

def dial(address):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(address)

def listen():
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(elsewhere + "/new.sock")

def write(path, how="w"):
    with open(path, how) as file:
        file.write("x")

def many_files():
    files = []
    try:
        while len(files) < 600:
            files.append(os.open("/dev/null", os.O_RDONLY))
    finally:
        for one in files:
            os.close(one)

def database():
    with sqlite3.connect(":memory:") as connection:
        connection.execute("SELECT 1")
    connection.close()

def import_late():
    import wsgiref.util

def exec_():
    try:
        os.execv("/nonexistent", ["x"])
    except FileNotFoundError:
        pass

probes = {
    "read the submission": lambda: open(code + "/app.py").read(),
    "list the submission": lambda: os.listdir(code),
    "read the kit": lambda: open(sandbox.__file__).read(),
    "import late": import_late,
    "start a thread": thread,
    "use sqlite3": database,
    "write to /dev/null": lambda: write("/dev/null"),
    "read random bytes": lambda: os.urandom(4),
    "make a pair of streams": lambda: pair(socket.SOCK_STREAM),
    "signal oneself": lambda: os.kill(os.getpid(), 0),
    "ask one's own limits": lambda: resource.prlimit(0, resource.RLIMIT_NOFILE),

    "read a secret": lambda: open(secret).read(),
    "list where the secret is": lambda: os.listdir(os.path.dirname(secret)),
    "read a suite": lambda: open(suite).read(),
    "read /proc": lambda: open("/proc/self/environ", "rb").read(),
    "read the parent's memory map": lambda: open(f"/proc/{parent}/maps").read(),
    "read /etc/passwd": lambda: open("/etc/passwd").read(),
    "change the submission": lambda: write(code + "/app.py", "a"),
    "cut the submission": lambda: os.truncate(code + "/app.py", 3),
    "write a new file": lambda: write(elsewhere + "/new"),
    "make a folder": lambda: os.mkdir(elsewhere + "/folder"),
    "make a link": lambda: os.symlink(secret, elsewhere + "/link"),
    "make a hard link": lambda: os.link(code + "/app.py", elsewhere + "/hard"),
    "rename": lambda: os.rename(elsewhere + "/old", elsewhere + "/older"),
    "remove": lambda: os.unlink(elsewhere + "/doomed"),
    "make a socket file": listen,
    "dial an abstract socket": lambda: dial(abstract),
    "signal the parent": lambda: os.kill(parent, 0),

    "fork": fork,
    "spawn": spawn,
    "exec": exec_,
    "make a TCP socket": lambda: make(socket.AF_INET, socket.SOCK_STREAM),
    "make a UDP socket": lambda: make(socket.AF_INET, socket.SOCK_DGRAM),
    "make an IPv6 socket": lambda: make(socket.AF_INET6, socket.SOCK_STREAM),
    "make a netlink socket": lambda: make(socket.AF_NETLINK, socket.SOCK_RAW),
    "make a pair of datagram sockets": lambda: pair(socket.SOCK_DGRAM),
    "signal everybody": lambda: os.kill(-1, 0),
    "limit the parent": lambda: resource.prlimit(parent, resource.RLIMIT_NOFILE),
    "read the parent's memory": lambda: checked(libc.process_vm_readv(parent, None, 0, None, 0, 0)),
    "signal by a pidfd": lambda: signal.pidfd_send_signal(os.pidfd_open(parent), 0),
    "slow the parent down": lambda: os.setpriority(os.PRIO_PROCESS, parent, os.getpriority(os.PRIO_PROCESS, parent)),
    "change a mode": lambda: os.chmod(elsewhere + "/kept", 0o600),
    "change a date": lambda: os.utime(elsewhere + "/kept"),
    "change an owner": lambda: os.chown(elsewhere + "/kept", os.geteuid(), os.getegid()),
    "make a file in memory": lambda: os.close(os.memfd_create("x")),

    "use root's powers": lambda: os.chroot("/"),
    "open many files": many_files,
    "use 2 GiB": lambda: mmap.mmap(-1, 2 << 30).close(),
}

readable = sandbox.readable_paths(map(sandbox.Path, forbidden))
held = []
if mode == "shut":
    held = sandbox.apply(readable, code, sandbox.Limits(memory=1 << 30, cpu=77))
elif mode == "files":
    held = sandbox._landlock(readable, code)
elif mode == "calls" and seccomp.available():
    checked(libc.prctl(38, 1, 0, 0, 0))
    seccomp.restrict(os.getpid())
    held = ["calls"]

outcomes = {}
for name, probe in probes.items():
    try:
        probe()
        outcomes[name] = "done"
    except OSError as error:
        outcomes[name] = errno.errorcode.get(error.errno, str(error))
limits = {name: resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in ("CPU", "AS", "FSIZE", "CORE")}
print(json.dumps([held, outcomes, limits, os.getsid(0) == os.getpid()]))
"""


@dataclass(frozen=True)
class Tried:
    """What a process could do: the layers that held, and for each attempt `done` or the error's name."""

    held: list[str]
    outcomes: dict[str, str]
    limits: dict[str, list[int]]
    leads_session: bool


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tried]:
    """All attempts, by mode."""
    course = find_course()
    found = {}
    with socket.socket(socket.AF_UNIX) as listener:
        abstract = f"\0poolkit-test-{os.getpid()}"
        listener.bind(abstract)
        listener.listen(8)
        for mode in ("open", "files", "calls", "shut"):
            folder = tmp_path_factory.mktemp(mode)
            code, hidden, elsewhere = (folder / name for name in ("code", "hidden", "elsewhere"))
            for path in (code / "app.py", hidden / "secret", *(elsewhere / n for n in ("old", "kept", "doomed"))):
                path.parent.mkdir(exist_ok=True)
                path.write_text("text")
            suite = str(course.exercise(course.ids[0]).suite)
            forbidden = [str(hidden), *map(str, private_folders(course))]
            given = [mode, str(code), str(hidden / "secret"), str(elsewhere), suite, abstract, forbidden]
            done = subprocess.run(
                [sys.executable, "-c", PROBES, json.dumps(given)],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.stderr == "", mode
            found[mode] = Tried(*json.loads(done.stdout))
    return found


ALLOWED = [
    *("read the submission", "list the submission", "read the kit", "import late", "start a thread", "use sqlite3"),
    *("write to /dev/null", "read random bytes", "make a pair of streams", "signal oneself", "ask one's own limits"),
]
BY_FILES = [
    *("read a secret", "list where the secret is", "read a suite", "read /proc", "read the parent's memory map"),
    *("read /etc/passwd", "change the submission", "cut the submission", "write a new file", "make a folder"),
    *("make a link", "make a hard link", "rename", "remove", "make a socket file"),
]
BY_SIGNALS = ["dial an abstract socket", "signal the parent"]
BY_CALLS = [
    *("fork", "spawn", "exec", "make a TCP socket", "make a UDP socket", "make an IPv6 socket"),
    *("make a netlink socket", "make a pair of datagram sockets", "dial an abstract socket", "signal the parent"),
    *("signal everybody", "limit the parent", "read the parent's memory", "signal by a pidfd", "slow the parent down"),
    *("change a mode", "change a date", "change an owner", "make a file in memory"),
]


@pytest.mark.parametrize("mode", ["open", "files", "calls", "shut"])
@pytest.mark.parametrize("attempt", ALLOWED)
def test_what_a_lab_needs_is_allowed(tried: dict[str, Tried], attempt: str, mode: str) -> None:
    """No layer takes away what a learner's app lives on."""
    assert tried[mode].outcomes[attempt] == "done"


@pytest.mark.parametrize(
    ("layer", "alone", "attempt"),
    [
        *(("files", "files", attempt) for attempt in BY_FILES),
        *(("signals", "files", attempt) for attempt in BY_SIGNALS),
        *(("calls", "calls", attempt) for attempt in BY_CALLS),
    ],
)
def test_a_layer_refuses(tried: dict[str, Tried], layer: str, alone: str, attempt: str) -> None:
    """What works in the open is refused by the layer alone, and in a lab."""
    if layer not in tried["shut"].held:
        pytest.skip(f"this machine's kernel has no layer {layer!r}")
    assert tried["open"].outcomes[attempt] == "done"
    refusals = {"EACCES", "EPERM"}
    assert tried[alone].outcomes[attempt] in refusals
    assert tried["shut"].outcomes[attempt] in refusals


def test_root_has_no_powers_in_a_lab(tried: dict[str, Tried]) -> None:
    """A judge that runs as root does not lend its powers."""
    if os.geteuid() != 0:
        pytest.skip("not root, so there are no powers to take away")
    assert tried["open"].outcomes["use root's powers"] == "done"
    assert tried["shut"].outcomes["use root's powers"] == "EPERM"


def test_a_lab_is_limited(tried: dict[str, Tried]) -> None:
    """Memory, CPU, file size, open files and core dumps have the limits that were asked for."""
    shut = tried["shut"]
    assert tried["open"].outcomes["open many files"] == "done"
    assert shut.outcomes["open many files"] == "EMFILE"
    assert shut.outcomes["use 2 GiB"] == "ENOMEM"
    assert shut.limits == {"CPU": [77, 77], "AS": [1 << 30] * 2, "FSIZE": [16 << 20] * 2, "CORE": [0, 0]}


def test_a_lab_leads_a_session_of_its_own(tried: dict[str, Tried]) -> None:
    """So that whatever it starts can be ended with it."""
    assert tried["shut"].leads_session
    assert not tried["open"].leads_session


def test_the_layers_that_hold_are_told(tried: dict[str, Tried]) -> None:
    """In order, by the names that a report uses; those that need nothing of the kernel always."""
    held = tried["shut"].held
    assert held == [layer for layer in sandbox.LAYERS if layer in held]
    assert {"session", "limits"} <= set(held)
    assert ("network" in held) >= ("calls" in held)


def test_what_is_forbidden_is_left_out_of_what_is_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its neighbours stay readable, and a link into it does not make it so."""
    for name in ("lib/open/module.py", "lib/closed/secret.py", "lib/single.py", "other/module.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tmp_path / "lib" / "way in").symlink_to(tmp_path / "lib" / "closed")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "lib"), str(tmp_path / "other"), str(tmp_path / "gone"), ""])
    paths = [Path(path) for path in sandbox.readable_paths([tmp_path / "lib" / "closed"])]
    ours = {path.relative_to(tmp_path).as_posix() for path in paths if path.is_relative_to(tmp_path)}
    assert ours == {"lib/open", "lib/single.py", "other"}
    assert any(path.match("python3*") for path in paths)


def test_a_forbidden_folder_within_another_s_tree_stays_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the folder on Python's path is itself the forbidden one, or lies in it."""
    (tmp_path / "closed" / "lib").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "closed"), str(tmp_path / "closed" / "lib")])
    paths = [Path(path) for path in sandbox.readable_paths([tmp_path / "closed"])]
    assert not [path for path in paths if path.is_relative_to(tmp_path)]
