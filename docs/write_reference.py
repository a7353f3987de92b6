"""Writes the generated parts of the pages anew: `python docs/write_reference.py`.

They stand between `<!-- NAME: written by docs/write_reference.py -->` and `<!-- /NAME -->`; in policy.md, at its end.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import example
import yaml

from gatewright import cli
from gatewright.decision import Reason
from gatewright.measure import PATHS
from gatewright.policy.reference import reference
from gatewright.report import markdown

ROOT = Path(__file__).parents[1]
POLICY = ROOT / "docs" / "policy.md"
MARK = "<!-- The rest is written by docs/write_reference.py from the tables that the loader reads. -->\n"

_REGION = re.compile(
    r"(?P<head><!-- (?P<name>[a-z ]+): written by docs/write_reference\.py -->\n).*?(?P<foot><!-- /(?P=name) -->)",
    re.DOTALL,
)
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Command:
    """A command as typed (`gatewright audit verify`), what it does, and its arguments."""

    name: str
    about: str
    arguments: tuple[argparse.Action, ...]
    #: options of which one has to be given
    choices: tuple[tuple[argparse.Action, ...], ...] = ()


def pages() -> dict[Path, str]:
    """Every page with a generated part, as it should be."""
    names = ("README.md", "docs/commands.md", "docs/github.md", "docs/reasons.md")
    return {POLICY: _policy(), **{ROOT / name: _filled(ROOT / name) for name in names}}


def commands() -> tuple[Command, ...]:
    """Every command of the command line that can be run."""
    return tuple(_commands("gatewright", "", cli.parser()))


def shared(found: Iterable[Command]) -> tuple[argparse.Action, ...]:
    """The options that more than half of all commands have, worded alike."""
    every = tuple(found)
    options = [a for c in every for a in c.arguments if a.option_strings]
    times = Counter(map(_row, options))
    return tuple({_row(a): a for a in options if 2 * times[_row(a)] > len(every)}.values())


def _policy() -> str:
    prose, mark, _ = POLICY.read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise SystemExit(f"{POLICY} has lost the line that the reference stands after")
    return f"{prose}{MARK}\n{reference(PATHS)}"


def _filled(page: Path) -> str:
    text = page.read_text(encoding="utf-8")
    if not _REGION.search(text):
        raise SystemExit(f"{page} has lost the lines that its generated part stands between")
    return _REGION.sub(lambda m: f"{m['head']}\n{PARTS[m['name']]()}\n\n{m['foot']}", text)


def _commands(name: str, about: str, parser: argparse.ArgumentParser) -> Iterator[Command]:
    """Every command at or below a parser."""
    # argparse shows its tree to nobody, so its own fields are read.
    below = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not below:
        choices = tuple(tuple(g._group_actions) for g in parser._mutually_exclusive_groups if g.required)
        arguments = tuple(a for a in parser._actions if not isinstance(a, argparse._HelpAction))
        yield Command(name, about, arguments, choices)
    for verbs in below:
        about_each = {choice.dest: choice.help or "" for choice in verbs._choices_actions}
        for word, one in verbs.choices.items():
            yield from _commands(f"{name} {word}", about_each[word], one)


def _command_table() -> str:
    return _table(("command", "does"), ((f"`{_usage(c)}`", c.about) for c in commands()))


def _command_reference() -> str:
    found = commands()
    common = {_row(a) for a in shared(found)}
    return "\n\n".join(part for c in found for part in _command(c, common))


def _command(command: Command, common: set[tuple[str, str]]) -> Iterator[str]:
    yield f"### {command.name}"
    yield f"{command.about[:1].upper()}{command.about[1:]}."
    rows = [_row(a) for a in command.arguments]
    whole = common <= set(rows)
    own = [row for row in rows if not whole or row not in common]
    if own:
        yield _table(("argument", "meaning"), own)
    if whole:
        yield "And the [shared options](#shared-options)." if own else "Takes the [shared options](#shared-options)."


def _shared_options() -> str:
    return _table(("option", "meaning"), map(_row, shared(commands())))


def _usage(command: Command) -> str:
    positional = (a for a in command.arguments if not a.option_strings)
    required = (a for a in command.arguments if a.option_strings and a.required)
    chosen = (group[-1] for group in command.choices)
    return " ".join([command.name, *(_spelled(a) for part in (positional, chosen, required) for a in part)])


def _row(argument: argparse.Action) -> tuple[str, str]:
    needed = "**required**; " if argument.required and argument.option_strings else ""
    return f"`{_spelled(argument)}`", needed + (argument.help or "")


def _spelled(argument: argparse.Action) -> str:
    """`--json [FILE]`, `MODEL`, `[PATH]`."""
    value = argument.metavar or argument.dest.upper() if argument.nargs != 0 else ""
    value = f"[{value}]" if argument.nargs == "?" else str(value)
    return " ".join(filter(None, (", ".join(argument.option_strings), value)))


def _reasons() -> str:
    heads = ("reason", "what it means", "what to do next")
    return _table(heads, ((f"`{r.code}`", r.meaning, r.next_step) for r in Reason))


def _documents() -> str:
    return "\n\n".join(_document(command, found) for command, found in example.documents().items())


def _document(command: str, found: Mapping[str, Any]) -> str:
    """One example. Of a history, its last event; a digest's own digits would tell nothing."""
    shown = {**found, "events": found["events"][-1:]} if "events" in found else found
    text = _DIGEST.sub("(64 hexadecimal digits)", json.dumps(shown, indent=2, ensure_ascii=False))
    return f"### JSON of {command}\n\n```json\n{text}\n```"


def _inputs() -> str:
    """What action.yml says of its inputs."""
    told = _action()["inputs"].items()
    rows = ((f"`{k}`", v["description"], f"`{v['default']}`" if "default" in v else "") for k, v in told)
    return _table(("input", "meaning", "default"), rows)


def _outputs() -> str:
    rows = ((f"`{k}`", v["description"]) for k, v in _action()["outputs"].items())
    return _table(("output", "meaning"), rows)


def _action() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    return found


def _comment() -> str:
    """The comment as GitHub gets it, without the line by which it is found again."""
    text = markdown.comment(example.pending(), example.NOON)
    return re.sub(r"^<!--.*?-->\n", "", text).strip()


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


PARTS: Mapping[str, Callable[[], str]] = {
    "command table": _command_table,
    "command reference": _command_reference,
    "shared options": _shared_options,
    "documents": _documents,
    "reasons": _reasons,
    "comment": _comment,
    "inputs": _inputs,
    "outputs": _outputs,
}


if __name__ == "__main__":
    for file, text in pages().items():
        file.write_text(text, encoding="utf-8")
