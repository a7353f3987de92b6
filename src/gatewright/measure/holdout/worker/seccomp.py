"""A filter in the kernel for the system calls that scoring needs not (Linux on x86-64 and ARM64)."""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2

_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
DENIED = _ERRNO | errno.EPERM
ABSENT = _ERRNO | errno.ENOSYS

# Classic BPF: load a word of seccomp_data, compare, mask, return.
_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

_AF_UNIX, _SOCK_STREAM, _SOCK_KIND = 1, 1, 0xF
_NEW_NAMESPACES = 0x7E020000
_X32 = 0x40000000


@dataclass(frozen=True)
class Machine:
    """A processor as the kernel names it, and the column of its call numbers in `_CALLS`."""

    audit: int
    column: int


MACHINES = {"x86_64": Machine(0xC000003E, 0), "aarch64": Machine(0xC00000B7, 1)}

#: call numbers, (x86-64, ARM64), as in the kernel's own tables
_CALLS = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "personality": (135, 92),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "clone": (56, 220),
    "clone3": (435, 435),
    "prlimit64": (302, 261),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
}

_CONDITIONAL = {"socketpair", "clone", "clone3", "prlimit64"}
_SIGNALS = {"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"}

#: every call that is refused whatever its arguments
REFUSED = tuple(name for name in _CALLS if name not in _CONDITIONAL | _SIGNALS)

Instruction = tuple[int, int, int, int]


def program(machine: Machine, own: int, *, confine_signals: bool) -> tuple[Instruction, ...]:
    """The filter as (code, jump if true, jump if false, constant).

    `own` is the worker's process id: limits may be set for it alone and, with `confine_signals`, signals sent
    to it and its group alone. A process of another architecture is killed. No process may leave the group, so
    that killing the group leaves nobody behind.
    """
    numbers = {name: pair[machine.column] for name, pair in _CALLS.items()}
    parts: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, machine.audit),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine.column == 0:
        parts += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL_PROCESS)]
    parts += _each(numbers[n] for n in REFUSED)
    parts += [(_EQUAL, 0, 1, numbers["clone3"]), (_RETURN, 0, 0, ABSENT)]
    parts += _on(numbers["clone"], _no_flags(0, _NEW_NAMESPACES))
    parts += _on(numbers["socketpair"], _pair())
    parts += _on(numbers["prlimit64"], _only(0, (0, own)))
    if confine_signals:
        parts += _confined(numbers, own)
    return (*parts, (_RETURN, 0, 0, _ALLOW))


def install(own: int, *, confine_signals: bool) -> str:
    """Puts the filter on this process for good. Returns why not, "" if it is on."""
    machine = MACHINES.get(platform.machine())
    if machine is None or platform.system() != "Linux":
        return f"there is no filter for {platform.system()} on {platform.machine()}"
    code = b"".join(struct.pack("<HBBI", *i) for i in program(machine, own, confine_signals=confine_signals))
    instructions = ctypes.create_string_buffer(code, len(code))
    described = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_char_p(described), 0, 0):
        return f"the kernel refused the filter ({errno.errorcode.get(ctypes.get_errno(), 'unknown')})"
    return ""


def _confined(numbers: Mapping[str, int], own: int) -> list[Instruction]:
    to_own = _only(0, (own,))
    to_group = _only(0, (0, own, (1 << 32) - own))
    thread = _each([numbers["tkill"], numbers["rt_sigqueueinfo"]])
    return thread + [
        i
        for name, block in (("kill", to_group), ("tgkill", to_own), ("rt_tgsigqueueinfo", to_own))
        for i in _on(numbers[name], block)
    ]


def _each(numbers: Iterable[int]) -> list[Instruction]:
    return [i for n in numbers for i in ((_EQUAL, 0, 1, n), (_RETURN, 0, 0, DENIED))]


def _on(number: int, block: list[Instruction]) -> list[Instruction]:
    """Runs the block, which always returns, for one call."""
    return [(_EQUAL, 0, len(block), number), *block]


def _argument(index: int) -> Instruction:
    """Loads the low half of an argument: all of these are 32 bits wide in the kernel."""
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * index)


def _only(index: int, allowed: tuple[int, ...]) -> list[Instruction]:
    tests = [(_EQUAL, len(allowed) - k, 0, value) for k, value in enumerate(allowed)]
    return [_argument(index), *tests, (_RETURN, 0, 0, DENIED), (_RETURN, 0, 0, _ALLOW)]


def _no_flags(index: int, flags: int) -> list[Instruction]:
    masked = [_argument(index), (_AND, 0, 0, flags), (_EQUAL, 1, 0, 0)]
    return [*masked, (_RETURN, 0, 0, DENIED), (_RETURN, 0, 0, _ALLOW)]


def _pair() -> list[Instruction]:
    """A connected UNIX pair of streams. Datagrams can be sent elsewhere all the same, and raw sockets are datagrams."""
    return [
        _argument(0),
        (_EQUAL, 0, 4, _AF_UNIX),
        _argument(1),
        (_AND, 0, 0, _SOCK_KIND),
        (_EQUAL, 0, 1, _SOCK_STREAM),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, DENIED),
    ]
