"""The stand-in holds its clients, and itself, to GitHub's published description."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from real.github.description import published
from real.github.server import BAD_GATEWAY, Breaks, GitHub
from real.github.world import World

AS = {"Authorization": "Bearer ghs_workflow0000000000"}
REPO = "repos/acme/models"


@pytest.fixture
def github() -> Iterator[GitHub]:
    """A server with one pull request."""
    with GitHub(World()) as server:
        server.world.pull("anna")
        yield server


def ask(github: GitHub, method: str, path: str, **given: Any) -> requests.Response:
    """One request as the workflow."""
    return requests.request(method, f"{github.api_url}/{path}", timeout=10, headers=AS, **given)


@pytest.mark.parametrize(
    ("method", "path", "given", "fault"),
    [
        ("GET", f"{REPO}/branches", {}, "no such operation"),
        ("GET", f"{REPO}/issues", {"params": {"colour": "red"}}, "no query parameter is called colour"),
        ("GET", f"{REPO}/issues", {"params": {"state": "ajar"}}, "'ajar' is not one of"),
        ("POST", f"{REPO}/issues/1/comments", {"json": {"text": "x"}}, "'body' is a required property"),
        ("POST", f"{REPO}/check-runs", {"json": {"name": "x"}}, "'head_sha' is a required property"),
        ("POST", f"{REPO}/issues/comments/1/reactions", {"json": {"content": "shrug"}}, "'shrug' is not one of"),
    ],
)
def test_a_request_that_github_would_refuse_is_refused(
    github: GitHub, method: str, path: str, given: dict[str, Any], fault: str
) -> None:
    """And is remembered, so that a client which ignores the refusal fails its test."""
    assert ask(github, method, path, **given).status_code in (404, 422)
    assert any(fault in violation for violation in github.violations)


def test_an_answer_that_github_would_not_give_is_noticed() -> None:
    """The examples are checked after they were filled, so the stand-in cannot drift away either."""
    found = published().find("GET", "/repos/acme/models/issues/comments/1")
    assert found is not None
    good = published().example(found[0].key, 200)
    assert published().response_faults(found[0], 200, good) == []
    assert published().response_faults(found[0], 200, {**good, "id": "1"}) == [
        "answer.id: '1' is not of type 'integer'"
    ]
    assert published().response_faults(found[0], 302, None) == ["status 302 is not described"]


def test_graphql_knows_no_more_than_github_publishes(github: GitHub) -> None:
    """A field that does not exist, or that needs an alias, is found out here and not in production."""
    asked = {"query": '{ repository(owner: "acme", name: "models") { stars } }'}
    answer = requests.post(github.graphql_url, json=asked, headers=AS, timeout=10).json()
    assert answer["errors"][0]["extensions"] == {"code": "undefinedField"}


def test_lists_come_in_pages(github: GitHub) -> None:
    """Thirty by default, a hundred at most asked for, and a link while there is more."""
    for n in range(31):
        github.world.comment(1, "bert", str(n))
    first = ask(github, "GET", f"{REPO}/issues/1/comments")
    second = ask(github, "GET", f"{REPO}/issues/1/comments", params={"page": 2})
    assert (len(first.json()), 'rel="next"' in first.headers["Link"]) == (30, True)
    assert (len(second.json()), "Link" in second.headers) == (1, False)
    assert github.violations == []


def test_a_token_that_nobody_gave_opens_nothing(github: GitHub) -> None:
    """As does none."""
    for headers in ({}, {"Authorization": "Bearer x"}):
        assert requests.get(f"{github.api_url}/{REPO}", headers=headers, timeout=10).status_code == 401


def test_a_fault_strikes_as_often_as_it_says(github: GitHub) -> None:
    """Twice, then GitHub is back; other requests are not concerned."""
    github.fault(BAD_GATEWAY, on="/issues", times=2)
    assert ask(github, "GET", REPO).status_code == 200
    assert [ask(github, "GET", f"{REPO}/issues").status_code for _ in range(3)] == [502, 502, 200]


@pytest.mark.parametrize(("fault", "comments"), [(Breaks(), 0), (Breaks(after=True), 1), (Breaks(half=True), 1)])
def test_a_broken_connection_tells_nothing_of_what_was_done(github: GitHub, fault: Breaks, comments: int) -> None:
    """Before, after, and in the middle of the answer."""
    github.fault(fault, on="POST")
    with pytest.raises(requests.RequestException):
        ask(github, "POST", f"{REPO}/issues/1/comments", json={"body": "x"})
    assert len(github.world.repository.threads[1].comments) == comments
