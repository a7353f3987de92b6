"""Who runs a command, and who may be asked about others: what the environment of a command line can tell."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from contextlib import suppress

from gatewright.action.audience import ThreadAudience
from gatewright.action.job import actor as of_workflow
from gatewright.forge import Forge
from gatewright.forge.github import API, GitHubForge
from gatewright.ledger.entry import Actor
from gatewright.problem import Undetermined


def forge(environment: Mapping[str, str]) -> Forge | None:
    """GitHub, for looking people up: where there is a token, and a repository for it to speak of; else None."""
    token = environment.get("GITHUB_TOKEN") or environment.get("GH_TOKEN") or ""
    repository = environment.get("GITHUB_REPOSITORY", "")
    if not token or not repository:
        return None
    return GitHubForge(
        repository,
        token,
        api_url=environment.get("GITHUB_API_URL") or API,
        graphql_url=environment.get("GITHUB_GRAPHQL_URL", ""),
    )


def audience(site: Forge | None) -> ThreadAudience | None:
    """Those whose memberships can be asked for; of what they said, the ledger alone tells."""
    return ThreadAudience(site, 0) if site else None


def actor(environment: Mapping[str, str], site: Forge | None = None) -> Actor:
    """Who runs the command: whoever set off the workflow, the account whose token it is, or the user of the machine.

    site: asked whose the token is, unless the workflow tells; an app's token is no person's. Where it cannot be asked,
    the machine's user is all that is known.
    """
    if environment.get("GITHUB_ACTIONS") == "true" and environment.get("GITHUB_ACTOR"):
        return of_workflow(environment)
    with suppress(Undetermined):
        account = site.viewer() if site else None
        if account is not None and account.human:
            return Actor(account.login, account.id, "github")
    try:
        return Actor(getpass.getuser())
    except (OSError, KeyError):
        return Actor("unknown")
