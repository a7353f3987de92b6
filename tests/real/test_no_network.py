"""The plugin that shuts the network lets this machine through, and nobody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from real.no_network import Refused, is_local, refuse


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", ""])
def test_this_machine_is_local(host: str) -> None:
    """Tests may talk to servers of their own."""
    assert is_local(host)
    refuse("socket.connect", (None, (host, 80)))


@given(
    st.ip_addresses().filter(lambda a: not a.is_loopback).map(str) | st.from_regex(r"[a-z]+\.example", fullmatch=True)
)
def test_every_other_host_is_refused(host: str) -> None:
    """By address or by name, on connecting or on looking it up."""
    with pytest.raises(Refused, match="no network"):
        refuse("socket.connect", (None, (host, 443)))
    with pytest.raises(Refused, match="no network"):
        refuse("socket.getaddrinfo", (host, 443, 0, 0, 0))


def test_a_unix_socket_is_no_network() -> None:
    """Its address is a path, not a host."""
    refuse("socket.connect", (None, "/run/some.sock"))


def test_other_events_are_nobodys_business() -> None:
    """The hook sees everything that Python audits."""
    refuse("open", ("192.0.2.1", "r", 0))
