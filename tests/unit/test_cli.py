"""The ends of a command that no command wants."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from gatewright import cli
from gatewright.action.job import read_event
from gatewright.problem import Undetermined


def test_a_fault_of_the_gate_itself_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python leaves with 1, which says that the model failed; and what is told holds no password."""
    password = "geheim"

    def broken() -> argparse.ArgumentParser:
        def run(args: argparse.Namespace) -> int:
            raise ZeroDivisionError(f"at https://anna:{password}@mlflow.example.com")

        parser = argparse.ArgumentParser()
        parser.set_defaults(run=run)
        return parser

    monkeypatch.setattr(cli, "parser", broken)
    assert cli.main([]) == 3
    told = " ".join(capsys.readouterr().err.split())
    assert "ZeroDivisionError: at https://mlflow.example.com" in told
    assert "says nothing about the model" in told and password not in told


@pytest.mark.parametrize(
    ("environment", "why"), [({}, "GITHUB_EVENT_PATH is not set"), ({"GITHUB_EVENT_PATH": "/nowhere"}, "/nowhere: ")]
)
def test_the_actions_entry_point_says_that_it_wants_an_event(environment: Mapping[str, str], why: str) -> None:
    """Whoever types it at a terminal is sent to the other commands."""
    with pytest.raises(Undetermined, match=why) as caught:
        read_event(environment)
    assert "use the other commands" in caught.value.fix


SHOWN = """
import sys
from argparse import Namespace
from gatewright import cli
from gatewright.cli import parts
from unit.report.examples import examples
told = Namespace(json=JSON, html=None, markdown=None, quiet=False)
told.run = lambda args: parts.reported(args, examples()[NAME])
cli.parser = lambda: Namespace(parse_args=lambda argv: told)
sys.exit(cli.main([]))
"""


def end(name: str, stdout: int, json: str | None = None, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The end of a command of which nothing is left but to tell it."""
    script = SHOWN.replace("NAME", repr(name)).replace("JSON", repr(json))
    given = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **environment}
    return subprocess.run([sys.executable, "-c", script], stdout=stdout, stderr=subprocess.PIPE, env=given, check=False)


@pytest.mark.parametrize("json", [None, "-"])
@pytest.mark.parametrize(("name", "code"), [("promoted", 0), ("refused", 1)])
def test_a_reader_that_went_away_changes_no_exit_code(name: str, code: int, json: str | None) -> None:
    """`gatewright promote … | head -1` has promoted, and must not say that the model failed."""
    read, write = os.pipe()
    os.close(read)
    done = end(name, write, json)
    os.close(write)
    assert (done.returncode, done.stderr) == (code, b"")


def test_a_sign_that_the_terminal_lacks_is_spelt_out() -> None:
    """A move was made: that its report cannot be printed as it is must not look like a failure."""
    done = end("promoted", subprocess.PIPE, PYTHONIOENCODING="latin-1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(rb"\u2714 fraud/2 \u2192 staging: promoted")


@pytest.mark.parametrize("option", ["--json", "--html", "--markdown"])
def test_a_file_that_cannot_be_written_is_told_before_anything_is_done(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else the version has moved, and the exit code says that the command was wrong."""
    for file, why in ((tmp_path / "none" / "f", "there is no folder"), (tmp_path, "cannot be written")):
        assert cli.main(["promote", "fraud/1", "--to", "staging", option, str(file)]) == 2
        assert why in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["status", "--json", "fraud"], "put --json last"),
        (["status"], "try: gatewright status --help"),
        ([], "try: gatewright --help"),
    ],
)
def test_a_command_that_lacks_something_says_where_to_look(
    words: list[str], remedy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what an option has taken that was meant for the command."""
    monkeypatch.setattr(sys, "argv", ["gatewright", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert remedy in capsys.readouterr().err
