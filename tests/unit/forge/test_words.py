"""What servers say is shown only once it is fit to be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.forge.marker import bears, marked, marker, same
from gatewright.forge.words import innermost, permissions, plain


@pytest.mark.parametrize(
    "secret",
    [
        "ghs_0123456789abcdefABCDEF0123456789abcd",
        "github_pat_11ABCDEFG0123456789_abcdefghijklmnop",
        "Bearer abcdefghijklmnopqrstuvwx",
        "token 0123456789abcdef0123456789abcdef01234567",
    ],
)
def test_what_looks_like_a_credential_is_not_shown(secret: str) -> None:
    """Also one that is not our own."""
    assert secret.split()[-1] not in plain(f"refused: {secret}, sorry")


def test_our_own_secret_is_not_shown_whatever_it_looks_like() -> None:
    """A server of one's own may have tokens of any form."""
    assert plain("no: tööken", ["tööken"]) == "no: ***"


def test_one_line_without_pages_logins_and_control_characters() -> None:
    """What is shown stands in a table, a log or a comment."""
    text = "bad\r\n::error::gateway\x1b[31m at https://me:pw@host/x \u202e<!doctype html><p>much"
    assert plain(text) == "bad ::error::gateway [31m at https://host/x a web page"
    assert len(plain("x" * 1000)) == 300


def test_the_reason_stands_inside_the_layers() -> None:
    """HTTP libraries wrap a refused connection three times."""
    text = "HTTPConnectionPool(host='h', port=1): Max retries (Caused by NewConnectionError('<x at 0x1>: refused'))"
    assert innermost(text) == "refused"
    assert innermost("plain") == "plain"


def test_permissions_are_told_as_a_workflow_writes_them() -> None:
    """GitHub's header lists alternatives; the first will do."""
    assert permissions("issues=write; pull_requests=write") == "issues: write"
    assert permissions("contents=read,pull_requests=write") == "contents: read, pull-requests: write"
    assert permissions("") == ""


@given(st.text(), st.text())
def test_different_keys_have_different_markers(one: str, other: str) -> None:
    """And none ends before its end."""
    try:
        shown, others = marker(one), marker(other)
    except UnicodeEncodeError:
        return
    assert (shown == others) == (one == other)
    assert "--" not in shown[4:-3] and ">" not in shown[:-1] and "\n" not in shown


@given(st.text(alphabet=st.characters(codec="utf-8")), st.text())
def test_a_marked_body_bears_its_marker_and_no_other(key: str, body: str) -> None:
    """Line ends of either kind, as GitHub stores them."""
    assert bears(key, marked(key, body)) and bears(key, marked(key, body).replace("\n", "\r\n"))
    assert not bears(key + "x", marked(key, body))
    assert not bears(key, None) and not bears(key, f"> {marked(key, body)}")


def test_line_ends_make_no_difference() -> None:
    """GitHub's form sends both characters."""
    assert same("a\r\nb\n", "a\nb") and not same("a b", "a\nb") and not same(None, "a")
