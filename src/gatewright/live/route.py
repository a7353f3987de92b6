"""A split as a router's configuration. All formats but plain JSON carry the rule of `assignment` out themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from gatewright.live.assignment import PARTS, Arm, bound, murmur2
from gatewright.problem import UsageError

Format = Literal["json", "nginx", "envoy", "istio", "kserve"]

#: what a router tells the version by, and what it is told the unit by
ARM_HEADER = "x-gatewright-arm"
UNIT_HEADER = "x-gatewright-unit"

_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
_ADDRESS = re.compile(r"[A-Za-z0-9.-]{1,253}:[0-9]{1,5}|\[[0-9A-Fa-f:]+\]:[0-9]{1,5}")

#: what KServe's storage initialiser fetches from
_FETCHED = ("s3", "gs", "pvc", "http", "https", "hdfs", "webhdfs", "hf", "oci")


@dataclass(frozen=True, slots=True)
class Routing:
    """Who is to be served to whom, as the registry shows it.

    challenger: None while no split runs: then everybody sees the champion. parts: the challenger's share in hundredths
    of a percent. unit: the policy's word for what traffic is split by; header: where requests carry it.
    addresses: arm → HOST:PORT, where they are known. sources: arm → where its files are.
    """

    model: str
    champion: int
    challenger: int | None = None
    parts: int = 0
    salt: str = ""
    unit: str = ""
    header: str = UNIT_HEADER
    addresses: Mapping[Arm, str] = field(default_factory=dict)
    sources: Mapping[Arm, str] = field(default_factory=dict)

    @property
    def versions(self) -> Mapping[Arm, int]:
        """Arm → version; only the champion's while no split runs."""
        both: dict[Arm, int] = {"champion": self.champion}
        return both if self.challenger is None or self.parts == 0 else {**both, "challenger": self.challenger}

    @property
    def name(self) -> str:
        """The model's name as hosts and variables may spell it; two names never share one."""
        return slug(self.model)


def slug(name: str) -> str:
    """Lower-case letters, digits and dashes, at most 40; a name that had to be changed gets a mark of its own."""
    bare = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    return bare if bare == name else f"{bare or 'model'}-{murmur2(name.encode()):08x}"


def route(routing: Routing, form: Format) -> str:
    """The configuration as text; UsageError for what a router could not carry out."""
    if not _HEADER.fullmatch(routing.header):
        raise UsageError(f'"{routing.header[:70]}" cannot be a header', "use letters, digits and dashes")
    for address in routing.addresses.values():
        if not _ADDRESS.fullmatch(address):
            raise UsageError(f'"{address[:70]}" is no address', "write HOST:PORT")
    return _FORMATS[form](routing)


def _json(routing: Routing) -> str:
    """For a serving layer of one's own: everything that `arm_of` asks for."""
    arms = [
        {
            "arm": arm,
            "version": version,
            "uri": f"models:/{routing.model}/{version}",
            "parts": _parts(routing, arm),
            **({"address": routing.addresses[arm]} if arm in routing.addresses else {}),
        }
        for arm, version in routing.versions.items()
    ]
    rule = {"function": "murmur2-32", "key": f"{routing.salt}:UNIT", "challenger_below": _bound(routing)}
    split = {"unit": routing.unit, "header": routing.header, "parts_of": PARTS, "arms": arms, "assignment": rule}
    return json.dumps({"schema": 1, "model": routing.model, **split}, indent=2) + "\n"


def _parts(routing: Routing, arm: Arm) -> int:
    challenger = routing.parts if "challenger" in routing.versions else 0
    return challenger if arm == "challenger" else PARTS - challenger


def _bound(routing: Routing) -> int:
    return bound(routing.parts) if "challenger" in routing.versions else 0


# -- nginx -------------------------------------------------------------------------------------------------------


def _nginx(routing: Routing) -> str:
    """A file to include in `http {}`; a location passes to `http://$NAME_upstream`."""
    name = routing.name.replace("-", "_")
    unit = "$http_" + routing.header.lower().replace("-", "_")
    split = f"    {routing.parts / 100:.2f}% challenger;\n" if "challenger" in routing.versions else ""
    versions = "".join(f"    {arm} {version};\n" for arm, version in routing.versions.items())
    places = "".join(f"    {arm} {name}_{arm};\n" for arm in routing.versions)
    upstreams = "".join(
        f"upstream {name}_{arm} {{\n    server {routing.addresses[arm]};\n}}\n"
        for arm in routing.versions
        if arm in routing.addresses
    )
    return (
        f"# {_comment(routing)}\n"
        f"# In a location: proxy_pass http://${name}_upstream; add_header X-Gatewright-Version ${name}_version;\n"
        f'split_clients "{routing.salt}:{unit}" ${name}_drawn {{\n{split}    * champion;\n}}\n'
        f'map {unit} ${name}_arm {{\n    "" champion;\n    default ${name}_drawn;\n}}\n'
        f"map ${name}_arm ${name}_version {{\n{versions}}}\n"
        f"map ${name}_arm ${name}_upstream {{\n{places}}}\n{upstreams}"
    )


def _comment(routing: Routing) -> str:
    """One line for people; a model's name may hold anything, and here it must not end the line."""
    arms = " · ".join(f"{arm} v{v} {_parts(routing, arm) / 100:g}%" for arm, v in routing.versions.items())
    return " ".join(f"{routing.model}: {arms}, by {routing.unit or 'nothing'}".split())


# -- Envoy, and what is made of it -------------------------------------------------------------------------------

_LUA = """\
-- 32-bit MurmurHash2 of "salt:unit", seed 0; units below the bound see the challenger.
local bit = require("bit")
local function times(a)
  local m = 0x5bd1e995
  return bit.tobit(bit.band(a, 0xffff) * m + bit.lshift(bit.tobit(bit.rshift(a, 16) * bit.band(m, 0xffff)), 16))
end
local function murmur2(key)
  local h, i, n = #key, 1, #key
  while n - i + 1 >= 4 do
    local a, b, c, d = string.byte(key, i, i + 3)
    local k = times(bit.bor(a, bit.lshift(b, 8), bit.lshift(c, 16), bit.lshift(d, 24)))
    k = times(bit.bxor(k, bit.rshift(k, 24)))
    h = bit.bxor(times(h), k)
    i = i + 4
  end
  if i <= n then
    for j = n, i, -1 do h = bit.bxor(h, bit.lshift(string.byte(key, j), 8 * (j - i))) end
    h = times(h)
  end
  h = times(bit.bxor(h, bit.rshift(h, 13)))
  h = bit.bxor(h, bit.rshift(h, 15))
  return h < 0 and h + 4294967296 or h
end
function gatewright_arm(unit)
  if unit == nil or unit == "" then return "champion" end
  return murmur2("{salt}:" .. unit) < {bound} and "challenger" or "champion"
end
function envoy_on_request(handle)
  local headers = handle:headers()
  headers:replace("{arm_header}", gatewright_arm(headers:get("{header}")))
  handle:clearRouteCache()
end
"""


def lua(routing: Routing) -> str:
    """The rule for Envoy's Lua filter, which tells the arm to the routes by a header of its own."""
    said = {"salt": routing.salt, "bound": _bound(routing), "header": routing.header.lower(), "arm_header": ARM_HEADER}
    code = _LUA
    for key, value in said.items():
        code = code.replace("{" + key + "}", str(value))
    return code


def _lua_filter(routing: Routing) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
    code = {"inline_string": lua(routing)}
    return {"name": f"gatewright.{routing.name}", "typed_config": {"@type": kind, "default_source_code": code}}


def _envoy(routing: Routing) -> str:
    """The part of an HTTP connection manager that splits: a filter before the router, and a virtual host."""
    routes = [
        {
            "match": {"prefix": "/", "headers": [{"name": ARM_HEADER, "string_match": {"exact": arm}}]},
            "route": {"cluster": f"{routing.name}-{arm}"},
            "response_headers_to_add": [_told("x-gatewright-version", str(version))],
        }
        for arm, version in routing.versions.items()
    ]
    host = {"name": routing.name, "domains": ["*"], "routes": routes}
    found: dict[str, Any] = {
        "http_filters": [_lua_filter(routing), _ROUTER],
        "route_config": {"name": routing.name, "virtual_hosts": [host]},
    }
    return _yaml(routing, found, *([{"clusters": _clusters(routing)}] if routing.addresses else []))


_ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
}


def _told(key: str, value: str) -> dict[str, Any]:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _clusters(routing: Routing) -> list[dict[str, Any]]:
    known = {arm: routing.addresses[arm] for arm in routing.versions if arm in routing.addresses}
    return [_cluster(f"{routing.name}-{arm}", address) for arm, address in known.items()]


def _cluster(name: str, address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    place = {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": place}}]}]
    assignment = {"cluster_name": name, "endpoints": endpoints}
    return {"name": name, "type": "STRICT_DNS", "connect_timeout": "1s", "load_assignment": assignment}


def _istio(routing: Routing) -> str:
    """The filter for the ingress gateway, and a virtual service; Istio's own weights would draw anew each request."""
    patch = {
        "applyTo": "HTTP_FILTER",
        "match": {
            "context": "GATEWAY",
            "listener": {"filterChain": {"filter": {"name": "envoy.filters.network.http_connection_manager"}}},
        },
        "patch": {"operation": "INSERT_BEFORE", "value": _lua_filter(routing)},
    }
    selector = {"labels": {"istio": "ingressgateway"}}
    envoy = _object("networking.istio.io/v1alpha3", "EnvoyFilter", f"{routing.name}-split")
    envoy["spec"] = {"workloadSelector": selector, "configPatches": [patch]}
    service = _object("networking.istio.io/v1", "VirtualService", routing.name)
    service["spec"] = {
        "hosts": [routing.name],
        "http": [
            {
                "match": [{"headers": {ARM_HEADER: {"exact": arm}}}],
                "route": [{"destination": {"host": f"{routing.name}-{arm}"}}],
                "headers": {"response": {"set": {"x-gatewright-version": str(version)}}},
            }
            for arm, version in routing.versions.items()
        ],
    }
    return _yaml(routing, envoy, service)


def _kserve(routing: Routing) -> str:
    """An inference service for each arm, and a Gateway API route between them by the header that the filter sets.

    KServe's canaryTrafficPercent draws anew for each request, so that one unit would see both versions.
    """
    services = [_inference(routing, arm, version) for arm, version in routing.versions.items()]
    way = _object("gateway.networking.k8s.io/v1", "HTTPRoute", routing.name)
    way["spec"] = {
        "parentRefs": [{"name": "kserve-ingress-gateway", "namespace": "kserve"}],
        "rules": [
            {
                "matches": [{"headers": [{"name": ARM_HEADER, "value": arm}]}],
                "backendRefs": [{"name": f"{routing.name}-{arm}-predictor", "port": 80}],
            }
            for arm in routing.versions
        ],
    }
    return _yaml(routing, *services, way)


def _inference(routing: Routing, arm: Arm, version: int) -> dict[str, Any]:
    source = routing.sources.get(arm, "")
    if source.partition("://")[0] not in _FETCHED:
        raise UsageError(
            f"KServe cannot fetch {routing.model}/{version} from {source or 'nowhere'}",
            f"it fetches from {', '.join(_FETCHED)}",
        )
    service = _object("serving.kserve.io/v1beta1", "InferenceService", f"{routing.name}-{arm}")
    service["metadata"]["labels"] = {"gatewright.arm": arm, "gatewright.version": str(version)}
    model = {"modelFormat": {"name": "mlflow"}, "protocolVersion": "v2", "storageUri": source}
    service["spec"] = {"predictor": {"model": model}}
    return service


def _object(version: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}


def _yaml(routing: Routing, *documents: Any) -> str:
    text = yaml.dump_all(documents, Dumper=_Blocks, sort_keys=False, allow_unicode=True, width=1000)
    return f"# {_comment(routing)}\n{text}"


class _Blocks(yaml.SafeDumper):
    """Writes text of several lines as a block, so that the filter can be read."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Blocks.add_representer(str, _text)

_FORMATS: Mapping[Format, Callable[[Routing], str]] = {
    "json": _json,
    "nginx": _nginx,
    "envoy": _envoy,
    "istio": _istio,
    "kserve": _kserve,
}
