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

TARGETS: dict[str, str] = {}
ATTEMPTS = {}


def attempt(function):  # type: ignore[no-untyped-def]
    """Adds a function to the list."""
    ATTEMPTS[function.__name__] = function
    return function


def run(targets):  # type: ignore[no-untyped-def]
    """Tries everything; returns the reports by name."""
    TARGETS.update(targets)
    reports = {}
    for name, function in ATTEMPTS.items():
        try:
            reports[name] = f"done: {function()}"
        except Exception as e:
            reports[name] = f"denied: {type(e).__name__}: {e}"
    return reports


def _parent(what):  # type: ignore[no-untyped-def]
    return f"/proc/{TARGETS['parent']}/{what}"


def _syscall(x86, arm, *arguments):  # type: ignore[no-untyped-def]
    libc = ctypes.CDLL(None, use_errno=True)
    number = x86 if platform.machine() == "x86_64" else arm
    if libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "allowed"


@attempt
def own_environment():  # type: ignore[no-untyped-def]
    return " ".join(f"{k}={v}" for k, v in sorted(os.environ.items()))


@attempt
def first_environment():  # type: ignore[no-untyped-def]
    with open("/proc/self/environ") as file:
        return file.read()


@attempt
def parents_environment():  # type: ignore[no-untyped-def]
    with open(_parent("environ")) as file:
        return file.read()


@attempt
def parents_memory():  # type: ignore[no-untyped-def]
    with open(_parent("mem"), "rb") as file:
        return file.read(1)


@attempt
def parents_descriptors():  # type: ignore[no-untyped-def]
    return os.listdir(_parent("fd"))


@attempt
def trace_the_parent():  # type: ignore[no-untyped-def]
    return _syscall(101, 117, 16, int(TARGETS["parent"]), 0, 0)


@attempt
def read_the_parents_memory_directly():  # type: ignore[no-untyped-def]
    return _syscall(310, 270, int(TARGETS["parent"]), 0, 0, 0, 0, 0)


@attempt
def signal_the_parent():  # type: ignore[no-untyped-def]
    return os.kill(int(TARGETS["parent"]), signal.SIGURG)


@attempt
def signal_the_other_worker():  # type: ignore[no-untyped-def]
    return os.kill(int(TARGETS["other_worker"]), signal.SIGURG)


@attempt
def enter_the_other_workers_scratch():  # type: ignore[no-untyped-def]
    return os.listdir(TARGETS["other_scratch"])


@attempt
def inherited_descriptors():  # type: ignore[no-untyped-def]
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            mode = os.fstat(int(name)).st_mode
            if stat.S_ISREG(mode):
                found.append(os.readlink(f"/proc/self/fd/{name}"))
    return found


@attempt
def internet():  # type: ignore[no-untyped-def]
    return socket.create_connection(("127.0.0.1", int(TARGETS["port"])), timeout=2)


@attempt
def internet_version_6():  # type: ignore[no-untyped-def]
    return socket.socket(socket.AF_INET6, socket.SOCK_STREAM)


@attempt
def datagrams():  # type: ignore[no-untyped-def]
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


@attempt
def netlink():  # type: ignore[no-untyped-def]
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)


@attempt
def unix_socket_like_dockers():  # type: ignore[no-untyped-def]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        return line.connect(TARGETS["unix_socket"])


@attempt
def redirect_a_pair():  # type: ignore[no-untyped-def]
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)


@attempt
def pair_of_sockets():  # type: ignore[no-untyped-def]
    for end in socket.socketpair():
        end.close()
    return "allowed"


@attempt
def write_into_the_workspace():  # type: ignore[no-untyped-def]
    with open(os.path.join(TARGETS["workspace"], "planted"), "w") as file:
        return file.write("x")


@attempt
def read_an_open_file_of_the_workspace():  # type: ignore[no-untyped-def]
    with open(os.path.join(TARGETS["workspace"], "readable")) as file:
        return file.read()


@attempt
def read_a_private_file():  # type: ignore[no-untyped-def]
    with open(TARGETS["secret"]) as file:
        return file.read()


@attempt
def write_into_the_model():  # type: ignore[no-untyped-def]
    with open(os.path.join(TARGETS["model"], "MLmodel"), "a") as file:
        return file.write("x")


@attempt
def write_into_the_libraries():  # type: ignore[no-untyped-def]
    with open(os.path.join(os.path.dirname(contextlib.__file__), "planted.py"), "w") as file:
        return file.write("x")


@attempt
def leave_through_an_open_folder():  # type: ignore[no-untyped-def]
    # A folder that was opened for the interpreter must not be a way to its neighbours.
    ways = [f"{d}/../*/*" for d in glob.glob("/proc/self/fd/*") if os.path.isdir(d)]
    found = [p for way in ways for p in glob.glob(way) if os.path.isfile(p)]
    for path in found:
        with contextlib.suppress(OSError), open(path, "rb"):
            return path
    raise PermissionError("nothing could be read")


@attempt
def write_into_the_scratch_folder():  # type: ignore[no-untyped-def]
    with open(os.path.join(os.environ["TMPDIR"], "notes"), "w") as file:
        return file.write("x")


@attempt
def read_the_system():  # type: ignore[no-untyped-def]
    return os.listdir("/")


@attempt
def become_root():  # type: ignore[no-untyped-def]
    return os.setuid(0)


@attempt
def capabilities():  # type: ignore[no-untyped-def]
    with open("/proc/self/status") as file:
        wanted = ("CapEff", "CapPrm", "NoNewPrivs", "Seccomp", "Groups")
        lines = dict(line.rstrip().split(":", 1) for line in file)
    return " ".join(f"{name}={lines[name].strip()}" for name in wanted)


@attempt
def user_of_a_program():  # type: ignore[no-untyped-def]
    return subprocess.run(["/usr/bin/id", "-u"], capture_output=True, check=True).stdout.decode().strip()


@attempt
def lift_a_limit():  # type: ignore[no-untyped-def]
    return resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@attempt
def limit_the_parent():  # type: ignore[no-untyped-def]
    return resource.prlimit(int(TARGETS["parent"]), resource.RLIMIT_NOFILE, (10, 10))


@attempt
def a_file_too_large():  # type: ignore[no-untyped-def]
    with open(os.path.join(os.environ["TMPDIR"], "large"), "wb") as file:
        return file.truncate(2 << 30)


@attempt
def user_namespace():  # type: ignore[no-untyped-def]
    return _syscall(272, 97, 0x10000000)


@attempt
def namespace_by_clone():  # type: ignore[no-untyped-def]
    return _syscall(56, 220, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)


@attempt
def io_uring():  # type: ignore[no-untyped-def]
    return _syscall(425, 425, 1, 0)


@attempt
def keyring():  # type: ignore[no-untyped-def]
    return _syscall(250, 219, 0, -3, 0)


@attempt
def bpf():  # type: ignore[no-untyped-def]
    return _syscall(321, 280, 0, 0, 0)


@attempt
def mount():  # type: ignore[no-untyped-def]
    return _syscall(165, 40, 0, 0, 0, 0, 0)


@attempt
def leave_the_process_group():  # type: ignore[no-untyped-def]
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
def message_queue():  # type: ignore[no-untyped-def]
    return _syscall(68, 186, 0, 0o1666)
