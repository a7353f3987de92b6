"""A split as a router's configuration: each carries out the rule of `assignment` by itself, and asks nobody."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal, get_args

from gatewright.live.route import envoy, kubernetes, nginx, plain
from gatewright.live.route.routing import Routing
from gatewright.problem import UsageError

__all__ = ["FORMATS", "Format", "Routing", "route"]

Format = Literal["json", "nginx", "envoy", "istio", "kserve"]
FORMATS: tuple[Format, ...] = get_args(Format)

_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
_ADDRESS = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")

_WRITERS: Mapping[Format, Callable[[Routing], str]] = {
    "json": plain.write,
    "nginx": nginx.write,
    "envoy": envoy.write,
    "istio": kubernetes.istio,
    "kserve": kubernetes.kserve,
}


def route(routing: Routing, form: Format) -> str:
    """The configuration as text; UsageError for what a router could not carry out."""
    _expect_header(routing.header)
    for address in routing.addresses.values():
        _expect_address(address)
    for name in filter(None, (routing.gateway.partition("/")[0], routing.gateway.partition("/")[2], routing.host)):
        if not _NAME.fullmatch(name):
            raise UsageError(f'"{name[:70]}" cannot be a name', "use lower-case letters, digits, dashes and dots")
    return _WRITERS[form](routing)


def _expect_header(header: str) -> None:
    if not _HEADER.fullmatch(header):
        raise UsageError(f'"{header[:70]}" cannot be a header', "use letters, digits and dashes")


def _expect_address(address: str) -> None:
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match[1]) < 65536:
        raise UsageError(f'"{address[:70]}" is no address', "write HOST:PORT")
