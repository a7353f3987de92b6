"""Holdouts in object stores: brought to this machine's disk by Arrow, with the credentials that the machine has."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from gatewright.problem import Undetermined

#: what each store's addresses begin with, and the variables by which its client finds credentials
_S3 = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, a profile or the machine's role"
_GS = "GOOGLE_APPLICATION_CREDENTIALS, or the machine's service account"
_ABFSS = "AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or the machine's identity"
CREDENTIALS: Mapping[str, str] = {"s3": _S3, "gs": _GS, "gcs": _GS, "abfs": _ABFSS, "abfss": _ABFSS}

#: an S3-compatible server of one's own; the first that is set. MLflow reads the last for its artifacts.
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "MLFLOW_S3_ENDPOINT_URL")

#: seconds after which Google's client gives up; its own limit is a quarter of an hour
_PATIENCE = 20

_DENIED = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE_DOES_NOT_MATCH|InvalidAccessKeyId|Forbidden|\b40[13]\b"
    r"|PERMISSION_DENIED|UNAUTHENTICATED|access token|Authentication|Failed to get token",
    re.IGNORECASE,
)


def fetch(uri: str, into: Path) -> Path:
    """Copies an object, or all below a prefix, to a name below `into`. Raises Undetermined."""
    import pyarrow as pa
    from pyarrow import fs

    try:
        remote, path = _opened(uri)
        path = path.rstrip("/")
        if remote.get_file_info(path).type == fs.FileType.NotFound:
            raise unread(uri, "there is no such object", _MISSING)
        place = into / PurePosixPath(path).name
        into.mkdir(parents=True, exist_ok=True)
        if remote.get_file_info(path).type == fs.FileType.Directory:
            _make_room(uri, remote, path, place)
        fs.copy_files(path, str(place), source_filesystem=remote, destination_filesystem=fs.LocalFileSystem())
    except (OSError, ValueError, TypeError, pa.ArrowException) as error:
        raise _refused(uri, error) from None
    return place


def _make_room(uri: str, remote: Any, path: str, place: Path) -> None:
    """Makes the folders that the objects' names speak of: Arrow writes into what is there.

    An object may be named `../x`, which no folder of ours may be.
    """
    from pyarrow import fs

    place.mkdir()
    for found in remote.get_file_info(fs.FileSelector(path, recursive=True)):
        name = PurePosixPath(found.path).relative_to(path)
        if ".." in name.parts:
            raise unread(uri, "one of its objects has .. in its name", "Rename the object.")
        folder = name if found.type == fs.FileType.Directory else name.parent
        (place / folder).mkdir(parents=True, exist_ok=True)


def _opened(uri: str) -> tuple[Any, str]:
    """(file system, path in it)."""
    from pyarrow import fs

    scheme = urlsplit(uri).scheme.lower()
    endpoint = next((e for name in ENDPOINTS if (e := os.environ.get(name))), "")
    if scheme == "s3" and endpoint:
        return _own_server(endpoint), uri.split("://", 1)[1]
    if scheme in ("gs", "gcs") and "retry_limit_seconds" not in uri:
        uri += f"{'&' if '?' in uri else '?'}retry_limit_seconds={_PATIENCE}"
    found: tuple[Any, str] = fs.FileSystem.from_uri(uri)
    return found


def _own_server(endpoint: str) -> Any:
    """S3 at another place than Amazon's, such as MinIO, with a certificate of one's own where AWS_CA_BUNDLE says so."""
    from pyarrow import fs

    parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    bundle = os.environ.get("AWS_CA_BUNDLE")
    more = {"tls_ca_file_path": bundle} if bundle else {}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return fs.S3FileSystem(endpoint_override=parts.netloc, scheme=parts.scheme, region=region, **more)


_MISSING = "Check holdout.data in the policy; a store may also hide what its caller may not list."


def _refused(uri: str, error: Exception) -> Undetermined:
    scheme = urlsplit(uri).scheme.lower()
    if _DENIED.search(str(error)):
        fix = f"Give this job credentials that may read it: {CREDENTIALS[scheme]}."
        return unread(uri, f"access was refused ({error})", fix)
    own = f", and {ENDPOINTS[1]} if it lies on a server of your own" if scheme == "s3" else ""
    return unread(uri, str(error), f"Check that this machine reaches the store{own}.")


def unread(uri: str, why: str, fix: str) -> Undetermined:
    """A holdout that cannot be read, and the remedy."""
    return Undetermined(f"the holdout {uri} cannot be read", " ".join(why.split())[:300].rstrip("."), fix)
