"""What a hostile model tries. The text of this file is run by the pickle of such a model, inside the worker.

Each attempt returns what it got; its report is "done: …", or "denied: …" with the error. It knows nothing but
`TARGETS`, which the test fills in.
"""

import contextlib
import ctypes
import glob
import os
import platform
import resource
import signal
import socket
import stat
import subprocess
from collections.abc import Callable

Attempt = Callable[[], object]

TARGETS: dict[str, str] = {}
ATTEMPTS: dict[str, Attempt] = {}


def attempt(function: Attempt) -> Attempt:
    """Adds a function to the list."""
    ATTEMPTS[function.__name__] = function
    return function


def run(targets: dict[str, str]) -> dict[str, str]:
    """Tries everything; returns the reports by name."""
    TARGETS.update(targets)
    reports = {}
    for name, function in ATTEMPTS.items():
        try:
            reports[name] = f"done: {function()}"
        except Exception as e:
            reports[name] = f"denied: {type(e).__name__}: {e}"
    return reports


def _parent(what: str) -> str:
    return f"/proc/{TARGETS['parent']}/{what}"


def _syscall(x86: int, arm: int, *arguments: int) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    number = x86 if platform.machine() == "x86_64" else arm
    if libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "allowed"


@attempt
def own_environment() -> object:
    """Lists its own variables, where tokens usually lie."""
    return " ".join(f"{k}={v}" for k, v in sorted(os.environ.items()))


@attempt
def first_environment() -> object:
    """Reads the variables that its process was started with."""
    with open("/proc/self/environ") as file:
        return file.read()


@attempt
def parents_environment() -> object:
    """Reads the gate's variables from /proc."""
    with open(_parent("environ")) as file:
        return file.read()


@attempt
def parents_memory() -> object:
    """Opens the gate's memory."""
    with open(_parent("mem"), "rb") as file:
        return file.read(1)


@attempt
def parents_descriptors() -> object:
    """Lists what the gate has open."""
    return os.listdir(_parent("fd"))


@attempt
def trace_the_parent() -> object:
    """Attaches to the gate as a debugger does."""
    return _syscall(101, 117, 16, int(TARGETS["parent"]), 0, 0)


@attempt
def read_the_parents_memory_directly() -> object:
    """Asks the kernel for the gate's memory, without a file."""
    return _syscall(310, 270, int(TARGETS["parent"]), 0, 0, 0, 0, 0)


@attempt
def signal_the_parent() -> object:
    """Sends the gate a signal that would do no harm."""
    os.kill(int(TARGETS["parent"]), signal.SIGURG)
    return "allowed"


@attempt
def signal_the_other_worker() -> object:
    """Sends the champion's worker a signal that would do no harm."""
    os.kill(int(TARGETS["other_worker"]), signal.SIGURG)
    return "allowed"


@attempt
def enter_the_other_workers_scratch() -> object:
    """Lists the folder of the champion's worker."""
    return os.listdir(TARGETS["other_scratch"])


@attempt
def inherited_descriptors() -> object:
    """Names the files that are open without its doing."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            mode = os.fstat(int(name)).st_mode
            if stat.S_ISREG(mode):
                found.append(os.readlink(f"/proc/self/fd/{name}"))
    return found


@attempt
def internet() -> object:
    """Connects to a port that somebody listens on."""
    return socket.create_connection(("127.0.0.1", int(TARGETS["port"])), timeout=2)


@attempt
def internet_version_6() -> object:
    """Makes a socket of the newer Internet."""
    return socket.socket(socket.AF_INET6, socket.SOCK_STREAM)


@attempt
def datagrams() -> object:
    """Makes a socket for datagrams, such as names are looked up with."""
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


@attempt
def netlink() -> object:
    """Makes a socket to the kernel."""
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)


@attempt
def unix_socket_like_dockers() -> object:
    """Connects to a socket that every user of the machine may write to."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.connect(TARGETS["unix_socket"])
    return "connected"


@attempt
def redirect_a_pair() -> object:
    """Makes a pair of datagram sockets, which could be pointed elsewhere afterwards."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)


@attempt
def redirect_a_raw_pair() -> object:
    """Makes a pair of raw sockets, which the kernel takes for sockets of datagrams."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_RAW)


@attempt
def pair_of_sockets() -> object:
    """Makes a connected pair, as event loops do."""
    for end in socket.socketpair():
        end.close()
    return "allowed"


@attempt
def write_into_the_workspace() -> object:
    """Plants a file in a folder that every user may write into."""
    with open(os.path.join(TARGETS["workspace"], "planted"), "w") as file:
        return file.write("x")


@attempt
def read_an_open_file_of_the_workspace() -> object:
    """Reads a file that every user may read."""
    with open(os.path.join(TARGETS["workspace"], "readable")) as file:
        return file.read()


@attempt
def read_a_private_file() -> object:
    """Reads a file of the gate's user."""
    with open(TARGETS["secret"]) as file:
        return file.read()


@attempt
def write_into_the_model() -> object:
    """Changes the model that it belongs to."""
    with open(os.path.join(TARGETS["model"], "MLmodel"), "a") as file:
        return file.write("x")


@attempt
def write_into_the_libraries() -> object:
    """Plants a module beside those of the interpreter."""
    with open(os.path.join(os.path.dirname(contextlib.__file__), "planted.py"), "w") as file:
        return file.write("x")


@attempt
def leave_through_an_open_folder() -> object:
    """Goes from a folder that was opened for the interpreter to its neighbours."""
    # A folder that was opened for the interpreter must not be a way to its neighbours.
    ways = [f"{d}/../*/*" for d in glob.glob("/proc/self/fd/*") if os.path.isdir(d)]
    found = [p for way in ways for p in glob.glob(way) if os.path.isfile(p)]
    for path in found:
        with contextlib.suppress(OSError), open(path, "rb"):
            return path
    raise PermissionError("nothing could be read")


@attempt
def write_into_the_scratch_folder() -> object:
    """Writes where it may."""
    with open(os.path.join(os.environ["TMPDIR"], "notes"), "w") as file:
        return file.write("x")


@attempt
def read_the_system() -> object:
    """Lists the root of the file system."""
    return os.listdir("/")


@attempt
def become_root() -> object:
    """Takes the user that may do everything."""
    os.setuid(0)
    return "allowed"


@attempt
def capabilities() -> object:
    """Tells what the kernel lets it do."""
    with open("/proc/self/status") as file:
        wanted = ("CapEff", "CapPrm", "NoNewPrivs", "Seccomp", "Groups")
        lines = dict(line.rstrip().split(":", 1) for line in file)
    return " ".join(f"{name}={lines[name].strip()}" for name in wanted)


@attempt
def user_of_a_program() -> object:
    """Asks a program that it starts who it runs as."""
    return subprocess.run(["/usr/bin/id", "-u"], capture_output=True, check=True).stdout.decode().strip()


@attempt
def lift_a_limit() -> object:
    """Allows itself processor time without end."""
    resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return "allowed"


@attempt
def limit_the_parent() -> object:
    """Takes descriptors away from the gate."""
    return resource.prlimit(int(TARGETS["parent"]), resource.RLIMIT_NOFILE, (10, 10))


@attempt
def a_file_too_large() -> object:
    """Makes a file of 2 GiB."""
    with open(os.path.join(os.environ["TMPDIR"], "large"), "wb") as file:
        return file.truncate(2 << 30)


@attempt
def user_namespace() -> object:
    """Makes a namespace in which it would be root."""
    return _syscall(272, 97, 0x10000000)


@attempt
def namespace_by_clone() -> object:
    """Makes the same namespace by starting a process in it."""
    return _syscall(56, 220, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)


@attempt
def io_uring() -> object:
    """Sets up a ring by which calls could pass the filter."""
    return _syscall(425, 425, 1, 0)


@attempt
def keyring() -> object:
    """Reaches for the kernel's keys."""
    return _syscall(250, 219, 0, -3, 0)


@attempt
def bpf() -> object:
    """Loads a program into the kernel."""
    return _syscall(321, 280, 0, 0, 0)


@attempt
def mount() -> object:
    """Mounts a file system."""
    return _syscall(165, 40, 0, 0, 0, 0, 0)


@attempt
def leave_the_process_group() -> object:
    """Starts a session, which the gate's signals would not reach."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(OSError):
            os.setsid()
            os._exit(0)
        os._exit(1)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise PermissionError("a child may not start a session")
    return "a session of its own"


@attempt
def message_queue() -> object:
    """Makes a queue that would outlive it."""
    return _syscall(68, 186, 0, 0o1666)
