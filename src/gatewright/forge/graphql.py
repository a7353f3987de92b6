"""GitHub's GraphQL interface, for queries that only read."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from gatewright.forge.rest import Answer, Refusal, Request, Rest
from gatewright.forge.retry import UNSAID, Again
from gatewright.problem import Undetermined

_GRANT = (
    "Give the token the permission to read this; in a workflow: "
    "`permissions: {contents: read, issues: read, pull-requests: read}`."
)


class NoGraphQL(Exception):
    """The server has no GraphQL, or an older one that does not know a field: REST has to do."""


class GraphQL:
    """The GraphQL address that belongs to a REST address."""

    def __init__(self, rest: Rest, url: str = "") -> None:
        self._rest, self._url = rest, url or address_beside(rest.api_url)
        self._absent = False

    def ask(self, what: str, query: str, **variables: Any) -> dict[str, Any]:
        """The data that answers a query; what does not exist is None in it. Undetermined for anything incomplete."""
        if self._absent:
            raise NoGraphQL
        body = {"query": query, "variables": variables}
        answer = self._rest.answer(Request(what, "POST", self._url, body=body, inspect=_complete))
        if answer.status in (404, 405, 501):
            self._absent = True
            raise NoGraphQL
        told = self._rest.expect(what, answer).json()
        for error in told.get("errors") or ():
            self._judge(what, error)
        data: dict[str, Any] | None = told.get("data")
        if data is None:
            raise Undetermined(f"could not {what}", "GitHub's answer has no data", "Try again in a moment.")
        return data

    def _judge(self, what: str, error: dict[str, Any]) -> None:
        """Only "not found" may stand in an answer that is used."""
        if (error.get("extensions") or {}).get("code") in ("undefinedField", "undefinedType"):
            self._absent = True
            raise NoGraphQL
        if error.get("type") != "NOT_FOUND":
            said = self._rest.said(str(error.get("message", "no reason given"))).rstrip(".")
            if error.get("type") in ("FORBIDDEN", "INSUFFICIENT_SCOPES"):
                raise Refusal(f"could not {what}", f"GitHub answers: {said}", _GRANT)
            raise Undetermined(f"could not {what}", f"GitHub answers: {said}", "Try again in a moment.")


def address_beside(api_url: str) -> str:
    """Where GraphQL is, next to REST: `/api/graphql` beside `/api/v3` on a server of one's own."""
    parts = urlsplit(api_url)
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path.removesuffix('/v3')}/graphql"


def _complete(answer: Answer) -> None:
    """Raises Again for the errors that GitHub sends with status 200 when it is busy."""
    told = answer.json() if answer.status == 200 else None
    for error in (told.get("errors") or ()) if isinstance(told, dict) else ():
        message = str(error.get("message", ""))
        if error.get("type") == "RATE_LIMITED":
            raise Again(
                f"GitHub limits this token: {message}", "Run it again later.", least=UNSAID, reason="rate_limited"
            )
        if message.startswith("Something went wrong") or "timeout" in message.lower():
            raise Again(f"GitHub fails: {message[:120]}", "Try again in a moment; nothing was decided.")
