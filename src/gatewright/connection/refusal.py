"""What a server or a store would not do, and how to say so without giving a secret away."""

from __future__ import annotations

import os
import re
import traceback
from pathlib import Path

from gatewright.problem import GatewrightError, Undetermined

_SECRET_VARIABLES = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_LOGIN_IN_URL = re.compile(r"(?<=://)[^/\s@'\"]+@")
_QUERY_IN_URL = re.compile(r"(?<=\S)\?[^\s'\")>]*=[^\s'\")>]*")
_AUTHORIZATION = re.compile(r"(?i)\b(basic|bearer)\s+[a-z0-9+/=._~-]{8,}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_CAUSED = re.compile(r"Caused by \w+\((?P<why>.*?)\)*$", re.DOTALL)
_LAYER = re.compile(r"^['\"]|['\"]$|<[^>]*>: |\bHTTPS?Connection(Pool)?\([^)]*\): ")
_PAGE = re.compile(r"(?is)<(!doctype|html|head|body)\b.*")


class Refused(Exception):
    """A call that did not succeed.

    kind: one of the connection's words for it. fix: replaces the usual remedy.
    """

    def __init__(self, kind: str, text: str, fix: str = "") -> None:
        self.kind, self.text, self.fix = kind, text, fix
        super().__init__(text)


def innermost(text: str) -> str:
    """The reason alone, out of the addresses and layers that HTTP libraries wrap it in."""
    text = text.partition("[SQL:")[0]
    caused = _CAUSED.search(text)
    return _LAYER.sub("", caused["why"]) if caused else text


def clean(text: str, longest: int = 300) -> str:
    """One line of text that is safe to show: no secrets, no control characters, no pages, not long."""
    for name in _SECRET_VARIABLES:
        secret = os.environ.get(name, "")
        if len(secret) >= 4:
            text = text.replace(secret, "***")
    text = _PAGE.sub("a web page", text[:20000])
    text = _AUTHORIZATION.sub(r"\1 ***", _QUERY_IN_URL.sub("", _LOGIN_IN_URL.sub("", text)))
    text = " ".join(_CONTROL.sub(" ", text).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def address_of(uri: str) -> str:
    """A URI without login, query and fragment."""
    return clean(re.sub(r"[?#].*", "", uri, flags=re.DOTALL))


def ending(error: Exception) -> GatewrightError:
    """The error that ends a command. One that no part of the gate expected is a defect, and no verdict about a model.

    Of its trace the places alone are told, of the message what is safe to show: a stranger may have written it.
    """
    if isinstance(error, GatewrightError):
        return error
    places = reversed(traceback.extract_tb(error.__traceback__)[-4:])
    at = " < ".join(f"{Path(p.filename).name}:{p.lineno}" for p in places)
    return Undetermined(
        "the command came to an unforeseen end",
        f"{type(error).__name__}: {clean(str(error)) or 'no reason was given'} ({at})",
        "This says nothing about the model. Run it again; if it ends so again, report this line. "
        "gatewright status shows whether a move was begun.",
    )
