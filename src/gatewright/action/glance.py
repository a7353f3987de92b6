"""The first look at an event, before anything heavier than JSON is imported: most comments ask for nothing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping

from gatewright.action.hint import may_concern_us

NOTHING = {"schema": 1, "decision": "noop", "reason": "no_command", "verdict": None}
OUTPUTS = {"decision": "noop", "reason": "no_command", "result": json.dumps(NOTHING)}


def asks_for_nothing(environment: Mapping[str, str], speaks: Callable[[str], object] = may_concern_us) -> bool:
    """Whether the event is a comment without a command, and the Action is left to find that out by itself.

    speaks: tells whether a text may concern the gate. False for whatever is out of the ordinary: the Action itself
    then looks, and says what is wrong.
    """
    if environment.get("GITHUB_EVENT_NAME") != "issue_comment":
        return False
    if environment.get("INPUT_COMMAND", "").strip() not in ("", "auto"):
        return False
    try:
        with open(environment["GITHUB_EVENT_PATH"], encoding="utf-8") as file:
            event = json.load(file)
        before = ((event.get("changes") or {}).get("body") or {}).get("from") or ""
        return not (speaks(event["comment"]["body"]) or speaks(before))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def leave(environment: Mapping[str, str]) -> int:
    """Says that nothing was asked, in one line of the log and in the outputs; returns the exit code."""
    sys.stdout.write("The comment holds no command: nothing to do.\n")
    path = environment.get("GITHUB_OUTPUT")
    if path:
        delimiter = f"nothing_{os.urandom(16).hex()}"
        lines = (f"{name}<<{delimiter}\n{value}\n{delimiter}\n" for name, value in OUTPUTS.items())
        with open(path, "a", encoding="utf-8") as file:
            file.writelines(lines)
    return 0
