"""Gives up every power that scoring a model needs not, before anything but the standard library is loaded.

The order matters. Threads started before would escape most of this, so the process must have one only. What
lies behind closed folders is opened while the user still may; the user changes first, because changing takes
privileges; the filter of system calls comes last, because it would refuse some of the steps before it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from gatewright.measure.holdout.worker import landlock, seccomp

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_GET_NO_NEW_PRIVS = 1, 4, 38, 39

#: what libraries read of the system, none of it secret
_SYSTEM = (
    *("/usr", "/lib", "/lib64", "/lib32", "/bin"),
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/timezone", "/etc/mime.types", "/etc/ssl", "/etc/pki"),
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/fonts"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems"),
    *("/proc/sys/vm", "/proc/sys/kernel/osrelease", "/sys/devices/system", "/sys/fs/cgroup"),
    *("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/dev/full"),
)
_WRITABLE_SYSTEM = ("/dev/null",)

#: where semaphores live, without which joblib's threads are one; only for a user of the worker's own
_SHARED_MEMORY = "/dev/shm"


@dataclass(frozen=True)
class Plan:
    """What the parent wants. Paths are absolute.

    uid: user and group to become, None to stay. readable: folders that hold the interpreter, the libraries
    and the model. scratch: the folder to write into. processes: how many more processes and threads.
    """

    uid: int | None
    readable: tuple[str, ...]
    scratch: str
    cpu_seconds: int
    file_bytes: int
    processes: int


@dataclass(frozen=True)
class Layer:
    """One wall. `note`: why it is missing, or what limits it."""

    name: str
    active: bool
    note: str = ""


class Doors:
    """Folders opened beforehand, and how to name them afterwards.

    An interpreter may live below a folder that others may not enter, a home of mode 0700. What was opened can
    still be entered through its descriptor (`/proc/self/fd/N`), by this process alone.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        flags = getattr(os, "O_PATH", os.O_RDONLY) | os.O_CLOEXEC
        self.open: dict[str, int] = {}
        for path in dict.fromkeys(os.path.normpath(p) for p in paths):
            with suppress(OSError):
                self.open[path] = os.open(path, flags)
        self._behind: dict[str, str] | None = None

    def behind(self) -> dict[str, str]:
        """What can no longer be reached by name, with the name that works. To be asked afterwards only."""
        if self._behind is None:
            gone = [path for path in self.open if not os.path.exists(path)]
            self._behind = {path: f"/proc/self/fd/{self.open[path]}" for path in gone}
        return self._behind

    def name(self, path: str) -> str:
        """The name under which a path can be reached now."""
        path = os.path.normpath(path)
        for known, through in sorted(self.behind().items(), key=lambda item: -len(item[0])):
            if path == known or path.startswith(known + "/"):
                return through + path[len(known) :]
        return path

    def close(self) -> None:
        """Closes what can be reached by name."""
        for path in [p for p in self.open if p not in self.behind()]:
            os.close(self.open.pop(path))


def enter(plan: Plan) -> tuple[tuple[Layer, ...], Doors]:
    """Takes all layers that this machine has. What could not be taken is told, not raised."""
    doors = Doors((*_SYSTEM, _SHARED_MEMORY, *plan.readable, plan.scratch))
    _be_first_to_go()
    threads = _threads()
    user = _become(plan.uid)
    privileges = _no_new_privileges()
    files = _files(plan, doors, threads)
    limits = _limits(plan, own_user=not user)
    alone = not user or (not files and landlock.version() >= landlock.CONFINES_SIGNALS)
    calls = threads or seccomp.install(os.getpid(), confine_signals=not alone)
    layers = (
        Layer("user", not user, user or _through_doors(doors, files)),
        Layer("privileges", not privileges, privileges),
        Layer("files", not files, files),
        Layer("limits", not limits, limits),
        Layer("system calls", not calls, calls),
    )
    doors.close()
    return layers, doors


def limit_memory(growth: int) -> str:
    """Caps the address space at what is mapped now plus `growth` bytes. Returns why not, "" if done."""
    try:
        with open("/proc/self/statm", "rb") as file:
            mapped = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return f"{platform.system()} does not say how much memory is mapped"
    return _set(resource.RLIMIT_AS, mapped + growth)


def translate(doors: Doors) -> None:
    """Lets the interpreter find its libraries under their new names."""
    if not doors.behind():
        return
    sys.path[:] = [doors.name(p) for p in sys.path]
    for name in (
        "prefix",
        "base_prefix",
        "exec_prefix",
        "base_exec_prefix",
        "executable",
        "_base_executable",
    ):
        setattr(sys, name, doors.name(getattr(sys, name)))
    for module in list(sys.modules.values()):
        places = getattr(module, "__path__", None)
        if isinstance(places, list):
            places[:] = [doors.name(p) for p in places]
    sys.path_importer_cache.clear()


def unreadable(plan: Plan, doors: Doors) -> list[str]:
    """The folders of the plan that the user, as it is now, may not list: no open door helps against that."""
    folders = [p for p in plan.readable if os.path.normpath(p) in doors.open or os.path.exists(p)]
    return [p for p in folders if not os.access(doors.name(p), os.R_OK | os.X_OK)]


def _threads() -> str:
    count = 1
    with suppress(OSError):
        count = len(os.listdir("/proc/self/task"))
    return "" if count == 1 else f"{count} threads were running before"


def _be_first_to_go() -> None:
    """If the machine runs out of memory, the kernel is to end this process and not the gate."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def _become(uid: int | None) -> str:
    if uid is None:
        return "only root can give a process another user"
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    except (OSError, AttributeError) as e:
        return f"the user could not be changed ({e})"
    return "" if (os.getuid(), os.geteuid(), os.getgroups()) == (uid, uid, []) else "the user did not change"


def _no_new_privileges() -> str:
    if platform.system() != "Linux":
        return f"{platform.system()} has no such thing"
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    # After the change of user, which would undo it. A model that computes for ever holds Python's lock, and with it
    # the thread that watches the leash; the kernel waits for no lock.
    libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(9), zero, zero, zero)
    libc.prctl(_PR_SET_DUMPABLE, zero, zero, zero, zero)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero)
    return "" if libc.prctl(_PR_GET_NO_NEW_PRIVS, zero, zero, zero, zero) == 1 else "the kernel refused"


def _files(plan: Plan, doors: Doors, threads: str) -> str:
    write = {os.path.normpath(p) for p in (plan.scratch, *_WRITABLE_SYSTEM)}
    readable = [f for path, f in doors.open.items() if path not in write | {_SHARED_MEMORY}]
    writable = [f for path, f in doors.open.items() if path in write]
    hidden = [f for path, f in doors.open.items() if path == _SHARED_MEMORY and plan.uid is not None]
    return threads or landlock.restrict(readable, writable, hidden)


def _limits(plan: Plan, *, own_user: bool) -> str:
    """Sets what needs no measuring. Without a user of its own, the user's other processes count in."""
    running = 0 if own_user else _processes_of(os.getuid())
    wanted: tuple[tuple[str, Callable[[], str]], ...] = (
        ("processor time", lambda: _set(resource.RLIMIT_CPU, plan.cpu_seconds, plan.cpu_seconds + 2)),
        ("file size", lambda: _set(resource.RLIMIT_FSIZE, plan.file_bytes)),
        ("core dumps", lambda: _set(resource.RLIMIT_CORE, 0)),
        ("processes", lambda: _set(resource.RLIMIT_NPROC, running + plan.processes)),
    )
    refused = [f"{name}: {why}" for name, do in wanted if (why := do())]
    if os.getuid() == 0:
        refused.append("processes: root is not counted")
    return "; ".join(refused)


def _set(kind: int, soft: int, hard: int | None = None) -> str:
    try:
        top = resource.getrlimit(kind)[1]
        hard = soft if hard is None else hard
        if top != resource.RLIM_INFINITY:
            soft, hard = min(soft, top), min(hard, top)
        resource.setrlimit(kind, (soft, hard))
    except (OSError, ValueError) as e:
        return str(e)
    return ""


def _processes_of(uid: int) -> int:
    """How many threads a user runs, as far as /proc tells."""
    with suppress(OSError):
        return sum(_threads_of(entry, uid) for entry in os.listdir("/proc") if entry.isdigit())
    return 0


def _threads_of(process: str, uid: int) -> int:
    with suppress(OSError):  # it may end while it is looked at
        if os.stat(f"/proc/{process}").st_uid == uid:
            return len(os.listdir(f"/proc/{process}/task"))
    return 0


def _through_doors(doors: Doors, files: str) -> str:
    if not doors.behind():
        return ""
    note = "the interpreter or the model lies behind a closed folder and is reached through opened ones"
    return note if not files else f"{note}; files beside them that everybody may read can be read"
