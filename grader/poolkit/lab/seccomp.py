"""A seccomp filter for labs: no child processes, no network, no reaching for other processes.

A classic BPF program (see seccomp(2) and linux/filter.h), for the architectures whose system call numbers stand
below. It needs no privilege beyond no_new_privs, and holds for root too, where RLIMIT_NPROC does not.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import socket
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

_CLONE_THREAD = 0x00010000
_X32_BIT = 0x40000000


@dataclass(frozen=True)
class _Machine:
    """System call numbers of an architecture; from the kernel's tables of them."""

    audit: int
    clone: int
    socket: int
    own_process_only: tuple[int, ...]
    """Calls whose first argument is a process: kill, tgkill, prlimit64, rt_sigqueueinfo, rt_tgsigqueueinfo."""
    denied: tuple[int, ...]
    """ptrace, process_vm_readv, process_vm_writev, tkill, pidfd_send_signal, pidfd_getfd, io_uring_setup,
    setpriority, sched_setaffinity, sched_setparam, sched_setscheduler, sched_setattr, ioprio_set, execve,
    execveat, and fork and vfork where they exist."""


_CLONE3 = 435  # the same everywhere
_COMMON_DENIED = (424, 438, 425)

_MACHINES = {
    "x86_64": _Machine(
        audit=0xC000003E,
        clone=56,
        socket=41,
        own_process_only=(62, 234, 302, 129, 297),
        denied=(*_COMMON_DENIED, 101, 310, 311, 200, 141, 203, 142, 144, 314, 251, 59, 322, 57, 58),
    ),
    "aarch64": _Machine(
        audit=0xC00000B7,
        clone=220,
        socket=198,
        own_process_only=(129, 131, 261, 138, 240),
        denied=(*_COMMON_DENIED, 117, 270, 271, 130, 140, 122, 118, 119, 274, 30, 221, 281),
    ),
}


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
    steps += _when(
        _IF_EQUAL,
        machine.socket,
        then=[
            *_load(_AT_FIRST_ARGUMENT),
            *_when(_IF_EQUAL, socket.AF_UNIX, then=[_allow()]),
            _refuse(errno.EACCES),
        ],
    )
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
