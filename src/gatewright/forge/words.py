"""What a server said, made fit to be shown: one line, no secret, no page."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_PAGE = re.compile(r"(?is)<(!doctype|html|head|body)\b.*")
_LOGIN_IN_URL = re.compile(r"(?<=://)[^/\s@'\"]+@")
_CREDENTIAL = re.compile(r"(?i)\b(bearer|token|basic)\s+[\w+/=.~-]{16,}|\bgh[a-z]_\w{16,}|\bgithub_pat_\w{16,}")
_WRAPPED = re.compile(r"(?s)^.*Caused by \w+\((?P<why>.*?)\)+$")
_LAYER = re.compile(r"^['\"]|['\"]$|<[^>]*>: |\bHTTPS?Connection(Pool)?\([^)]*\): ")


def plain(text: str, secrets: Iterable[str] = (), longest: int = 300) -> str:
    """One line without control characters, pages, logins and credentials, the given secrets among them."""
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "***")
    text = _PAGE.sub("a web page", text[:20000])
    text = _CREDENTIAL.sub("***", _LOGIN_IN_URL.sub("", text))
    text = _CONTROL.sub(" ", text).strip()
    return text if len(text) <= longest else text[: longest - 1] + "…"


def innermost(text: str) -> str:
    """The reason alone, out of the addresses and layers that HTTP libraries wrap it in."""
    found = _WRAPPED.match(text)
    return _LAYER.sub("", found["why"] if found else text)


def permissions(header: str) -> str:
    """GitHub's list of what would have sufficed (`issues=write; checks=write`), as a workflow writes it.

    Only the first alternative is named: either one does.
    """
    first = header.split(";")[0].strip()
    wanted = [pair.strip().replace("_", "-").replace("=", ": ") for pair in first.split(",") if "=" in pair]
    return ", ".join(wanted)
