"""Envoy: a Lua filter computes the arm and tells the routes by a header of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from gatewright.live.assignment import Arm
from gatewright.live.route.routing import ARM_HEADER, VERSION_HEADER, Routing

# Arithmetic alone, on whole numbers below 2^53: no library of bits is the same in LuaJIT, Lua 5.4 and gopher-lua.
_LUA = """\
-- The 32-bit MurmurHash2 of "salt:unit" with seed 0: units below the bound see the challenger.
local XOR = {}
for a = 0, 15 do
  for b = 0, 15 do
    local x, y, bit, sum = a, b, 1, 0
    for _ = 1, 4 do
      if x % 2 ~= y % 2 then sum = sum + bit end
      x, y, bit = (x - x % 2) / 2, (y - y % 2) / 2, bit * 2
    end
    XOR[a * 16 + b] = sum
  end
end
local function xor(a, b)
  local place, sum = 1, 0
  for _ = 1, 8 do
    local x, y = a % 16, b % 16
    sum = sum + XOR[x * 16 + y] * place
    a, b, place = (a - x) / 16, (b - y) / 16, place * 16
  end
  return sum
end
local function shifted(a, power)
  return (a - a % power) / power
end
local function times(a)
  local low = a % 65536
  return (low * 1540483477 + (a - low) / 65536 * 1540483477 % 65536 * 65536) % 4294967296
end
local function murmur2(key)
  local h, i = #key, 1
  while #key - i >= 3 do
    local a, b, c, d = string.byte(key, i, i + 3)
    local k = times(a + b * 256 + c * 65536 + d * 16777216)
    h = xor(times(h), times(xor(k, shifted(k, 16777216))))
    i = i + 4
  end
  if i <= #key then
    local tail = 0
    for j = #key, i, -1 do tail = tail * 256 + string.byte(key, j) end
    h = times(xor(h, tail))
  end
  h = times(xor(h, shifted(h, 8192)))
  return xor(h, shifted(h, 32768))
end
function envoy_on_request(handle)
  local headers = handle:headers()
  local unit = headers:get("{header}")
  local arm = "champion"
  if unit ~= nil and unit ~= "" and murmur2("{salt}:" .. unit) < {below} then arm = "challenger" end
  headers:replace("{arm_header}", arm)
  handle:clearRouteCache()
end
"""

_ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
}


def write(routing: Routing) -> str:
    """The parts of a configuration that split: filters and routes of an HTTP connection manager, and clusters."""
    # The champion comes last and asks for no header: without the filter everybody sees what has proved itself.
    routes = [_route(routing, arm) for arm in reversed(routing.arms)]
    host = {"name": routing.name, "domains": [routing.host or "*"], "routes": routes}
    parts: dict[str, Any] = {
        "http_filters": [lua_filter(routing), _ROUTER],
        "route_config": {"name": routing.name, "virtual_hosts": [host]},
    }
    clusters = [_cluster(cluster(routing, a), routing.addresses[a]) for a in routing.arms if a in routing.addresses]
    return documents(routing, {**parts, "clusters": clusters} if clusters else parts)


def lua(routing: Routing) -> str:
    """The rule, for any filter that runs Lua."""
    said = {"salt": routing.salt, "below": routing.below, "header": routing.header.lower(), "arm_header": ARM_HEADER}
    code = _LUA
    for key, value in said.items():
        code = code.replace("{" + key + "}", str(value))
    return code


def lua_filter(routing: Routing) -> dict[str, Any]:
    """An HTTP filter of Envoy."""
    kind = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
    code = {"inline_string": lua(routing)}
    return {"name": f"gatewright.{routing.name}", "typed_config": {"@type": kind, "default_source_code": code}}


def cluster(routing: Routing, arm: Arm) -> str:
    """What an arm's servers are called."""
    return f"{routing.name}-{arm}"


def _route(routing: Routing, arm: Arm) -> dict[str, Any]:
    asked = {"headers": [{"name": ARM_HEADER, "string_match": {"exact": arm}}]} if arm == "challenger" else {}
    told = {"key": VERSION_HEADER, "value": str(routing.versions[arm])}
    return {
        "match": {"prefix": "/", **asked},
        "route": {"cluster": cluster(routing, arm)},
        "response_headers_to_add": [{"header": told, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
    }


def _cluster(name: str, address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    place = {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": place}}]}]
    assignment = {"cluster_name": name, "endpoints": endpoints}
    return {"name": name, "type": "STRICT_DNS", "connect_timeout": "1s", "load_assignment": assignment}


# -- YAML --------------------------------------------------------------------------------------------------------


def documents(routing: Routing, *each: Mapping[str, Any]) -> str:
    """YAML documents under a line that says what they are about."""
    text = yaml.dump_all(each, Dumper=_Blocks, sort_keys=False, allow_unicode=True, width=1000)
    return f"# {routing.about}\n{text}"


class _Blocks(yaml.SafeDumper):
    """Writes text of several lines as a block, so that the filter can be read, and nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Blocks.add_representer(str, _text)
