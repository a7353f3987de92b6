"""Payloads of every event, as GitHub publishes them."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def published() -> dict[str, list[dict[str, Any]]]:
    """Event → one payload for each of its actions, without addresses."""
    content: dict[str, list[dict[str, Any]]] = json.loads(
        gzip.decompress(Path(__file__).with_name("events.json.gz").read_bytes())
    )
    return content
