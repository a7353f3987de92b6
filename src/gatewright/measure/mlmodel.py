"""The MLmodel file: read as plain YAML, never through MLflow, because whoever made the model wrote it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

#: A signature of 60,000 columns fits; a larger file is not parsed.
MAX_BYTES = 4 * 1024 * 1024

#: a whole number of more characters is none that MLflow writes; YAML 1.1 also counts in sixties, in quadratic time
_MAX_DIGITS = 1000


@dataclass(frozen=True, slots=True)
class MLmodel:
    """The file's sha256 and its fields; `fault` says why there are no fields."""

    sha256: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""

    @property
    def written(self) -> int | None:
        """When the file says that it was written, in milliseconds since 1970."""
        told = self.fields.get("utc_time_created")
        try:
            # Nothing but a text is spelled out: aliases make a list of lists longer than any memory.
            moment = (
                told if isinstance(told, datetime) else datetime.fromisoformat(told if isinstance(told, str) else "")
            )
        except ValueError:
            return None
        return int(moment.replace(tzinfo=timezone.utc).timestamp() * 1000)


class _Plain(yaml.SafeLoader):
    """The safe loader without merge keys, which can grow a small file beyond every memory.

    Not the C loader: it ends the process on deeply nested input, where this one raises RecursionError.
    """

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Leaves `<<` alone; such a key then has no constructor and is an error."""

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """A whole number, unless it would take longer to read than to write."""
        if len(node.value) > _MAX_DIGITS:
            raise yaml.constructor.ConstructorError(None, None, "a number is too long", node.start_mark)
        return int(super().construct_yaml_int(node))


_Plain.add_constructor("tag:yaml.org,2002:int", _Plain.construct_yaml_int)


def read_plain(path: Path, limit: int) -> bytes:
    """At most `limit` bytes of a model's file. Raises OSError where it is a link, a pipe, or none at all.

    Whoever made the model chose what lies there: a link would name a file of the gate's own, a pipe is waited for.
    """
    with open(path, "rb", opener=lambda p, flags: os.open(p, flags | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "it is no plain file")
        return file.read(limit)


def parse(content: bytes) -> MLmodel:
    """Reads the file; what is not a YAML mapping becomes a fault, never an exception."""
    sha256 = hashlib.sha256(content).hexdigest()
    if len(content) > MAX_BYTES:
        return MLmodel(sha256, fault=f"its MLmodel file has {len(content)} bytes, more than {MAX_BYTES}")
    try:
        fields = yaml.load(content, Loader=_Plain)
    except Exception:  # explicit tags (`!!bool x`) make the loader fail in a dozen ways beside YAMLError
        return MLmodel(sha256, fault="its MLmodel file is not readable YAML")
    if not isinstance(fields, dict):
        return MLmodel(sha256, fault="its MLmodel file holds no fields")
    return MLmodel(sha256, fields)
