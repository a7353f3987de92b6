"""The whole story on an embedded registry: real models, the real commands, no server and no network.

Every scene says what must come of it, and the demo fails if anything else does.
"""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib.resources import files
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatewright import gate
from gatewright.case import Gate
from gatewright.connection import connect
from gatewright.demo.models import Made, load, register
from gatewright.demo.place import place
from gatewright.demo.scenes import (
    BEGIN,
    DATABASE,
    FORGED,
    FORGERY,
    GONE,
    HOLDOUT,
    KEPT,
    LOOK,
    MODEL,
    POINT,
    POLICY,
    SCENES,
    Differs,
    Scene,
    Shown,
    check,
)
from gatewright.ledger.entry import Actor
from gatewright.ledger.layout import BODY, folder
from gatewright.ledger.mlflow import MlflowLedger
from gatewright.measure import PATHS
from gatewright.policy.load import read_policies
from gatewright.policy_files import read_files
from gatewright.quantity import show
from gatewright.registry.mlflow import MlflowRegistry
from gatewright.report import terminal
from gatewright.rollback import Wish
from gatewright.subject import parse_subject

#: lines of prose are no longer than this, however wide the terminal is
WIDEST = 96


def demo(console: Console, keep: str | None) -> int:
    """Tells the story on `console` and returns the exit code: 0, or 1 where a scene came to something else.

    keep: a new folder in which registry and policy stay; None leaves nothing behind. Raises UsageError where the
    folder cannot be used.
    """
    with place(keep) as root:
        try:
            _tell(console, root)
        except Differs as difference:
            _prose(console, f"This is not the demo as it should be: {difference}.", "bold red")
            return 1
    _farewell(console, keep)
    return 0


def _tell(console: Console, root: Path) -> None:
    _prose(console, "A model may move up when it has shown what the policy asks for, and the record says who let it.")
    _policy(console)
    _versions(console, root)
    ours = _gate(root)
    for number, scene in enumerate(SCENES, start=1):
        _scene(console, ours, number, scene)
    with _forged(ours, root):
        _scene(console, ours, len(SCENES) + 1, FORGERY)


def _policy(console: Console) -> None:
    text = files("gatewright.demo").joinpath("policy.yaml").read_text(encoding="utf-8")
    Path(POLICY).parent.mkdir()
    Path(POLICY).write_text(text, encoding="utf-8")
    _heading(console, "The policy", "One file a model, reviewed like code. Each line is one rule; each target a rung.")
    console.print()
    _command(console, f"cat {POLICY}")
    console.print(Text(text.rstrip()))


def _versions(console: Console, root: Path) -> None:
    data = load()
    _heading(
        console,
        "Four versions of a model",
        f"Trained now on {len(data.train)} tumours of scikit-learn's breast cancer data, measured on "
        f"{len(data.test)} others, and registered with MLflow in a database of the demo's own. It takes some seconds.",
    )
    console.print()
    with console.status("training"):
        made = register(MODEL, _uri(root), data)
    data.test.to_parquet(root / HOLDOUT)
    console.print(_table(made))
    console.print()
    _command(console, POINT)


def _table(made: tuple[Made, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("version", "", "accuracy", "recall", "signature"):
        table.add_column(name, header_style="dim")
    for one in made:
        scores = (show(value, style="percent") for value in (one.accuracy, one.recall))
        table.add_row(f"{MODEL}/{one.number}", one.about, *scores, "yes" if one.signed else "no")
    return table


def _uri(root: Path) -> str:
    return f"sqlite:///{root / DATABASE}"


def _gate(root: Path) -> Gate:
    """What the command line makes of its arguments, with this registry and the policy as its reader sees it."""
    (policy,) = read_policies(read_files(Path("policies")), PATHS)
    connection = connect(_uri(root), _uri(root))
    return Gate(
        policy,
        MlflowRegistry(connection),
        MlflowLedger(connection),
        Actor("you"),
        lambda: datetime.now(timezone.utc),
        lambda: uuid.uuid4().hex,
    )


def _scene(console: Console, ours: Gate, number: int, scene: Scene) -> None:
    _heading(console, f"{number}. {scene.title}", scene.why)
    console.print()
    if scene.first:
        _command(console, scene.first)
    _command(console, scene.command)
    things = _run(ours, scene.command)
    for thing in things:
        terminal.render(thing, console)
    check(scene, things)


def _run(ours: Gate, command: str) -> tuple[Shown, ...]:
    """Does what a command says, so that what the reader sees typed is what was done."""
    _, verb, *rest = shlex.split(command)
    if verb == "promote":
        return (gate.promote(ours, parse_subject(rest[0]), rest[2]),)
    if verb == "rollback":
        return (gate.rollback(ours, Wish(rest[2], rest[4])),)
    if verb == "audit":
        return tuple(gate.verify(ours.ledger, model) for model in ours.ledger.models())
    return (gate.history(ours) if verb == "history" else gate.status(ours),)


@contextmanager
def _forged(ours: Gate, root: Path) -> Iterator[None]:
    """Changes one word of the ledger as the scene's shell command would, and puts it back."""
    row = ours.ledger.rows(MODEL)[FORGED]
    body = next(root.glob(f"mlruns/*/*/artifacts/{folder(row)}/{BODY}"))
    written = body.read_bytes()
    body.write_bytes(written.replace(b'"refused"', b'"promoted"'))
    try:
        yield
    finally:
        body.write_bytes(written)


def _heading(console: Console, title: str, why: str) -> None:
    console.print()
    console.print(Text(title, "bold"))
    _prose(console, why)


def _prose(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style), width=min(console.width, WIDEST))


def _command(console: Console, command: str) -> None:
    console.print(Text.assemble(("$ ", "dim"), (command, "cyan")), soft_wrap=True)


def _farewell(console: Console, keep: str | None) -> None:
    _heading(console, "What to do next", KEPT if keep else GONE)
    console.print()
    for command in (f"cd {shlex.quote(keep)}", *LOOK) if keep else BEGIN:
        _command(console, command)
