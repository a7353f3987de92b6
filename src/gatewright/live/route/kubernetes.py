"""Istio and KServe: the weights of both draw anew for each request, so that the arm comes from Envoy's filter here."""

from __future__ import annotations

from typing import Any

from gatewright.live.assignment import Arm
from gatewright.live.route.envoy import cluster, documents, lua, lua_filter
from gatewright.live.route.routing import ARM_HEADER, VERSION_HEADER, Routing
from gatewright.problem import UsageError

#: what KServe's storage initialiser fetches from
_FETCHED = ("s3", "gs", "pvc", "http", "https", "hdfs", "webhdfs", "hf", "oci")

#: where KServe's own installation puts its gateway
_KSERVE_GATEWAY = "kserve/kserve-ingress-gateway"

_GATEWAY_API = "gateway.networking.k8s.io"


def istio(routing: Routing) -> str:
    """An EnvoyFilter of the ingress gateway, and a VirtualService that routes by what the filter says."""
    if not routing.gateway:
        raise UsageError("Istio needs to know the gateway that traffic enters by", "add --gateway NAMESPACE/NAME")
    manager = {"filterChain": {"filter": {"name": "envoy.filters.network.http_connection_manager"}}}
    patch = {
        "applyTo": "HTTP_FILTER",
        "match": {"context": "GATEWAY", "listener": manager},
        "patch": {"operation": "INSERT_FIRST", "value": lua_filter(routing)},
    }
    split = _object("networking.istio.io/v1alpha3", "EnvoyFilter", f"{routing.name}-split")
    split["spec"] = {"workloadSelector": {"labels": {"istio": "ingressgateway"}}, "configPatches": [patch]}
    # An EnvoyFilter selects among the pods of its own namespace, which are the gateway's.
    split["metadata"]["namespace"] = routing.gateway.partition("/")[0]
    service = _object("networking.istio.io/v1", "VirtualService", routing.name)
    service["spec"] = {
        "hosts": [routing.host or routing.name],
        "gateways": [routing.gateway],
        "http": [_istio_route(routing, arm) for arm in reversed(routing.arms)],
    }
    return documents(routing, split, service)


def _istio_route(routing: Routing, arm: Arm) -> dict[str, Any]:
    asked = {"match": [{"headers": {ARM_HEADER: {"exact": arm}}}]} if arm == "challenger" else {}
    return {
        "name": arm,
        **asked,
        "route": [{"destination": {"host": cluster(routing, arm)}}],
        "headers": {"response": {"set": {VERSION_HEADER: str(routing.versions[arm])}}},
    }


def kserve(routing: Routing) -> str:
    """An InferenceService for each arm, an HTTPRoute between them, and the filter as Envoy Gateway takes it.

    For KServe's Standard mode with the Gateway API.
    """
    services = [_inference(routing, arm) for arm in routing.arms]
    namespace, _, gateway = (routing.gateway or _KSERVE_GATEWAY).partition("/")
    way = _object(f"{_GATEWAY_API}/v1", "HTTPRoute", routing.name)
    way["spec"] = {
        "parentRefs": [{"name": gateway, "namespace": namespace}],
        "hostnames": [routing.host],
        "rules": [_rule(routing, arm) for arm in reversed(routing.arms)],
    }
    if not routing.host:
        del way["spec"]["hostnames"]
    split = _object("gateway.envoyproxy.io/v1alpha1", "EnvoyExtensionPolicy", f"{routing.name}-split")
    split["spec"] = {
        "targetRefs": [{"group": _GATEWAY_API, "kind": "HTTPRoute", "name": routing.name}],
        "lua": [{"type": "Inline", "inline": lua(routing)}],
    }
    return documents(routing, *services, way, split)


def _rule(routing: Routing, arm: Arm) -> dict[str, Any]:
    asked = {"matches": [{"headers": [{"name": ARM_HEADER, "value": arm}]}]} if arm == "challenger" else {}
    told = {"set": [{"name": VERSION_HEADER, "value": str(routing.versions[arm])}]}
    return {
        **asked,
        "filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier": told}],
        "backendRefs": [{"name": f"{cluster(routing, arm)}-predictor", "port": 80}],
    }


def _inference(routing: Routing, arm: Arm) -> dict[str, Any]:
    source = routing.sources.get(arm, "")
    if source.partition("://")[0] not in _FETCHED:
        raise UsageError(
            f"KServe cannot fetch {routing.model}/{routing.versions[arm]} from {source or 'nowhere'}",
            f"it fetches from {', '.join(_FETCHED)}",
        )
    service = _object("serving.kserve.io/v1beta1", "InferenceService", cluster(routing, arm))
    service["metadata"]["labels"] = {"gatewright.arm": arm, "gatewright.version": str(routing.versions[arm])}
    model = {"modelFormat": {"name": "mlflow"}, "protocolVersion": "v2", "storageUri": source}
    service["spec"] = {"predictor": {"model": model}}
    return service


def _object(version: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}
