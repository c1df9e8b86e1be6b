"""The way into the sandbox: a program of its own that gives up what it may do, then goes in.

Run as `python -I -S launcher.py PLAN`, the plan in JSON. It leaves root, dies with its parent, and
starts the sandbox by bubblewrap, or by the kernel's namespaces directly. The standard library only.
"""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

NOBODY = 65534
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
_RDONLY, _NOSUID, _NODEV, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
_DETACH = 2
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000
# New user, mount, process, network, IPC, host name and cgroup namespaces.
_NAMESPACES = 0x10000000 | 0x20000 | 0x20000000 | 0x40000000 | 0x8000000 | 0x4000000 | 0x2000000
_LAST_CAPABILITY = 40
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
Plan = dict[str, Any]


def main() -> None:
    plan: Plan = json.loads(sys.argv[1])
    # The first to go where memory runs out.
    Path("/proc/self/oom_score_adj").write_text("1000")
    _leave_root()
    _die_with(plan["parent"])
    if plan["kind"] == "bubblewrap":
        os.execve(plan["bwrap"], bubblewrap(plan), {})  # noqa: S606
    sys.exit(_namespaces(plan))


def _leave_root() -> None:
    """Root becomes nobody, so that outside too nothing is owned by what runs here."""
    if os.geteuid() == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        except OSError as error:
            raise OSError(error.errno, f"becoming nobody: {error.strerror}") from error
        # A change of user hides /proc/self from oneself; the maps of users are written there.
        _LIBC.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)


def _die_with(parent: int) -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that asked is gone")


def bubblewrap(plan: Plan) -> list[str]:
    """The command line of bubblewrap."""
    line = [plan["bwrap"], "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net"]
    line += ["--unshare-uts", "--unshare-cgroup-try", "--die-with-parent", "--new-session"]
    line += ["--as-pid-1", "--uid", str(NOBODY), "--gid", str(NOBODY), "--cap-drop", "ALL"]
    line += ["--clearenv", "--hostname", "sandbox"]
    for path in plan["folders"]:
        line += ["--ro-bind", path, path]
    for name, target in plan["links"]:
        line += ["--symlink", target, name]
    for path in plan["hidden"]:
        line += ["--tmpfs", path, "--remount-ro", path]
    for path in DEVICES:
        line += ["--dev-bind", path, path]
    line += ["--size", str(plan["work_bytes"]), "--tmpfs", "/work", "--chdir", "/work"]
    return [*line, "--remount-ro", "/", "--", *plan["argv"]]


# --- By namespaces --------------------------------------------------------------------------


def _namespaces(plan: Plan) -> int:
    """Enter new namespaces; the first process in them becomes the sandbox. Its exit code."""
    user, group = os.geteuid(), os.getegid()
    _call("unshare", _LIBC.unshare(_NAMESPACES))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {group} 1")
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status) & 0xFF
    try:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.setsid()
        _build_root(plan)
        _drop_capabilities()
        os.execve(plan["argv"][0], plan["argv"], {})  # noqa: S606
    except OSError as error:
        os.write(2, f"{error}\n".encode())
    os._exit(1)


def _build_root(plan: Plan) -> None:
    """A new root of a few read-only folders, three devices and a small work folder in memory."""
    root = "/tmp"  # noqa: S108 - covered by a mount that this process alone sees
    _mount(None, "/", None, _REC | _PRIVATE)
    _mount("tmpfs", root, "tmpfs", _NOSUID | _NODEV, "size=1m,mode=755")
    for path in plan["folders"]:
        _bind(path, root + path, read_only=True)
    for name, target in plan["links"]:
        Path(root + name).parent.mkdir(parents=True, exist_ok=True)
        Path(root + name).symlink_to(target)
    for path in plan["hidden"]:
        _mount("tmpfs", root + path, "tmpfs", _RDONLY | _NOSUID | _NODEV, "size=4k")
    for path in DEVICES:
        _bind(path, root + path, read_only=False)
    Path(root + "/work").mkdir()
    _mount("tmpfs", root + "/work", "tmpfs", _NOSUID | _NODEV, f"size={plan['work_bytes']}")
    os.chdir(root)
    _call("pivot_root", _LIBC.pivot_root(b".", b"."))
    _call("umount", _LIBC.umount2(b".", _DETACH))
    _mount(None, "/", None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV)
    os.chdir("/work")


def _bind(source: str, target: str, *, read_only: bool) -> None:
    place = Path(target)
    if Path(source).is_dir():
        place.mkdir(parents=True, exist_ok=True)
    elif not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    _mount(source, target, None, _BIND | _REC)
    if read_only:
        # struct mount_attr: set, clear, propagation, user namespace.
        change = (ctypes.c_uint64 * 4)(_RDONLY | _NOSUID | _NODEV, 0, 0, 0)
        size = ctypes.c_size_t(ctypes.sizeof(change))
        path = target.encode()
        done = _LIBC.syscall(_MOUNT_SETATTR, _AT_FDCWD, path, _AT_RECURSIVE, change, size)
        _call(f"making {source} read-only", done)


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    names = [None if text is None else text.encode() for text in (source, target, kind)]
    done = _LIBC.mount(*names, ctypes.c_ulong(flags), data.encode() or None)
    _call(f"mounting {target}", done)


def _drop_capabilities() -> None:
    for number in range(_LAST_CAPABILITY + 1):
        _LIBC.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    _call("no_new_privs", _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _call("capset", _LIBC.capset(header, (ctypes.c_uint32 * 6)()))


def _call(what: str, outcome: int) -> None:
    if outcome != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    try:
        main()
    except OSError as failure:
        sys.exit(str(failure))
