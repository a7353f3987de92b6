"""Landlock (Linux 5.13 and newer): the folders that a process may read, those it may write, no other file."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import stat
import struct
from collections.abc import Iterable

# The same on every processor.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_MAKE_CHAR, _MAKE_SOCK, _MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 11
_TRUNCATE, _IOCTL_DEVICE = 1 << 14, 1 << 15
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE

READ = _EXECUTE | _READ_FILE | _READ_DIR
_NEVER = _EXECUTE | _MAKE_CHAR | _MAKE_SOCK | _MAKE_BLOCK | _IOCTL_DEVICE

#: Scope: abstract UNIX sockets and signals stay among the processes of the sandbox.
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2
_BIND_TCP, _CONNECT_TCP = 1, 2

#: from this version on, signals to processes outside are refused
CONFINES_SIGNALS = 6


def version() -> int:
    """The kernel's Landlock version; 0 where there is none."""
    if platform.system() != "Linux":
        return 0
    return max(_call(_CREATE_RULESET, None, 0, _VERSION), 0)


def rights(abi: int) -> int:
    """Every right over files that a version of Landlock can take away."""
    return (1 << (16 if abi >= 5 else 15 if abi >= 3 else 14 if abi >= 2 else 13)) - 1


def ruleset(abi: int) -> bytes:
    """The kernel's description of what is handled: files, TCP from 4 on, sockets and signals from 6 on."""
    network = _BIND_TCP | _CONNECT_TCP if abi >= 4 else 0
    scope = _ABSTRACT_SOCKETS | _SIGNALS if abi >= CONFINES_SIGNALS else 0
    fields = 3 if abi >= 6 else 2 if abi >= 4 else 1
    return struct.pack("=QQQ", rights(abi), network, scope)[: 8 * fields]


def restrict(readable: Iterable[int], writable: Iterable[int], hidden: Iterable[int]) -> str:
    """Leaves this thread, and all it starts, the given open files and folders. Returns why not, "" if done.

    hidden: folders to write into that may not be listed. It must be the only thread, and must not be able to
    gain privileges any more.
    """
    abi = version()
    if not abi:
        return "the kernel has no Landlock, or it is switched off"
    described = ruleset(abi)
    rules = _call(_CREATE_RULESET, ctypes.c_char_p(described), len(described), 0)
    if rules < 0:
        return f"the kernel refused Landlock ({_last_error()})"
    try:
        write = rights(abi) & ~_NEVER
        grants = [(f, READ) for f in readable] + [(f, write) for f in writable]
        grants += [(f, write & ~_READ_DIR) for f in hidden]
        done = all(_grant(rules, f, allowed & rights(abi)) for f, allowed in grants)
        if not done or _call(_RESTRICT_SELF, rules, 0, 0):
            return f"the kernel refused Landlock's rules ({_last_error()})"
    finally:
        os.close(rules)
    return ""


def _grant(rules: int, file: int, allowed: int) -> bool:
    if not stat.S_ISDIR(os.fstat(file).st_mode):
        allowed &= _OF_A_FILE
    return not _call(_ADD_RULE, rules, _PATH_BENEATH, ctypes.c_char_p(struct.pack("=Qi", allowed, file)), 0)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return int(libc.syscall(ctypes.c_long(number), *wide))


def _last_error() -> str:
    return errno.errorcode.get(ctypes.get_errno(), "unknown")
