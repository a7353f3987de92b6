"""The one way to MLflow: few calls, gentle time-outs, and every failure in words.

A plain http(s) server is spoken to over its documented REST interface, which spares the two to three seconds
that importing MLflow takes; databases, folders and servers behind a login plugin are reached through MLflow's own
client. Both give the same answers: those of the REST interface, as dictionaries.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from gatewright.connection.client import Client, default_uri
from gatewright.connection.local import Folder
from gatewright.connection.refusal import Refused, address_of, clean
from gatewright.connection.rest import Rest, has_login, is_plain_http
from gatewright.problem import Undetermined, UsageError

#: the most that is read of one artifact, in bytes
LARGEST = 64 * 2**20

#: the names of Azure's own stores (public, China, US government, Fabric), where its login may go
_AZURE = re.compile(
    r"[^@/\\\s]+@[a-z0-9-]+\.dfs\.(core\.(windows\.net|chinacloudapi\.cn|usgovcloudapi\.net)|fabric\.microsoft\.com)",
    re.IGNORECASE,
)

_LOGIN = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, to an account that may"

#: kind of refusal → what it means, what to try; {said} is the server's own word
_BEGIN = "Begin it with https:// or http://, the address of a database with its kind, as in sqlite:///mlflow.db."
_WORDS: Mapping[str, tuple[str, str]] = {
    "absent": ("{at} has no such thing: {said}", "Check the name."),
    "login": ("{at} asks who you are and does not accept the answer: {said}", f"{_LOGIN} read it."),
    "forbidden": (
        "{at} does not allow it: {said}",
        f"{_LOGIN} do this, or ask its owner for the permission.",
    ),
    "foreign": (
        "{at} did not answer like an MLflow tracking server: {said}",
        "Check the tracking URI: it must be the server's root, with no login page or other server before it.",
    ),
    "server": (
        "{at} failed: {said}",
        "Nothing is wrong with the request; look at the server's log and try again.",
    ),
    "busy": ("{at} is too busy: {said}", "Try again in a moment."),
    "timeout": (
        "{at} did not answer in time: {said}",
        "Try again, or allow it more seconds with MLFLOW_HTTP_REQUEST_TIMEOUT.",
    ),
    "unreachable": (
        "{at} cannot be reached: {said}",
        "Check that the server runs, that this machine may reach it, and the tracking URI.",
    ),
    "too large": (
        "more is stored at {at} than is taken: {said}",
        "Look at what is stored there, and take away what does not belong to it.",
    ),
    "schema": ("{at} was made by another release of MLflow: {said}", "Run `mlflow db upgrade` on it."),
    "address": ("{at} is no address that MLflow knows", _BEGIN),
    "refused": ("{at} refused: {said}", "Check the request against what the server allows."),
}


class Store(Protocol):
    """One folder of artifacts. Everything that goes wrong raises Refused."""

    def get(self, path: str, limit: int) -> bytes:
        """A file's content."""

    def put(self, path: str, content: bytes) -> None:
        """Writes a file, and the folders above it."""

    def names(self, path: str) -> tuple[str, ...]:
        """What stands directly in a folder; () if there is no such folder."""

    def fetch(self, path: str, into: Path) -> None:
        """Copies a file or a whole folder to `into`, which is not there yet; contents never fill the memory."""


class Transport(Protocol):
    """One way to a tracking server and a registry. Everything that goes wrong raises Refused."""

    def call(self, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Performs one call of MLflow's REST interface, for example `runs/get`."""

    def store(self, uri: str) -> Store:
        """The artifacts below a URI."""


class Connection:
    """A tracking server and its registry.

    address, registry_address: for people, without credentials.
    """

    def __init__(self, transport: Transport, tracking_uri: str, registry_uri: str) -> None:
        self._transport = transport
        self.tracking_uri, self.registry_uri = tracking_uri, registry_uri
        self.address, self.registry_address = address_of(tracking_uri), address_of(registry_uri)

    def call(self, what: str, name: str, /, **fields: Any) -> dict[str, Any] | None:
        """Performs a call; None if what it is about does not exist, Undetermined for every other failure.

        what: for people, completes "could not …". Fields that are None are left out.
        """
        given = {k: v for k, v in fields.items() if v is not None}
        try:
            return self._transport.call(name, given)
        except Refused as e:
            if e.kind == "absent":
                return None
            registry = name.startswith(("registered-models/", "model-versions/"))
            raise self._in_words(what, self.registry_address if registry else self.address, e) from e

    def read(self, what: str, folder: str, path: str, limit: int = LARGEST) -> bytes | None:
        """An artifact's content; None if its folder can be listed and does not have it."""
        try:
            store = self._store(folder)
            try:
                return _no_page(path, store.get(path, limit))
            except Refused as e:
                if e.kind not in _MAYBE_MISSING or _stands(store, path):
                    raise
                return None
        except Refused as e:
            raise self._in_words(what, self._artifacts_at(folder), e) from e

    def write(self, what: str, folder: str, path: str, content: bytes) -> None:
        """Stores an artifact."""
        try:
            self._store(folder).put(path, content)
        except Refused as e:
            raise self._in_words(what, self._artifacts_at(folder), e) from e

    def names(self, what: str, folder: str, path: str = "") -> tuple[str, ...]:
        """What stands directly in a folder of artifacts; () if there is no such folder."""
        try:
            return self._store(folder).names(path)
        except Refused as e:
            raise self._in_words(what, self._artifacts_at(folder), e) from e

    def download(self, what: str, folder: str, into: Path) -> None:
        """Copies a file or a whole folder of artifacts to `into`, which is not there yet.

        Raises Undetermined, and leaves nothing half-done that looks whole: `into` appears when all of it is there.
        """
        parent, _, name = folder.rstrip("/").rpartition("/")
        draft = into.with_name(f"{into.name}.part")
        try:
            self._store(parent).fetch(name, draft)
            if not draft.exists():
                raise Refused("absent", f"{name} is not there")
            draft.rename(into)
        except Refused as e:
            raise self._in_words(what, self._artifacts_at(folder), e) from e
        except OSError as e:
            raise self._in_words(what, "this machine", Refused("server", str(e), "Make room on this machine.")) from e

    def _store(self, folder: str) -> Store:
        """Where a folder lies is told by whoever registered the version: the login goes to our own servers alone."""
        try:
            scheme, host = urlsplit(folder)[:2]
        except ValueError as e:
            raise Refused("refused", f"{clean(folder)} is no address: {e}") from None
        if scheme in ("http", "https", "mlflow-artifacts") and host and not self._is_ours(scheme, host) and has_login():
            fix = "Have the tracking server serve its artifacts (--serve-artifacts), or keep them in an object store."
            raise Refused("refused", "its files are said to lie there, and the login is for the tracking server", fix)
        if scheme == "abfss" and not _AZURE.fullmatch(host):
            raise Refused("refused", "its files are said to lie there, and no store of Azure's has such a name")
        return Folder(folder) if scheme in ("", "file") else self._transport.store(folder)

    def _is_ours(self, scheme: str, host: str) -> bool:
        """Whether a server is the tracking server or the registry, spelled in the same way."""
        ours = [urlsplit(uri) for uri in (self.tracking_uri, self.registry_uri)]
        return any(
            host.lower() == o.netloc.rpartition("@")[2].lower() and scheme in (o.scheme, "mlflow-artifacts")
            for o in ours
        )

    def _artifacts_at(self, folder: str) -> str:
        return self.address if folder.startswith("mlflow-artifacts:") else address_of(folder)

    def _in_words(self, what: str, at: str, refusal: Refused) -> Undetermined:
        why, fix = _WORDS.get(refusal.kind, _WORDS["refused"])
        said = clean(refusal.text) or "no reason was given"
        return Undetermined(f"could not {what}", why.format(at=at, said=said).rstrip("."), refusal.fix or fix)


def connect(tracking_uri: str | None = None, registry_uri: str | None = None, *, quiet: bool = True) -> Connection:
    """Opens the way to MLflow; asks nothing yet.

    URIs default to MLflow's own variables and then to its own default. quiet: MLflow's warnings and log lines are
    for its developers; False lets them through.
    """
    tracking = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or default_uri(quiet)
    registry = registry_uri or os.environ.get("MLFLOW_REGISTRY_URI") or tracking
    for uri in (tracking, registry):
        _must_exist(uri)
    if is_plain_http(tracking) and is_plain_http(registry):
        return Connection(Rest(tracking, registry), tracking, registry)
    try:
        return Connection(Client(tracking, registry, quiet), tracking, registry)
    except Refused as e:
        raise Connection(_Nothing(), tracking, registry)._in_words("open the registry", address_of(tracking), e) from e


#: Servers and stores tell of a missing file in many ways; only the list of its folder settles it.
_MAYBE_MISSING = ("absent", "server", "refused", "foreign")


def _stands(store: Store, path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return name in store.names(folder)


def _no_page(path: str, content: bytes) -> bytes:
    """A file, unless it is the sign-in page of something in between."""
    if content[:200].lstrip().lower().startswith((b"<!doctype html", b"<html")) and not path.endswith(".html"):
        raise Refused("foreign", "a web page instead of the file")
    return content


class _Nothing:
    """Stands where no transport could be made."""

    def call(self, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        raise Refused("unreachable", "not connected")

    def store(self, uri: str) -> Store:
        raise Refused("unreachable", "not connected")


#: a host, perhaps with a port and a path, that somebody forgot to write the scheme before
_BARE_HOST = re.compile(r"(?:localhost|[\w-]+(?:\.[\w-]+)+)(?::[0-9]+)?(?:/\S*)?|[\w-]+:[0-9]+(?:/\S*)?")


def _must_exist(uri: str) -> None:
    """MLflow would make a database that is not there; a registry that was never made is no empty registry."""
    try:
        urlsplit(uri)
    except ValueError as e:
        raise UsageError(f"{address_of(uri)} is no address of a registry: {e}", "write http://HOST:PORT") from None
    if _BARE_HOST.fullmatch(uri) and not Path(uri).exists():
        raise Undetermined("could not open the registry", f"{address_of(uri)} is no address of a server", _BEGIN)
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///(?P<path>[^?]+)(?:\?.*)?", uri)
    if match and match["path"] != ":memory:" and not Path(unquote(match["path"])).is_file():
        raise Undetermined(
            "could not open the registry",
            f"{address_of(uri)} is not there",
            "Set MLFLOW_TRACKING_URI or --tracking-uri to your MLflow server or database.",
        )
