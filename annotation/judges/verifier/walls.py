"""What a process inside the sandbox may not do, and whether it is inside at all."""

import ctypes
import os
import resource
import socket
from collections.abc import Iterable, Mapping

SYSTEM = ("/proc/1", "/home", "/root", "/sys", "/run")
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_GET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 39, 22
_NAMESPACES = 0x7E020000
# Families of sockets: unix and the internet's, which has no way out here. Others (vsock) ignore
# network namespaces.
_FAMILIES = (1, 2, 10)
# By machine: audit architecture, socket, clone, and calls that no completion needs: shared memory
# outside the limits, tracing, mounting, namespaces, keys, and those with a history of holes.
# fmt: off
_CALLS: dict[str, tuple[int, int, int, tuple[int, ...]]] = {
    "x86_64": (0xC000003E, 41, 56, (
        29, 30, 31, 64, 68, 101, 134, 155, 161, 163, 165, 166, 167, 175, 240, 246, 248, 249, 250,
        272, 298, 303, 304, 308, 310, 311, 312, 313, 319, 320, 321, 323)),
    "aarch64": (0xC00000B7, 198, 220, (
        39, 40, 41, 51, 89, 97, 104, 105, 117, 180, 186, 190, 194, 195, 196, 217, 218, 219, 224,
        241, 264, 265, 268, 270, 271, 272, 273, 279, 280, 282, 294)),
}
# fmt: on
# The same everywhere: io_uring, mounts by descriptor, pidfd, secret memory.
_NEWER = (425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 438, 442, 447)
_CLONE3 = 435
_ALLOW, _KILL, _REFUSE, _UNKNOWN = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026


def limit(what: int, amount: int) -> None:
    resource.setrlimit(what, (amount, amount))


def set_limits(limits: Mapping[str, int]) -> None:
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_AS, limits["memory"])
    limit(resource.RLIMIT_FSIZE, limits["disk"])
    limit(resource.RLIMIT_NOFILE, limits["files"])
    limit(resource.RLIMIT_NPROC, limits["processes"])


def not_shut_in() -> str:
    """Why this process is not where it should be; blank where all of it holds."""
    holds = {
        "it runs as root": 0 not in (os.getuid(), os.geteuid()),
        "it holds capabilities": not _capabilities(),
        "it could gain privileges": _LIBC.prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1,
        "it sees the network": {name for _, name in socket.if_nameindex()} <= {"lo"},
        "its root can be written to": bool(os.statvfs("/").f_flag & os.ST_RDONLY),
        "it inherited an environment": set(os.environ) <= {"LC_CTYPE", "PWD"},
        "it sees the files of the system": not any(map(os.path.exists, SYSTEM)),
    }
    return next((reason for reason, held in holds.items() if not held), "")


def _capabilities() -> bool:
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    return bool(_LIBC.capget(header, sets) != 0 or any(sets))


def forbid_calls() -> None:
    """Refuse by seccomp the system calls above, on the machines whose numbers are known."""
    machine = os.uname().machine
    if machine not in _CALLS:
        return
    program = b"".join(_instructions(*_CALLS[machine]))
    text = ctypes.create_string_buffer(program, len(program))
    count = len(program) // 8
    filters = (ctypes.c_uint64 * 2)(count, ctypes.addressof(text))
    if _LIBC.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(filters), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp refused the filter")


def _instructions(
    architecture: int, socket_call: int, clone: int, refused: tuple[int, ...]
) -> Iterable[bytes]:
    """A classic BPF program over struct seccomp_data: nr at 0, architecture at 4, arguments 16."""
    load, equal, least, both, back = 0x20, 0x15, 0x35, 0x45, 0x06

    def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return code.to_bytes(2, "little") + bytes((yes, no)) + value.to_bytes(4, "little")

    yield step(load, 4)
    yield step(equal, architecture, 1, 0)
    yield step(back, _KILL)
    yield step(load, 0)
    yield step(least, 0x40000000, 0, 1)
    yield step(back, _KILL)
    for call in (*refused, *_NEWER):
        yield step(equal, call, 0, 1)
        yield step(back, _REFUSE)
    yield step(equal, _CLONE3, 0, 1)
    yield step(back, _UNKNOWN)
    yield step(equal, clone, 0, 3)
    yield step(load, 16)
    yield step(both, _NAMESPACES, 0, 1)
    yield step(back, _REFUSE)
    yield step(load, 0)
    yield step(equal, socket_call, 0, len(_FAMILIES) + 2)
    yield step(load, 16)
    for place, family in enumerate(_FAMILIES):
        yield step(equal, family, len(_FAMILIES) - place, 0)
    yield step(back, _REFUSE)
    yield step(back, _ALLOW)
