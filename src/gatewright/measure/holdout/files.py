"""A version's files under one digest: what was measured holds for the files that were scored, and for no others."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path as Folder

from gatewright.canonical import digest_of
from gatewright.evidence import Fact, Who
from gatewright.measure.holdout.data import sha256_of
from gatewright.paths import Path
from gatewright.problem import Undetermined
from gatewright.registry import Registry
from gatewright.subject import Version

#: the fact that holds the digest; no policy can name it
FILES = Path("benchmark", "files")


def fetch(version: Version, registry: Registry, into: Folder) -> str:
    """Copies a version's files to `into`, which is not there yet; returns their digest. Raises Undetermined."""
    registry.download(_address(version), into)
    try:
        return digest(into)
    except OSError as e:
        fix = "Look at what is stored there: a model is a folder of files."
        raise Undetermined(f"the files of {version} could not be read", str(e), fix) from e


def digest_now(version: Version, registry: Registry) -> str:
    """The digest of a version's files as they are stored now; none is loaded or kept. Raises Undetermined."""
    with tempfile.TemporaryDirectory(prefix="gatewright-") as scratch:
        return fetch(version, registry, Folder(scratch) / "model")


def digest(folder: Folder) -> str:
    """`sha256:…` of all that lies in a folder, by relative path. Order, times, rights and the place do not count.

    Links count as what they say, not as what they lead to. Raises OSError.
    """
    return f"sha256:{digest_of({'schema': 1, 'files': dict(_entries(folder))})}"


def _entries(folder: Folder) -> Iterator[tuple[str, str]]:
    for at, folders, names in os.walk(folder, onerror=_refuse):
        for name in (*folders, *names):
            path = Folder(at) / name
            yield path.relative_to(folder).as_posix(), _content(path)


def _content(path: Folder) -> str:
    if path.is_symlink():
        return f"link:{os.readlink(path)}"
    return "folder" if path.is_dir() else f"sha256:{sha256_of(path)}"


def _refuse(error: OSError) -> None:
    """What cannot be listed is no empty folder."""
    raise error


def fact(who: Who, version: Version, digest: str) -> Fact:
    """The digest as evidence."""
    return Fact(who, FILES, "known", digest, source=_address(version))


def note(scored: Fact) -> str:
    """The same for people."""
    return f"the files of {scored.source} that were scored: {str(scored.value)[:19]}"


def _address(version: Version) -> str:
    return f"models:/{version.model}/{version.number}"
