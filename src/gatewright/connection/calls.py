"""The calls of MLflow's REST interface that are needed, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """How a call is sent. repeatable: sending it twice does what sending it once does."""

    method: str
    route: str
    repeatable: bool = True

    @property
    def registry(self) -> bool:
        return self.route.startswith(("registered-models/", "model-versions/"))

    def path(self, fields: Mapping[str, Any]) -> str:
        """The route; a logged model is named in it."""
        return self.route.format(**fields) if "{" in self.route else self.route


def _calls(method: str, *routes: str, repeatable: bool = True) -> dict[str, Call]:
    return {route: Call(method, route, repeatable) for route in routes}


CALLS: Mapping[str, Call] = {
    **_calls(
        "GET",
        "registered-models/get",
        "registered-models/search",
        "model-versions/search",
        "model-versions/get-download-uri",
        "runs/get",
        "experiments/get-by-name",
    ),
    "logged-models/get": Call("GET", "logged-models/{model_id}"),
    **_calls(
        "POST",
        "registered-models/create",
        "registered-models/alias",
        "model-versions/transition-stage",
        "model-versions/set-tag",
        "experiments/search",
        "experiments/create",
        "experiments/update",
        "experiments/delete",
        "experiments/set-experiment-tag",
        "runs/search",
        "runs/log-parameter",
        "runs/set-tag",
    ),
    # Named apart from the calls of the same route, or of the same kind, that write.
    "registered-models/delete-alias": Call("DELETE", "registered-models/alias"),
    "model-versions/delete-tag": Call("DELETE", "model-versions/delete-tag"),
    **_calls("POST", "runs/create", "model-versions/create", repeatable=False),
}
