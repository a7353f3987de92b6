"""The parent's end of a worker: starts it with nothing, times every answer, leaves nothing behind."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import platform
import resource
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gatewright.measure.holdout.plain import PICKLE_SWITCH
from gatewright.measure.holdout.words import last_words
from gatewright.measure.holdout.worker import frames

_HERE = Path(__file__).parent

#: Names packages instead of importing them, so that no code of ours but the worker's is run or needed there.
_BOOT = """
import sys, types
line, leash, place = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
for name in ("gatewright", "gatewright.measure", "gatewright.measure.holdout"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [place]
from gatewright.measure.holdout.worker.main import main
del sys.argv[1:]
main(line, leash)
"""

#: users that belong to nobody on common systems, and fit into a container's 65,536
_UIDS = range(61184, 65520)

_KEPT_OUTPUT = 16 << 10
_PIPE_BYTES = 1 << 20
_CHUNK = 1 << 18

_uses = itertools.count()
_taken: set[int] = set()
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4

#: chown, dac_override, kill, setgid, setuid
_CAPABILITIES = sum(1 << n for n in (0, 1, 5, 6, 7))

_closing = threading.Lock()
_closed_for = 0


class Lost(Exception):
    """The worker does not answer any more, or not in its own words; it has been ended. The text says how."""

    def __init__(self, text: str, cause: Literal["time", "memory", ""] = "") -> None:
        self.cause = cause
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the kernel says of a worker: users and groups, can it gain privileges, are its calls filtered."""

    users: tuple[int, ...]
    no_new_privileges: bool
    filtered: bool


class Worker:
    """A running worker. Every wait has an end, reads what the worker prints, and notices its death."""

    def __init__(
        self, python: Path, environment: Mapping[str, str], scratch: Path, uid: int | None, cpu_seconds: int
    ) -> None:
        self._cpu_seconds = cpu_seconds
        self._uid = uid
        self._output = bytearray()
        self._printed = 0
        self._status: int | None = None
        self._used = 0.0
        self._peak = 0
        self._line, theirs = socket.socketpair()
        leash, self._leash = os.pipe()
        self._printing, output = os.pipe()
        try:
            self._process = subprocess.Popen(
                [python, *_FLAGS, _BOOT, str(theirs.fileno()), str(leash), str(_HERE)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environment),
                cwd=scratch,
                pass_fds=(theirs.fileno(), leash),
                start_new_session=True,
                umask=0o077,
            )
        except OSError:
            self._hang_up()
            raise
        finally:
            theirs.close()
            os.close(leash)
            os.close(output)
        self.pid = self._process.pid
        _widen(self._printing)
        os.set_blocking(self._printing, False)
        self._line.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._printing, select.POLLIN)
        self._poll.register(self._line, 0)

    @property
    def last_words(self) -> str:
        self._catch_up()
        return last_words(bytes(self._output))

    @property
    def printed(self) -> int:
        """Bytes of output until now."""
        self._catch_up()
        return self._printed

    @property
    def peak_memory(self) -> int:
        """The most bytes it ever had in memory, as the kernel counts; grows until the worker ends."""
        if self._status is None:
            fields = _status_of(self.pid)
            self._peak = max(self._peak, int(fields.get("VmHWM", "0").split()[0]) * 1024)
        return self._peak

    def seen(self) -> Seen | None:
        """The kernel's view of it; None where there is no /proc."""
        fields = _status_of(self.pid)
        if not fields:
            return None
        users = tuple(map(int, fields["Uid"].split() + fields["Gid"].split()))
        return Seen(users, fields.get("NoNewPrivs") == "1", fields.get("Seccomp") == "2")

    def send(self, kind: int, number: int, body: memoryview | bytes, timeout: float) -> None:
        """Sends one frame. Raises Lost."""
        deadline = time.monotonic() + timeout
        for part in (frames.header(kind, number, len(body)), body):
            view = memoryview(part).cast("B") if len(part) else memoryview(b"")
            while len(view):
                sent = self._send(view[:_CHUNK])
                if not sent:
                    self._wait(select.POLLOUT, deadline, timeout)
                view = view[sent:]

    def receive(self, number: int, limit: int, timeout: float) -> tuple[int, memoryview]:
        """(kind, body) of the next frame, which carries `number` and has `limit` bytes at most. Raises Lost."""
        deadline = time.monotonic() + timeout
        head = self._read(frames.HEADER.size, deadline, timeout)
        try:
            kind, answered, length = frames.read_header(head)
        except frames.Garbled as e:
            raise self.garbled(str(e)) from None
        if answered != number:
            raise self.garbled("an answer to a question that was not asked")
        if length > limit:
            raise self.garbled(f"an answer of {length} bytes where {limit} are the most there can be")
        return kind, self._read(length, deadline, timeout)

    def garbled(self, why: str) -> Lost:
        """Ends a worker whose line carries something else than its own code's answers."""
        self.end()
        return Lost(f"what came back is not an answer of the worker: {why}")

    @contextlib.contextmanager
    def at_rest(self) -> Iterator[None]:
        """Holds the worker and everything that it started still; neither can refuse that."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._status is None:
                os.killpg(self.pid, number)

    def end(self) -> None:
        """Kills the worker and everything it started. What it wrote can still be read."""
        if self._status is not None:
            return
        _ = self.peak_memory
        self._signal(signal.SIGKILL)
        self._reap()
        self._drain()
        self._hang_up()
        if self._uid is not None:
            _kill_all_of(self._uid)
            _remove_all_of(self._uid)

    def _hang_up(self) -> None:
        self._line.close()
        os.close(self._leash)
        os.close(self._printing)

    def _reap(self) -> None:
        _, self._status, usage = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(self._status)
        self._used = usage.ru_utime + usage.ru_stime
        if platform.system() == "Darwin":
            self._peak = usage.ru_maxrss

    def _read(self, length: int, deadline: float, timeout: float) -> memoryview:
        view = memoryview(bytearray(length))
        done = 0
        while done < length:
            count = self._receive(view[done:])
            if not count:
                self._wait(select.POLLIN, deadline, timeout)
            done += count
        return view

    def _send(self, view: memoryview) -> int:
        """Bytes that went out; 0 if there is no room now."""
        try:
            return self._line.send(view)
        except BlockingIOError:
            return 0
        except OSError:
            raise self._lost() from None

    def _receive(self, view: memoryview) -> int:
        """Bytes that came in; 0 if there are none now."""
        try:
            count = self._line.recv_into(view)
        except BlockingIOError:
            return 0
        except OSError:
            count = 0
        if not count:
            raise self._lost()
        return count

    def _wait(self, event: int, deadline: float, timeout: float) -> None:
        self._poll.modify(self._line, event)
        left = deadline - time.monotonic()
        ready = dict(self._poll.poll(max(left, 0) * 1000)) if left > 0 else {}
        if self._printing in ready:
            self._listen()
        if left <= 0:
            self.end()
            raise Lost(f"it gave no answer within {timeout:.3g} s and was ended", "time")

    def _listen(self) -> bool:
        """Takes one piece of output; whether there was any. Keeps the end only."""
        try:
            said = os.read(self._printing, _PIPE_BYTES)
        except BlockingIOError:
            return False
        if not said:
            self._poll.unregister(self._printing)
            return False
        self._printed += len(said)
        self._output += said
        del self._output[:-_KEPT_OUTPUT]
        return True

    def _catch_up(self) -> None:
        """Takes the output that an answer has overtaken: what was said before it is in the pipe already."""
        if self._status is None:
            self._drain()

    def _drain(self) -> None:
        with contextlib.suppress(OSError, KeyError):
            for _ in range(64):
                if not self._listen():
                    return

    def _lost(self) -> Lost:
        """Tells what became of a worker that hung up. It gets a moment to die of its own cause."""
        if self._status is not None:
            return self._death()
        deadline = time.monotonic() + 1.0
        while (dead := _is_dead(self.pid)) is False and time.monotonic() < deadline:
            self._drain()
            time.sleep(0.005)
        self.end()
        if dead is False:
            return Lost("it closed its line to the gate, went on running, and was ended")
        return self._death()

    def _death(self) -> Lost:
        assert self._status is not None
        if not os.WIFSIGNALED(self._status):
            return Lost(f"it ended itself with exit code {os.waitstatus_to_exitcode(self._status)}")
        number = os.WTERMSIG(self._status)
        if number == signal.SIGXCPU or (number == signal.SIGKILL and self._used >= self._cpu_seconds):
            return Lost(f"it used up its {self._cpu_seconds} s of processor time", "time")
        if number == signal.SIGKILL:
            why = "it was killed (SIGKILL), as the kernel does when the machine runs out of memory"
            return Lost(why, "memory")
        return Lost(f"it crashed ({_signal_name(number)})")


#: Isolated from variables and the user's folder, without `site` (whose .pth files are code), without writing
#: bytecode, unbuffered, and with a traceback on a crash.
_FLAGS = ("-I", "-S", "-B", "-u", "-X", "faulthandler", "-c")


#: where libraries lie, and MLflow's switch against models whose loading runs code
_KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", PICKLE_SWITCH)


def clean_environment(scratch: Path, threads: int) -> dict[str, str]:
    """All that a worker learns from its environment: of the parent's only where libraries lie, and a prohibition."""
    count = str(threads)
    kept = {n: os.environ[n] for n in _KEPT if n in os.environ}
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "USER": "worker",
        "LOGNAME": "worker",
        "OMP_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "NUMEXPR_MAX_THREADS": count,
        "LOKY_MAX_CPU_COUNT": count,
        "OMP_WAIT_POLICY": "PASSIVE",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Reserved and never used, address space would count against the memory limit all the same.
        "MALLOC_ARENA_MAX": "2",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        **kept,
    }


@contextlib.contextmanager
def own_user() -> Iterator[int | None]:
    """A user that no process has, where this process may hand one out; None elsewhere.

    Of its own, because workers of one user could stop each other and read each other's folders.
    """
    if os.geteuid() != 0:
        yield None
        return
    start = (os.getpid() * 16 + next(_uses)) % len(_UIDS)
    busy = _users() | _taken
    uid = next(u for u in itertools.chain(_UIDS[start:], _UIDS) if u not in busy)
    _taken.add(uid)
    try:
        yield uid if _can_become(uid) else None
    finally:
        _taken.discard(uid)


@contextlib.contextmanager
def scratch_folder(uid: int | None) -> Iterator[Path]:
    """A folder that the worker alone can enter; gone afterwards, with whatever was put there."""
    outer = _own_folder()
    try:
        inner = outer / "scratch"
        inner.mkdir(mode=0o700)
        if uid is not None:
            os.chown(inner, uid, uid)
        yield inner
    finally:
        with contextlib.suppress(RecursionError):
            shutil.rmtree(outer, ignore_errors=True)


@contextlib.contextmanager
def readable(folder: Path, uid: int | None) -> Iterator[Path]:
    """The folder, or a copy if another user could not reach and read it. The folder itself is never changed.

    A copy, not an open door as for libraries: MLflow refuses a folder whose real name is another.
    """
    if uid is None or (_reachable(folder) and _all_readable(folder)):
        yield folder
        return
    outer = _own_folder()
    try:
        _copy(folder, outer / "model")
        yield outer / "model"
    finally:
        shutil.rmtree(outer, ignore_errors=True)


@contextlib.contextmanager
def closed_parent() -> Iterator[str]:
    """Closes this process's memory and environment to others of its user while a worker runs.

    Done even for a worker that is to get a user of its own: it might not get it. Yields why it could not, "" if
    they are closed.
    """
    if platform.system() != "Linux":
        yield f"{platform.system()} offers no way to close a process to others of the same user"
        return
    libc = ctypes.CDLL(None)
    _close(libc, +1)
    try:
        yield "" if libc.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 else "the kernel refused"
    finally:
        _close(libc, -1)


def _close(libc: ctypes.CDLL, change: int) -> None:
    """Counts the workers that this process is closed for: the last one to go opens it again."""
    global _closed_for
    with _closing:
        _closed_for += change
        libc.prctl(_PR_SET_DUMPABLE, 0 if _closed_for else 1, 0, 0, 0)


def physical_memory() -> int:
    """Bytes of memory that this machine, or the container around us, has."""
    pages: int = os.sysconf("SC_PHYS_PAGES")
    limits = [pages * resource.getpagesize()]
    for place in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            limits.append(int(Path(place).read_text()))
    return min(limits)


def own_ids() -> frozenset[int]:
    """The users and groups that this process acts as."""
    return frozenset({os.getuid(), os.geteuid(), os.getgid(), os.getegid()})


def _status_of(pid: int) -> dict[str, str]:
    try:
        with open(f"/proc/{pid}/status") as file:
            pairs = (line.partition(":") for line in file)
            return {name: value.strip() for name, _, value in pairs}
    except OSError:
        return {}


def _users() -> set[int]:
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for entry in os.scandir("/proc"):
            with contextlib.suppress(OSError):
                if entry.name.isdigit():
                    found.update(map(int, _status_of(int(entry.name)).get("Uid", "").split()))
    return found


def _can_become(uid: int) -> bool:
    """Whether root here is root enough to change users, and to end and tidy up after another user."""
    fields = _status_of(os.getpid())
    if not fields:
        return platform.system() != "Linux"
    with contextlib.suppress(OSError, ValueError):
        rows = [tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
        mapped = any(first <= uid < first + count for first, _, count in rows)
        return mapped and int(fields["CapEff"], 16) & _CAPABILITIES == _CAPABILITIES
    return False


def _is_dead(pid: int) -> bool | None:
    """Whether a child has ended, without taking note of it; None where that cannot be asked."""
    if not hasattr(os, "waitid"):
        time.sleep(0.3)
        return None
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill_all_of(uid: int) -> None:
    """Kills what left its process group, if anything could. Ends when a round finds nobody."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            left = [p for p in _numbers(os.listdir("/proc")) if _status_of(p).get("Uid", "").startswith(f"{uid}\t")]
            if not left:
                return
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _remove_all_of(uid: int) -> None:
    """Removes what a worker left in shared memory, which is no folder of its own. Nobody runs as that user any more."""
    with contextlib.suppress(OSError):
        for entry in os.scandir("/dev/shm"):
            with contextlib.suppress(OSError, RecursionError):
                if entry.stat(follow_symlinks=False).st_uid != uid:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)


def _numbers(names: Sequence[str]) -> list[int]:
    return [int(n) for n in names if n.isdigit()]


def _own_folder() -> Path:
    """A new folder that other users can pass through, if there is a place for one."""
    places = [Path(p) for p in (tempfile.gettempdir(), "/tmp", "/var/tmp")]
    place = next((p for p in places if p.is_dir() and _reachable(p)), None)
    folder = Path(tempfile.mkdtemp(prefix="gatewright-", dir=place)).resolve()
    folder.chmod(0o711)
    return folder


def _reachable(folder: Path) -> bool:
    """Whether every user may pass through all folders above, and this one."""
    return all(p.stat().st_mode & stat.S_IXOTH for p in (folder, *folder.resolve().parents))


def _all_readable(folder: Path) -> bool:
    for at, folders, files in os.walk(folder):
        if os.stat(at).st_mode & 0o005 != 0o005:
            return False
        modes = (os.lstat(os.path.join(at, n)).st_mode for n in (*folders, *files))
        if any(not stat.S_ISLNK(m) and not m & stat.S_IROTH for m in modes):
            return False
    return True


def _copy(source: Path, target: Path) -> None:
    """Copies files and folders; links and devices do not belong into a model and stay behind."""
    target.mkdir()
    target.chmod(0o755)
    for entry in os.scandir(source):
        there = target / entry.name
        if entry.is_dir(follow_symlinks=False):
            _copy(Path(entry.path), there)
        elif entry.is_file(follow_symlinks=False):
            _copy_file(entry, there)


def _copy_file(entry: os.DirEntry[str], there: Path) -> None:
    """As a second name of the same file where that will do: models can be large."""
    if entry.stat(follow_symlinks=False).st_mode & stat.S_IROTH:
        with contextlib.suppress(OSError):
            os.link(entry.path, there)
            return
    shutil.copyfile(entry.path, there)
    there.chmod(0o644)


def _widen(pipe: int) -> None:
    """Lets a chatty worker go on while the parent is busy elsewhere."""
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
