"""A split as every router's configuration: valid, of one mind, and closed to what a model may be called."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gatewright.live.assignment import PARTS, bound
from gatewright.live.route import FORMATS, Format, Routing, route
from gatewright.live.route.routing import slug
from gatewright.problem import UsageError
from real.kubernetes import faults

SALT = "5f2b8c7d9e0a1b3c"
FRAUD = Routing(
    "fraud",
    12,
    13,
    1225,
    SALT,
    "account",
    "X-Account",
    {"champion": "10.0.0.1:8080", "challenger": "[fd00::2]:8080"},
    {"champion": "s3://models/12", "challenger": "s3://models/13"},
    "models.acme.com",
    "istio-system/public",
)
ENDED = replace(FRAUD, challenger=None, parts=0)


def documents(routing: Routing, form: Format) -> list[dict[str, Any]]:
    """What a format's YAML holds."""
    return list(yaml.safe_load_all(route(routing, form)))


@pytest.mark.parametrize(
    "routing", [FRAUD, ENDED, replace(FRAUD, host="", gateway="a/b")], ids=["split", "ended", "bare"]
)
@pytest.mark.parametrize("form", ["istio", "kserve"])
def test_kubernetes_would_take_every_object(form: Format, routing: Routing) -> None:
    """By the published descriptions, with no field that they do not know."""
    for document in documents(routing, form):
        assert faults(document) == [], document["kind"]


def test_the_descriptions_find_what_is_wrong() -> None:
    """A field that is misspelt, a type that is another."""
    filter_, service = documents(FRAUD, "istio")
    filter_["spec"]["configPatches"][0]["aplyTo"] = "HTTP_FILTER"
    service["spec"]["hosts"] = "models.acme.com"
    assert len(faults(filter_)) == 1 and len(faults(service)) == 1


def test_every_router_draws_the_same_units() -> None:
    """One salt and one bound: nginx's as a percentage, that of the others as a number."""
    assert f'split_clients "{SALT}:$http_x_account"' in route(FRAUD, "nginx")
    assert "12.25% challenger;" in route(FRAUD, "nginx")
    for form in ("envoy", "istio", "kserve"):
        text = route(FRAUD, form)
        assert f'murmur2("{SALT}:" .. unit) < {bound(1225)}' in text
        assert 'headers:get("x-account")' in text
    assert json.loads(route(FRAUD, "json"))["assignment"] == {
        "function": "murmur2-32",
        "seed": 0,
        "key": f"{SALT}:UNIT",
        "challenger_below": bound(1225),
    }


def test_json_tells_a_serving_layer_everything() -> None:
    """Both arms with version, URI, share and address."""
    said = json.loads(route(FRAUD, "json"))
    assert (said["schema"], said["model"], said["unit"], said["header"]) == (1, "fraud", "account", "X-Account")
    assert said["arms"] == [
        {"arm": "champion", "version": 12, "uri": "models:/fraud/12", "parts": 8775, "address": "10.0.0.1:8080"},
        {"arm": "challenger", "version": 13, "uri": "models:/fraud/13", "parts": 1225, "address": "[fd00::2]:8080"},
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_after_the_end_no_router_knows_a_challenger(form: Format) -> None:
    """Not its version, not its address, not where its files are."""
    text = route(ENDED, form)
    code = "\n".join(line for line in text.splitlines() if "local arm" not in line and "arm = " not in line)
    assert "fd00" not in text and "models/13" not in text and "v13" not in text
    assert ('"challenger"' in code, "challenger;" in code, "-challenger" in code) == (False, False, False)


@pytest.mark.parametrize("form", ["istio", "kserve", "envoy"])
def test_without_the_filter_everybody_sees_the_champion(form: Format) -> None:
    """The champion's route comes last and asks for nothing, so that a filter that is missing loses no request."""
    (routes,) = [r for d in documents(FRAUD, form) if (r := _routes(d)) is not None]
    assert "challenger" in str(routes[0]) and "x-gatewright-arm" in str(routes[0])
    assert "challenger" not in str(routes[-1]) and "x-gatewright-arm" not in str(routes[-1])


def _routes(document: dict[str, Any]) -> Any:
    if "route_config" in document:
        return document["route_config"]["virtual_hosts"][0]["routes"]
    spec = document.get("spec", {})
    return spec.get("http") or spec.get("rules")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"header": "X Account"}, "cannot be a header"),
        ({"header": 'x"; return 500; #'}, "cannot be a header"),
        ({"addresses": {"champion": "10.0.0.1"}}, "no address"),
        ({"addresses": {"champion": "10.0.0.1:99999"}}, "no address"),
        ({"addresses": {"champion": "a;b:80"}}, "no address"),
        ({"host": "models acme"}, "cannot be a name"),
        ({"gateway": "istio-system/a\nb"}, "cannot be a name"),
    ],
)
@pytest.mark.parametrize("form", FORMATS)
def test_what_a_router_cannot_take_is_an_error(form: Format, change: dict[str, Any], why: str) -> None:
    """Before a line is written; what is quoted nowhere can break out of nothing."""
    with pytest.raises(UsageError, match=why):
        route(replace(FRAUD, **change), form)


def test_istio_asks_for_the_gateway_that_it_cannot_guess() -> None:
    """A virtual service without one would see traffic inside the mesh alone."""
    with pytest.raises(UsageError, match="gateway"):
        route(replace(FRAUD, gateway=""), "istio")


@pytest.mark.parametrize("source", ["", "dbfs:/models/13", "mlflow-artifacts:/1/models/m-1", "/models/13"])
def test_kserve_says_what_it_cannot_fetch(source: str) -> None:
    """An InferenceService that never becomes ready would be found out by nobody."""
    sources = {"champion": "s3://models/12", "challenger": source}
    with pytest.raises(UsageError, match="KServe cannot fetch fraud/13"):
        route(replace(FRAUD, sources=sources), "kserve")  # type: ignore[arg-type]


@given(st.text(min_size=1, max_size=80), st.integers(1, PARTS - 1), st.sampled_from(FORMATS))
def test_no_name_breaks_out_of_its_place(model: str, parts: int, form: Format) -> None:
    """Whatever a model is called, as many objects with the same keys come out, and a comment stays one line."""
    text = route(replace(FRAUD, model=model, parts=parts), form)
    if form == "json":
        assert json.loads(text)["model"] == model
        return
    plain = route(replace(FRAUD, parts=parts), form)
    assert len(text.splitlines()) == len(plain.splitlines())
    if form != "nginx":
        assert [list(d) for d in yaml.safe_load_all(text)] == [list(d) for d in yaml.safe_load_all(plain)]


@given(st.lists(st.text(min_size=1, max_size=60), min_size=2, max_size=20, unique=True))
def test_names_are_labels_and_two_models_never_share_one(models: list[str]) -> None:
    """Of 32 bits of a mark, and the letters that could be kept."""
    slugs = [slug(model) for model in models]
    assert len(set(slugs)) == len(models)
    for name in slugs:
        assert len(name) <= 26 and name[0].isalpha() and name[-1].isalnum()
        assert all(c.isascii() and (c.isalnum() or c == "-") and c == c.lower() for c in name)
