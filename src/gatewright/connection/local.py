"""Artifacts in a folder of this machine."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gatewright.connection.refusal import Refused


class Folder:
    """A store below a path or a file: URI. Another machine's folder is not there to be read."""

    def __init__(self, uri: str) -> None:
        self._root = Path(unquote(urlsplit(uri).path) if uri.startswith("file:") else uri)

    def get(self, path: str, limit: int) -> bytes:
        """A file's content."""
        try:
            # A pipe, which whoever writes there can lay down, is not waited for.
            with open(self._at(path), "rb", opener=lambda p, flags: os.open(p, flags | os.O_NONBLOCK)) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise Refused("unreachable", f"{path} is no plain file")
                content = file.read(limit + 1)
        except FileNotFoundError as e:
            raise Refused("absent", f"{path} is not there") from e
        except OSError as e:
            raise Refused("unreachable", str(e)) from e
        if len(content) > limit:
            raise Refused("too large", f"{path} is larger than {limit} bytes")
        return content

    def put(self, path: str, content: bytes) -> None:
        """Writes a file whole or not at all."""
        target = self._at(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, draft = tempfile.mkstemp(dir=target.parent, prefix=".draft-")
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(draft, 0o644)
            os.replace(draft, target)
        except OSError as e:
            raise Refused("unreachable", str(e), "Check that this machine may write to the folder.") from e

    def names(self, path: str) -> tuple[str, ...]:
        """What stands directly in a folder; () if there is none, as long as the store itself is there."""
        if not self._root.is_dir():
            raise Refused(
                "unreachable",
                f"{self._root} is not a folder of this machine",
                "Artifacts must lie where this machine can read them: on the server "
                "(`mlflow server --serve-artifacts`) or in shared storage.",
            )
        try:
            return tuple(sorted(p.name for p in self._at(path).iterdir()))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as e:
            raise Refused("unreachable", str(e)) from e

    def fetch(self, path: str, into: Path) -> None:
        """Copies a file or a folder; links are copied as links, so that none brings in what it points at."""
        source = self._at(path)
        try:
            if source.is_dir():
                shutil.copytree(source, into, symlinks=True)
            elif source.is_file():
                shutil.copyfile(source, into)
        except OSError as e:
            raise Refused("unreachable", str(e)) from e

    def _at(self, path: str) -> Path:
        if ".." in path.split("/") or path.startswith("/"):
            raise Refused("refused", f"{path} leaves its folder")
        return self._root / path
