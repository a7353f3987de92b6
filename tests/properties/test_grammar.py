"""Laws of reading policies: what is read can be written and read again; nothing that is written crashes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path as File

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatewright.measure import PATHS
from gatewright.paths import Path
from gatewright.policy.document import decode, read_document
from gatewright.policy.explain import sentence
from gatewright.policy.grammar import parse_check, same_rule
from gatewright.policy.load import read_policies
from gatewright.policy.model import Check, Place, Policy
from gatewright.problem import PolicyError, Problem

EXAMPLES = [f.read_text(encoding="utf-8") for f in sorted((File(__file__).parents[2] / "policies").glob("*.yaml"))]
START = Place("p.yaml", 1, 1)

# Texts that need quotes as well as texts that do not.
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
quoted = texts.map(lambda t: '"' + t.replace("\\", "\\\\").replace('"', '\\"') + '"')
words = st.sampled_from(["s3", "mlflow-artifacts", "v1.2", "done"]) | quoted
numbers = st.decimals(0, 10**6, places=4).map(lambda d: f"{d:f}") | st.sampled_from(["0", ".5", "1e-3", "95%", "7"])
signed = st.sampled_from(["", "-", "+"]).flatmap(lambda s: numbers.map(lambda n: s + n))
factors = st.decimals(Decimal("0.001"), 10, places=3).map(lambda d: f"{d:f}")
plain = numbers.filter(lambda n: "%" not in n)
metrics = st.sampled_from(["holdout.f1", "holdout.roc_auc", "holdout.rmse"])
slices = st.sampled_from(["", "by country", "gap by n", "ratio by y"]) | quoted.map(lambda q: f"by {q}")
ordered = st.sampled_from([">", ">=", "<", "<="])
rivals = (
    st.just("champion")
    | st.builds("champion {} {}".format, st.sampled_from("+-"), plain)
    | factors.map("champion*{}".format)
)
levels = st.sampled_from(["", "at 95%", "at 99.9 %"])
spaces = st.sampled_from([" ", "  ", "\t"])


def joined(*parts: str, space: str) -> str:
    """The parts that are there, with any white space between them."""
    return space.join(p for p in parts if p)


lines = st.one_of(
    st.builds(joined, metrics, slices, ordered, signed | rivals, levels, space=spaces),
    st.builds(joined, quoted.map("run[{}]".format), ordered | st.sampled_from(["==", "!="]), signed, space=spaces),
    st.builds(joined, quoted.map("tags[ {} ]".format), st.sampled_from(["==", "!="]), words | signed, space=spaces),
    st.builds(
        joined, st.just("tags.x"), st.sampled_from(["in", "not in", "not   in"]),
        st.lists(words, min_size=1, max_size=3).map(lambda w: f"[{','.join(w)}]"), space=spaces,
    ),
    st.builds(joined, st.just("latency.p95"), ordered, plain.map("{} ms".format), levels, space=spaces),
    quoted.map("params[{}]".format),
)  # fmt: skip


def outcome(text: str) -> tuple[tuple[Policy, ...], tuple[Problem, ...]]:
    """The policies of a text, or its problems."""
    try:
        return read_policies({"p.yaml": text}, PATHS), ()
    except PolicyError as error:
        return (), error.problems


def read(line: str) -> Check:
    """A line that must be good."""
    check = parse_check(line, PATHS, START)
    assert isinstance(check, Check), check
    return check


@given(lines)
def test_the_normal_spelling_of_a_check_reads_as_the_same_check(line: str) -> None:
    """And is its own normal spelling."""
    check = read(line)
    assert read(check.text) == check
    assert sentence(check)


@given(lines)
def test_the_normal_spelling_of_a_check_survives_yaml_quotes(line: str) -> None:
    """A check in single quotes comes out as it went in, and knows its column."""
    check = read(line)
    if not all(c.isprintable() for c in check.text):
        return
    row = PATHS.row(check.path)
    task = row.tasks[0] if row and row.tasks else "binary"
    escaped = check.text.replace("'", "''")
    targets = f"targets: {{t: {{alias: a, checks: ['{escaped}']}}}}"
    text = f"version: 1\nmodel: m\nholdout: {{data: d, target: t, task: {task}}}\n{targets}"
    found, problems = outcome(text)
    assert all("slices" in p.text for p in problems)
    for policy in found:
        (again,) = policy.targets[0].checks
        assert same_rule(again) == same_rule(check)
        assert again.place.col == targets.index("'") + 2


@given(texts)
def test_any_name_can_be_written_as_a_path(name: str) -> None:
    """Whatever MLflow let somebody call a metric."""
    path = Path("run", name)
    assert read(f"{path} > 1").path == path


@given(st.text(max_size=80) | st.builds(lambda a, b: a + b, lines, st.text(max_size=5)))
def test_any_line_is_a_check_or_a_fault_with_a_column_inside_it(line: str) -> None:
    """Never an exception."""
    result = parse_check(line, PATHS, START, columns={"country"})
    if isinstance(result, list):
        assert result and all(1 <= p.col <= len(line) + 1 and p.text for p in result)


@given(lines, st.data())
def test_a_line_that_is_cut_or_changed_anywhere_never_crashes(line: str, data: st.DataObject) -> None:
    """One character out, another in."""
    at = data.draw(st.integers(0, len(line)))
    other = data.draw(st.sampled_from([*"[]\"'<>=!-+*/.,%#@\\ 9aé−", ""]))
    assert parse_check(line[:at] + other + line[at + 1 :], PATHS, START)


def usable_or_faulty(text: str) -> None:
    """A policy, or problems that stand in the file."""
    found, problems = outcome(text)
    assert bool(found) is not bool(problems)
    height = text.count("\n") + text.count("\r") + 1
    assert all(p.line <= height and p.text and p.file == "p.yaml" for p in problems)


@given(st.text(max_size=200))
def test_any_text_is_a_policy_or_an_error(text: str) -> None:
    """Never another exception."""
    usable_or_faulty(text)


FRAGMENTS = [
    "", " ", "\n", "\t", ": ", "- ", "[", "]", "{", "}", '"', "'", "#", "&a ", "*a", "!!x ", "---\n", "...", "|", ">",
    "?", "null", "yes", "010", ".nan", "1e999", "9" * 400, "\u2028", "\ufeff", "%YAML 9.9\n", "<<: ", "champion",
    "at 95%",
    "\\",
]  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.sampled_from(EXAMPLES),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 30), st.sampled_from(FRAGMENTS)), min_size=1, max_size=4),
)
def test_a_policy_that_is_cut_or_changed_anywhere_is_a_policy_or_an_error(
    text: str, changes: list[tuple[int, int, str]]
) -> None:
    """Cuts of up to thirty characters, and what YAML minds most in their place."""
    for at, length, fragment in changes:
        text = text[:at] + fragment + text[at + length :]
    usable_or_faulty(text)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_text_or_a_problem_with_a_place(raw: bytes) -> None:
    """Files come as bytes."""
    text = decode("p.yaml", raw)
    if isinstance(text, str):
        read_document("p.yaml", text)
    else:
        assert text.line >= 1 and text.col >= 1
