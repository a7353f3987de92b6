"""A plain MLflow server, over its documented REST interface."""

from __future__ import annotations

import configparser
import functools
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from gatewright.connection.calls import CALLS
from gatewright.connection.client import Repository
from gatewright.connection.refusal import Refused, innermost

if TYPE_CHECKING:
    from gatewright.connection import Store

#: the most that is read of one answer, in bytes
LARGEST_ANSWER = 64 * 2**20

#: the most that is copied of one folder: files and folders, folders within each other, bytes
MOST_FILES, DEEPEST, LARGEST_FOLDER = 20_000, 32, 256 * 2**30
#: and the most of what is free on the disk
_SHARE = 0.9

TIMEOUT, RETRIES, BACKOFF = 10.0, 2, 0.5
_RETRIED = (408, 429, 500, 502, 503, 504)

#: settings under which only MLflow's own client knows how to log in or where to send
_BEYOND = (
    "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_AWS_SIGV4",
    "MLFLOW_WORKSPACE",
    "MLFLOW_ENABLE_WORKSPACES",
)
_PLUGINS = ("mlflow.request_header_provider", "mlflow.request_auth_provider", "mlflow.tracking_store")


def is_plain_http(uri: str) -> bool:
    """Whether a server can be spoken to without MLflow's client: http(s), and no login plugin."""
    if urlsplit(uri).scheme not in ("http", "https"):
        return False
    special = any(os.environ.get(name, "").lower() not in ("", "false", "0") for name in _BEYOND)
    return not special and not any(_foreign(group) for group in _PLUGINS)


@functools.cache
def _foreign(group: str) -> bool:
    """Whether a plugin of somebody else is installed; every package is looked through for that, which takes a while."""
    return any(not e.value.startswith("mlflow.") for e in entry_points(group=group))


class Rest:
    """Calls and proxied artifacts of an http(s) server."""

    def __init__(self, tracking_uri: str, registry_uri: str) -> None:
        self._tracking, self._registry = tracking_uri.rstrip("/"), registry_uri.rstrip("/")
        self._again, self._once = _session(RETRIES), _session(0)
        self._others: dict[str, Store] = {}

    def call(self, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Performs one call and returns the JSON object that answers it."""
        call = CALLS[name]
        root = self._registry if call.registry else self._tracking
        url = f"{root}/api/2.0/mlflow/{call.path(fields)}"
        given: dict[str, Any] = {"params": fields} if call.method == "GET" else {"json": fields}
        status, content = self.ask(call.method, url, LARGEST_ANSWER, once=not call.repeatable, **given)
        return _object(status, content)

    def ask(
        self, method: str, url: str, limit: int, *, once: bool = False, file: bool = False, **given: Any
    ) -> tuple[int, bytes]:
        """Sends one request; returns status and content, whatever they are.

        file: a stored file is wanted, which MLflow sends as an attachment; a page in its place is none.
        """
        with self._open(self._once if once else self._again, method, url, **given) as response:
            content = _content(response, limit)
            if file and response.status_code == 200 and not _attached(response):
                raise Refused("foreign", f"instead of a file: {_text(content)[:200]!r}")
            return response.status_code, content

    def save(self, url: str, into: Path, room: Room) -> None:
        """Copies a stored file to `into`, as far as there is room for it."""
        with self._open(self._again, "GET", url) as response, into.open("xb") as file:
            if response.status_code != 200:
                raise _refusal(response.status_code, _content(response, LARGEST_ANSWER))
            if not _attached(response):
                raise Refused("foreign", "a page instead of a file")
            for chunk in _chunks(response):
                room.take(len(chunk))
                file.write(chunk)

    @contextmanager
    def _open(self, session: Any, method: str, url: str, **given: Any) -> Iterator[Any]:
        """An answer as it comes in; what goes wrong on the way is Refused."""
        import requests

        try:
            with session.request(method, url, timeout=_seconds(), stream=True, **_login(), **given) as response:
                yield response
        except requests.Timeout as e:
            raise Refused("timeout", f"no answer within {_seconds():g} s") from e
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError) as e:
            raise Refused("foreign", str(e)) from e
        except requests.exceptions.SSLError as e:
            fix = "Set MLFLOW_TRACKING_SERVER_CERT_PATH to the certificate authority that signed the server's."
            raise Refused("unreachable", innermost(str(e)), fix) from e
        except (requests.RequestException, OSError) as e:
            cause = innermost(str(e))
            raise Refused("timeout" if "timed out" in cause.lower() else "unreachable", cause) from e

    def store(self, uri: str) -> Store:
        """Artifacts that the server itself serves; any other store is left to MLflow's client."""
        parts = urlsplit(uri)
        if parts.scheme == "mlflow-artifacts" and not parts.netloc:
            return Proxied(self, f"{self._tracking}/api/2.0/mlflow-artifacts/artifacts", parts.path.strip("/"))
        if uri not in self._others:
            self._others[uri] = Repository(uri, self._tracking)
        return self._others[uri]


class Room:
    """How much may still be copied of one folder: whoever may write to the store decides what is listed there."""

    def __init__(self, disk: int) -> None:
        self._entries, self._most = MOST_FILES, min(LARGEST_FOLDER, int(disk * _SHARE))
        self._bytes = self._most
        self._fix = (
            "" if self._most == LARGEST_FOLDER else "Look at what is stored there, or make room on this machine."
        )

    def enter(self, depth: int, entries: int) -> None:
        """Counts a folder's entries; raises Refused where they are too many, or it lies too deep."""
        self._entries -= entries
        if depth > DEEPEST:
            raise Refused("too large", f"there are more than {DEEPEST} folders within each other")
        if self._entries < 0:
            raise Refused("too large", f"there are more than {MOST_FILES} files")

    def take(self, count: int) -> None:
        """Counts bytes; raises Refused where they are too many."""
        self._bytes -= count
        if self._bytes < 0:
            raise Refused("too large", f"its files have more than {self._most} bytes", self._fix)


class Proxied:
    """A folder of artifacts behind the tracking server."""

    def __init__(self, rest: Rest, root: str, folder: str) -> None:
        self._rest, self._root, self._folder = rest, root, folder

    def get(self, path: str, limit: int) -> bytes:
        """A file's content."""
        status, content = self._rest.ask("GET", self._url(path), limit, file=True)
        if status != 200:
            raise _refusal(status, content)
        return content

    def put(self, path: str, content: bytes) -> None:
        """Writes a file."""
        status, answer = self._rest.ask("PUT", self._url(path), LARGEST_ANSWER, data=content)
        if answer or status != 200:
            _object(status, answer)

    def names(self, path: str) -> tuple[str, ...]:
        """What stands directly in a folder."""
        return tuple(sorted(name for name, _ in self._list(path)))

    def fetch(self, path: str, into: Path) -> None:
        """Copies a file or a folder, file by file; no more than a `Room` has."""
        self._copy(path, into, Room(shutil.disk_usage(into.parent).free), 1)

    def _copy(self, path: str, into: Path, room: Room, depth: int) -> None:
        below = self._list(path)
        room.enter(depth, len(below))
        if not below:
            if path.rpartition("/")[2] in self.names(path.rpartition("/")[0]):
                self._rest.save(self._url(path), into, room)
            return
        into.mkdir()
        for name, is_folder in below:
            if is_folder:
                self._copy(f"{path}/{name}", into / name, room, depth + 1)
            else:
                self._rest.save(self._url(f"{path}/{name}"), into / name, room)

    def _list(self, path: str) -> list[tuple[str, bool]]:
        """What stands directly in a folder, and whether it is one itself; a name that leads elsewhere is refused."""
        folder = "/".join(filter(None, (self._folder, path)))
        status, content = self._rest.ask("GET", self._root, LARGEST_ANSWER, params={"path": folder})
        files = _object(status, content).get("files", [])
        found = [(str(f["path"]).rpartition("/")[2], bool(f.get("is_dir"))) for f in files]
        if any(name in ("", ".", "..") or "\\" in name or "\0" in name for name, _ in found):
            raise Refused("foreign", f"a file's name in {folder} is none")
        return found

    def _url(self, path: str) -> str:
        return f"{self._root}/{quote(f'{self._folder}/{path}')}"


def _session(retries: int) -> Any:
    """A session that repeats what may be repeated, and for the rest only the attempt to connect."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    count = _number("MLFLOW_HTTP_REQUEST_MAX_RETRIES", RETRIES)
    again = int(count) if retries else 0
    retry = Retry(
        total=int(count),
        connect=int(count),
        read=again,
        status=again,
        other=again,
        redirect=5,
        allowed_methods=None,
        status_forcelist=_RETRIED,
        backoff_factor=_number("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", BACKOFF),
        raise_on_status=False,
        respect_retry_after_header=False,
    )
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=16, max_retries=retry))
    return session


def _login() -> dict[str, Any]:
    """Login and certificates, from the variables and the file that MLflow reads them from."""
    given: dict[str, Any] = {"headers": {"User-Agent": "gatewright"}, "verify": _verify()}
    user, password = (_credential(f"MLFLOW_TRACKING_{name}") for name in ("USERNAME", "PASSWORD"))
    if user and password:
        given["auth"] = (user.encode(), password.encode())
    elif token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        given["headers"]["Authorization"] = f"Bearer {token}"
    if certificate := os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH"):
        given["cert"] = certificate
    return given


def has_login() -> bool:
    """Whether MLflow's client would send a login along with what it asks, wherever that goes."""
    names = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4")
    named = any(os.environ.get(name) for name in names) or bool(_credential("MLFLOW_TRACKING_USERNAME"))
    return named or any(_foreign(group) for group in _PLUGINS[:2])


def _credential(name: str) -> str:
    if value := os.environ.get(name):
        return value
    file = configparser.ConfigParser(interpolation=None)
    file.read(Path("~/.mlflow/credentials").expanduser())
    return file.get("mlflow", name, fallback="")


def _verify() -> bool | str:
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        return False
    return os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True


def _seconds() -> float:
    return _number("MLFLOW_HTTP_REQUEST_TIMEOUT", TIMEOUT)


def _number(name: str, default: float) -> float:
    try:
        return float(os.environ.get(name, "") or default)
    except ValueError:
        return default


def _attached(response: Any) -> bool:
    return str(response.headers.get("Content-Disposition", "")).startswith("attachment")


def _content(response: Any, limit: int) -> bytes:
    content = bytearray()
    for chunk in _chunks(response):
        content += chunk
        if len(content) > limit:
            raise Refused("too large", f"the answer is larger than {limit} bytes")
    return bytes(content)


def _chunks(response: Any) -> Iterator[bytes]:
    """The content piece by piece; one that ends too early is refused."""
    length = 0
    for chunk in response.iter_content(2**16):
        length += len(chunk)
        yield chunk
    told = response.headers.get("Content-Length", "")
    if told.isdigit() and not response.headers.get("Content-Encoding") and length < int(told):
        raise Refused("unreachable", "the connection broke off in the middle of the answer")


def _object(status: int, content: bytes) -> dict[str, Any]:
    import json

    if status != 200:
        raise _refusal(status, content)
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Refused("foreign", f"instead of JSON: {_text(content)[:200]!r}" if content else "an empty answer")
    return answer


def _refusal(status: int, content: bytes) -> Refused:
    """What an answer other than 200 means. Only MLflow's own word for it counts as "does not exist"."""
    import json

    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    code = answer.get("error_code") if isinstance(answer, dict) else None
    said = str(answer.get("message", "")) if isinstance(answer, dict) and code else _text(content)
    text = f"HTTP {status}: {said}" if said else f"HTTP {status}"
    if code == "RESOURCE_DOES_NOT_EXIST":
        return Refused("absent", said)
    if status in (401, 403):
        return Refused("login" if status == 401 else "forbidden", text)
    if status in (408, 429):
        return Refused("busy", text)
    if status >= 500:
        return Refused("server", text)
    return Refused("refused" if code and code != "ENDPOINT_NOT_FOUND" else "foreign", text)


def _text(content: bytes) -> str:
    return content[:20000].decode("utf-8", "replace").strip()
