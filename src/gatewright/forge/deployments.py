"""Deployments: promotions and rollbacks in GitHub's own history of an environment."""

from __future__ import annotations

import json
from typing import Any

from gatewright.forge import Deployment, Person, Posted
from gatewright.forge.site import Site

#: GitHub takes no longer description of a status
LONGEST = 140


def record(site: Site, me: Person, deployment: Deployment) -> Posted:
    """Writes a deployment once, and its state unless that is its latest already."""
    what = f"record the deployment to {deployment.environment}"
    found = _find(site, me, deployment, what)
    made = found or site.rest.create(lambda: _create(site, deployment, what), lambda: _find(site, me, deployment, what))
    path = (*site.path, "deployments", str(made["id"]), "statuses")
    # GitHub lists the newest first, and a new deployment has none.
    latest = site.rest.pages(what, *path) if found else None
    if not latest or latest[0]["state"] != deployment.state:
        # Twice the same status is as good as once.
        site.rest.send(what, "POST", *path, body=_status(deployment))
    return Posted(int(made["id"]), str(made["url"]))


def _find(site: Site, me: Person, deployment: Deployment, what: str) -> dict[str, Any] | None:
    wanted = {"ref": deployment.ref, "task": deployment.task, "environment": deployment.environment}
    listed = site.rest.pages(what, *site.path, "deployments", **wanted)
    ours = (d for d in listed or () if (d["creator"] or {}).get("id") == me.id)
    return next((d for d in ours if _payload(d).get("key") == deployment.key), None)


def _create(site: Site, deployment: Deployment, what: str) -> dict[str, Any]:
    body = {
        "ref": deployment.ref,
        "task": deployment.task,
        "environment": deployment.environment,
        "description": _short(deployment.description),
        "payload": {**deployment.payload, "key": deployment.key},
        # GitHub would else merge the default branch into the ref, or wait for its checks.
        "auto_merge": False,
        "required_contexts": [],
    }
    made: dict[str, Any] = site.rest.send(what, "POST", *site.path, "deployments", body=body, repeatable=False)
    return made


def _status(deployment: Deployment) -> dict[str, Any]:
    body = {"state": deployment.state, "description": _short(deployment.description)}
    return body | ({"log_url": deployment.url} if deployment.url else {})


def _payload(told: dict[str, Any]) -> dict[str, Any]:
    payload = told["payload"]
    if isinstance(payload, str):
        try:
            payload = json.loads(payload)
        except ValueError:
            return {}
    return payload if isinstance(payload, dict) else {}


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
