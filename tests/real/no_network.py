"""A pytest plugin (`-p real.no_network`) under which no test reaches beyond 127.0.0.1.

It should run in a network namespace of its own, where it wakes the loopback device; whether or not it does, every
connection and look-up of this process that leaves the machine is refused. The header says which of the two held.
"""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
import sys
from pathlib import Path
from typing import Any

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1


class Refused(OSError):
    """What a test gets that would leave the machine."""


def alone() -> bool:
    """Whether this process sees no network device but the loopback."""
    return [name for _, name in socket.if_nameindex()] == ["lo"]


def wake_loopback() -> None:
    """Switches `lo` on, which a fresh network namespace has switched off."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        asked = fcntl.ioctl(handle, _GET_FLAGS, struct.pack("16sh", b"lo", 0))
        flags = struct.unpack("16sh", asked[:18])[1]
        fcntl.ioctl(handle, _SET_FLAGS, struct.pack("16sh", b"lo", flags | _UP))


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: raises before a connection or a look-up leaves the machine."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        _check(arguments[1][0])
    elif event == "socket.getaddrinfo":
        _check(arguments[0])


def _check(host: object) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if isinstance(name, str) and not is_local(name):
        raise Refused(f"this test run has no network, and something asked for {name}")


def is_local(host: str) -> bool:
    """Whether a host is this machine itself."""
    if host in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def pytest_configure() -> None:
    """Shuts the network before any test is collected."""
    if Path("/proc/self/ns/net").exists() and alone():
        wake_loopback()
    sys.addaudithook(refuse)


def pytest_report_header() -> str:
    """Says how the network was shut."""
    how = "a network namespace of its own" if alone() else "refused connection by connection (no namespace to be had)"
    return f"network: none, {how}"
