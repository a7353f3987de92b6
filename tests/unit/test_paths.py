"""The vocabulary of facts: names, look-up, suggestions."""

from __future__ import annotations

import pytest

from gatewright.paths import Path, PathRow, Paths

PATHS = Paths(
    [
        PathRow("run", "*", "number", "a metric", ""),
        PathRow("signature", "", "flag", "a signature", ""),
        PathRow("signature", "compatible", "flag", "it fits", ""),
        PathRow("latency", "p95", "number", "a time", "", dimension="time"),
        PathRow("latency", "p99", "number", "a time", "", dimension="time"),
        PathRow("input_example", "", "flag", "an example", ""),
    ]
)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (Path("signature"), "signature"), (Path("run", "auc"), "run.auc"), (Path("run",
        "val.auc"), "run.val.auc"),
        (Path("run", "val/auc"), 'run["val/auc"]'), (Path("run", "val.0"), 'run["val.0"]'),
        (Path("run", 'a"b\\c'), 'run["a\\"b\\\\c"]'), (Path("run", "prüfung"), "run.prüfung"), (Path("run",
        "a."), 'run["a."]'),
    ],
)  # fmt: skip
def test_a_path_is_written_as_a_check_reads_it(path: Path, text: str) -> None:
    """Bare where the grammar takes it bare, else in brackets."""
    assert str(path) == text


def test_a_family_with_a_star_knows_any_key_but_none() -> None:
    """`run.NAME` is a fact, `run` alone is not."""
    assert PATHS.row(Path("run", "anything at all")) is PATHS.rows[0]
    assert PATHS.row(Path("run")) is None


def test_a_bare_family_is_not_its_member() -> None:
    """`signature` and `signature.compatible` are two facts."""
    bare, member = PATHS.row(Path("signature")), PATHS.row(Path("signature", "compatible"))
    assert bare is not None and member is not None and bare != member
    assert PATHS.row(Path("signature", "other")) is None


def test_rows_have_the_names_that_documentation_uses() -> None:
    """NAME stands for any."""
    assert [r.name for r in PATHS.rows[:4]] == ["run.NAME", "signature", "signature.compatible", "latency.p95"]


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        (Path("latency", "p59"), 'did you mean "latency.p99"?'),
        (Path("latency", "P95"), 'did you mean "latency.p95"?'),
        (Path("latency", "median"), "there is latency.p95, latency.p99"),
        (Path("latency"), "there is latency.p95, latency.p99"),
        (Path("latncy", "p95"), 'did you mean "latency.p95"?'),
        (Path("runs", "auc"), 'did you mean "run.auc"?'),
        (Path("run"), "there is run.NAME"),
        (Path("Signature"), 'did you mean "signature"?'),
        (Path("input_example", "rows"), "input_example stands alone"),
        (Path("zzz", "x"), "a path begins with one of input_example, latency, run, signature"),
    ],
)
def test_an_unknown_path_is_answered_with_the_closest_or_with_what_there_is(path: Path, remedy: str) -> None:
    """A remedy in every case."""
    assert PATHS.suggest(path) == remedy
