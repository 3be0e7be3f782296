"""A seccomp filter for labs: no child processes, no connections, no reaching for what is not the lab's own.

A classic BPF program (see seccomp(2) and linux/filter.h), for the architectures whose system call numbers stand
below. It needs no privilege beyond no_new_privs, and holds for root too, where RLIMIT_NPROC does not.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from dataclasses import dataclass

_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000

_LOAD = 0x20  # A = the 32 bits at k of struct seccomp_data
_IF_EQUAL = 0x15
_IF_AT_LEAST = 0x35
_IF_ANY_BIT = 0x45
_RETURN = 0x06

_AT_NUMBER = 0
_AT_ARCHITECTURE = 4
_AT_FIRST_ARGUMENT = 16
_AT_SECOND_ARGUMENT = 24

_CLONE_THREAD = 0x00010000
_X32_BIT = 0x40000000


@dataclass(frozen=True)
class _Machine:
    """System call numbers of an architecture; from the kernel's tables of them.

    `own_process_only` are the calls whose first argument is a process: kill, tgkill, prlimit64, rt_sigqueueinfo,
    rt_tgsigqueueinfo. The denied ones, besides `_COMMON_DENIED`:

    - `processes`: ptrace, process_vm_readv, process_vm_writev, tkill, setpriority, sched_setaffinity,
      sched_setparam, sched_setscheduler, sched_setattr, ioprio_set, execve, execveat, unshare, setns, and fork
      and vfork where they exist.
    - `sockets`: socket, connect, bind. All that a lab needs it was born with, or is handed.
    - `files`: fchmod, fchmodat, fchown, fchownat, utimensat, setxattr, lsetxattr, fsetxattr, removexattr,
      lremovexattr, fremovexattr, and their elders where they exist: what Landlock leaves open on every path.
    - `leftovers`: shmget, semget, msgget, mq_open, add_key, request_key, keyctl, which outlive a process, and
      memfd_create, whose memory no limit counts.
    - `kernel`: inotify_init1, inotify_add_watch, inotify_init where it exists, fanotify_init, bpf,
      perf_event_open, userfaultfd.
    """

    audit: int
    clone: int
    socketpair: int
    fcntl: int
    ioctl: int
    own_process_only: tuple[int, ...]
    processes: tuple[int, ...]
    sockets: tuple[int, ...]
    files: tuple[int, ...]
    leftovers: tuple[int, ...]
    kernel: tuple[int, ...]

    @property
    def denied(self) -> tuple[int, ...]:
        return (*_COMMON_DENIED, *self.processes, *self.sockets, *self.files, *self.leftovers, *self.kernel)


_CLONE3 = 435  # the same everywhere, as are:
# pidfd_send_signal, io_uring_setup, pidfd_getfd, memfd_secret, fchmodat2, setxattrat, removexattrat
_COMMON_DENIED = (424, 425, 438, 447, 452, 463, 466)

_MACHINES = {
    "x86_64": _Machine(
        audit=0xC000003E,
        clone=56,
        socketpair=53,
        fcntl=72,
        ioctl=16,
        own_process_only=(62, 234, 302, 129, 297),
        processes=(101, 310, 311, 200, 141, 203, 142, 144, 314, 251, 59, 322, 272, 308, 57, 58),
        sockets=(41, 42, 49),
        files=(91, 268, 93, 260, 280, 188, 189, 190, 197, 198, 199, 90, 92, 94, 132, 235, 261),
        leftovers=(29, 64, 68, 240, 248, 249, 250, 319),
        kernel=(294, 254, 253, 300, 321, 298, 323),
    ),
    "aarch64": _Machine(
        audit=0xC00000B7,
        clone=220,
        socketpair=199,
        fcntl=25,
        ioctl=29,
        own_process_only=(129, 131, 261, 138, 240),
        processes=(117, 270, 271, 130, 140, 122, 118, 119, 274, 30, 221, 281, 97, 268),
        sockets=(198, 203, 200),
        files=(52, 53, 55, 54, 88, 5, 6, 7, 14, 15, 16),
        leftovers=(194, 190, 186, 180, 217, 218, 219, 279),
        kernel=(26, 27, 262, 280, 241, 282),
    ),
}

_NOT_A_STREAM = 6  # the bits that SOCK_DGRAM, SOCK_RAW and SOCK_SEQPACKET have and SOCK_STREAM has not
# F_SETOWN, F_SETSIG, F_SETOWN_EX; FIOSETOWN, SIOCSPGRP: the kernel would send signals to whom they name.
_OWNER_BY_FCNTL = (8, 10, 15)
_OWNER_BY_IOCTL = (0x8901, 0x8902)


def available() -> bool:
    """Whether this machine's architecture has a filter here."""
    return platform.system() == "Linux" and platform.machine() in _MACHINES


def restrict(pid: int) -> None:
    """Put the filter on this process, whose number is `pid`; it cannot be taken off again.

    Raises:
        OSError: the kernel refused it.
    """
    program = _program(_MACHINES[platform.machine()], pid)
    code = ctypes.create_string_buffer(program, len(program))
    filter_program = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_char_p(filter_program), 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {errno.errorcode.get(number, number)}")


def _program(machine: _Machine, pid: int) -> bytes:
    steps = [
        *_load(_AT_ARCHITECTURE),
        *_when(_IF_EQUAL, machine.audit, otherwise=[_refuse(errno.EPERM)]),
        *_load(_AT_NUMBER),
    ]
    if machine.audit == 0xC000003E:
        steps += _when(_IF_AT_LEAST, _X32_BIT, then=[_refuse(errno.EPERM)])
    # glibc falls back to clone where clone3 does not exist; the flags of clone3 are out of a filter's reach.
    steps += _when(_IF_EQUAL, _CLONE3, then=[_refuse(errno.ENOSYS)])
    for number in machine.denied:
        steps += _when(_IF_EQUAL, number, then=[_refuse(errno.EPERM)])
    steps += _when(
        _IF_EQUAL,
        machine.clone,
        then=[
            *_load(_AT_FIRST_ARGUMENT),
            *_when(_IF_ANY_BIT, _CLONE_THREAD, then=[_allow()]),
            _refuse(errno.EPERM),
        ],
    )
    # A pair of datagram sockets could send to any path.
    steps += _when(
        _IF_EQUAL,
        machine.socketpair,
        then=[
            *_load(_AT_SECOND_ARGUMENT),
            *_when(_IF_ANY_BIT, _NOT_A_STREAM, then=[_refuse(errno.EPERM)]),
            _allow(),
        ],
    )
    for call, owners in ((machine.fcntl, _OWNER_BY_FCNTL), (machine.ioctl, _OWNER_BY_IOCTL)):
        refusals = [step for owner in owners for step in _when(_IF_EQUAL, owner, then=[_refuse(errno.EPERM)])]
        steps += _when(_IF_EQUAL, call, then=[*_load(_AT_SECOND_ARGUMENT), *refusals, _allow()])
    for number in machine.own_process_only:
        # prlimit64 calls this process 0 as well; signalling 0 reaches the lab's own session only.
        steps += _when(
            _IF_EQUAL,
            number,
            then=[
                *_load(_AT_FIRST_ARGUMENT),
                *_when(_IF_EQUAL, pid, then=[_allow()]),
                *_when(_IF_EQUAL, 0, then=[_allow()]),
                _refuse(errno.EPERM),
            ],
        )
    return b"".join([*steps, _allow()])


def _step(code: int, jump_true: int, jump_false: int, value: int) -> bytes:
    return struct.pack("HBBI", code, jump_true, jump_false, value)


def _load(offset: int) -> list[bytes]:
    return [_step(_LOAD, 0, 0, offset)]


def _when(test: int, value: int, then: list[bytes] | None = None, otherwise: list[bytes] | None = None) -> list[bytes]:
    """Run `then` where the test holds, or `otherwise` where it does not, and go on behind them."""
    if then is not None:
        return [_step(test, 0, len(then), value), *then]
    assert otherwise is not None
    return [_step(test, len(otherwise), 0, value), *otherwise]


def _allow() -> bytes:
    return _step(_RETURN, 0, 0, _ALLOW)


def _refuse(number: int) -> bytes:
    return _step(_RETURN, 0, 0, _ERRNO | number)
