"""Check lines: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gatewright.measure import PATHS
from gatewright.paths import Path, PathRow, Paths
from gatewright.policy.grammar import parse_check
from gatewright.policy.model import Champion, Check, Place
from gatewright.problem import Problem
from gatewright.quantity import Quantity

START = Place("p.yaml", 3, 9)


def check(line: str) -> Check:
    """A line that must be good."""
    read = parse_check(line, PATHS, START, columns={"country", "channel"})
    assert isinstance(read, Check), read
    return read


def faults(line: str) -> list[str]:
    """What is said of a line that must be bad: the column within the line, the fault and the remedy."""
    read = parse_check(line, PATHS, Place("", 1, 1), columns={"country", "channel"})
    assert isinstance(read, list), read
    return [str(p).removeprefix(":1:") for p in read]


def test_a_path_alone_asks_for_presence() -> None:
    """No operator, no operand."""
    read = check("lineage.git_commit")
    assert (read.path, read.op, read.operand) == (Path("lineage", "git_commit"), None, None)


def test_a_percentage_is_a_fraction_that_prints_as_it_was_written() -> None:
    """`95%` is 0.95 and stays `95%` for people."""
    read = check("holdout.accuracy > 95 %")
    assert read.operand == Quantity(Decimal("0.95"), "number", "percent", "95%")
    assert read.text == "holdout.accuracy > 95%"


def test_a_unit_counts_in_seconds_and_bytes() -> None:
    """A unit may stand apart from its number."""
    latency, size = check("latency.p95 < 100 ms").operand, check("model.size<=2GiB").operand
    assert isinstance(latency, Quantity) and latency.value == Decimal("0.1")
    assert isinstance(size, Quantity) and size.value == 2 * Decimal(2) ** 30


@pytest.mark.parametrize(
    ("line", "champion"),
    [
        ("holdout.f1 >= champion", Champion()),
        ("holdout.f1 >= champion-0.002", Champion(offset=Decimal("-0.002"), text="champion - 0.002")),
        ("latency.p95 <= champion + 5ms", Champion(offset=Decimal("0.005"), text="champion + 5ms")),
        ("latency.p95 <= champion * 1.10", Champion(factor=Decimal("1.10"), text="champion * 1.10")),
    ],
)
def test_the_champion_is_a_bound_with_a_factor_or_an_offset(line: str, champion: Champion) -> None:
    """Offsets are in base units and signed."""
    assert check(line).operand == champion


def test_a_slice_column_and_a_confidence_stand_around_the_comparison() -> None:
    """The whole grammar in one line."""
    read = check("holdout.recall by country >= champion - 0.02 at 95%")
    assert (read.aggregate, read.column, read.level) == ("by", "country", Decimal("0.95"))
    assert read.text == "holdout.recall by country >= champion - 0.02 at 95%"


@pytest.mark.parametrize("column", ["y", "n", "by", "at", "champion"])
def test_a_column_may_be_called_like_a_word_of_the_grammar(column: str) -> None:
    """After `by` stands a column, whatever it is called."""
    read = parse_check(f"holdout.recall gap by {column} <= 0.1", PATHS, START, columns={column})
    assert isinstance(read, Check) and read.column == column


def test_a_column_with_other_characters_is_quoted() -> None:
    """And stays quoted in the normal spelling."""
    read = parse_check("holdout.recall by 'merchant type' > 0.5", PATHS, START)
    assert isinstance(read, Check) and read.column == "merchant type"
    assert read.text == 'holdout.recall by "merchant type" > 0.5'


def test_a_list_may_hold_bare_words() -> None:
    """Dashes are part of a bare word on the right side."""
    read = check("artifact.scheme  not   in [s3,gs , mlflow-artifacts]")
    assert read.operand == ("s3", "gs", "mlflow-artifacts")
    assert read.text == "artifact.scheme not in [s3, gs, mlflow-artifacts]"


def test_a_backslash_in_quotes_is_kept_unless_it_escapes() -> None:
    """So that a regular expression reads as everywhere else."""
    assert check(r'tags.release matches "v\d+\.\d+"').operand == r"v\d+\.\d+"
    assert check(r'tags.note == "a \"b\" \\ c"').operand == r'a "b" \ c'


def test_a_name_in_brackets_is_the_same_path_as_the_name_after_a_dot() -> None:
    """Brackets are for names that no dot could carry."""
    assert check('run["accuracy"] > 0.9') == check("run.accuracy > 0.9")
    assert check('run["val/auc"] > 0.9').path == Path("run", "val/auc")
    assert check("run.val.auc > 0.9").path == Path("run", "val.auc")


def test_a_signature_comparison_is_known_to_need_the_champion() -> None:
    """`signature.compatible` is itself a comparison."""
    assert check("signature.compatible").needs_champion
    assert not check("signature").needs_champion


def test_the_ratio_of_two_times_is_a_plain_number() -> None:
    """Whatever the unit of the path, a ratio has none."""
    paths = Paths([PathRow("x", "y", "number", "", "", dimension="time", sliceable=True)])
    read = parse_check("x.y ratio by country >= 0.8", paths, START)
    assert isinstance(read, Check) and read.dimension == "number"


def test_a_metric_of_another_task_is_refused() -> None:
    """Where the vocabulary says which task a metric is for."""
    paths = Paths([PathRow("holdout", "rmse", "number", "", "", tasks=("regression",))])
    assert parse_check("holdout.rmse < 3", paths, START, task="binary") == [
        Problem("p.yaml", 3, 9, "holdout.rmse is no metric of a binary model", "it is one of regression")
    ]
    assert isinstance(parse_check("holdout.rmse < 3", paths, START, task="regression"), Check)


def test_a_fault_stands_at_its_own_place_in_the_file() -> None:
    """The column counts from where the line begins."""
    read = parse_check("run.a > ?", PATHS, START)
    assert isinstance(read, list)
    assert (read[0].file, read[0].line, read[0].col) == ("p.yaml", 3, 17)


FAULTS = {
    # paths
    "holdout.acuracy > 0.9": '1: unknown path "holdout.acuracy" (did you mean "holdout.accuracy"?)',
    "runs.accuracy > 0.9": '1: unknown path "runs.accuracy" (did you mean "run.accuracy"?)',
    "signature.compatibel": '1: unknown path "signature.compatibel" (did you mean "signature.compatible"?)',
    "input_example.rows": '1: unknown path "input_example.rows" (input_example stands alone)',
    "memory.p95 < 1GB": '1: unknown path "memory.p95" (there is memory.peak)',
    "0.9 < run.x": "1: a check begins with a path, not a number (write run.accuracy >= 0.9)",
    '"run.x" > 1': '1: a check begins with a path, not with " (write the path bare: run.accuracy >= 0.9)',
    "": "1: this check is empty (a check begins with a path: run.accuracy >= 0.9)",
    "run.": "5: a name is missing after the dot",
    "run.0_auc > 1": '5: "0_auc" cannot stand bare after a dot (write run["0_auc"])',
    "run.val-auc > 0.9": '8: "-" cannot stand in a bare name (write run["val-auc"])',
    "run.val/auc > 0.9": '8: "/" cannot stand in a bare name (write run["val/auc"])',
    "run[auc] > 1": '5: a name in brackets needs quotes (write run["auc"])',
    'run["auc > 1': "5: this quote is never closed",
    'run["auc" > 1': '11: a "]" is missing after the name',
    'run[""] > 1': "5: the name in the brackets is empty",
    "tags.“a” == b": "6: \"“a”\" cannot stand bare after a dot (write tags[\"“a”\"])",
    # slices
    "holdout.recall by contry > 0.9": (
        '19: "contry" is not among the slices of the holdout (did you mean "country"?)'
    ),
    "holdout.recall by age > 0.9": (
        '19: "age" is not among the slices of the holdout (add it to slices in the holdout block)'
    ),
    "holdout.recall by merchant-type > 1": (
        '19: the column "merchant-type" cannot stand bare (write by "merchant-type")'
    ),
    "holdout.recall by > 1": '19: a column is missing after "by" (write by country)',
    "holdout.recall gap > 1": '16: "gap" wants a column (write gap by country)',
    "holdout.recall by country": '16: "by" needs a comparison (write holdout.recall by country >= 0.9)',
    "holdout.recall >= 0.9 by country": (
        '23: "by" does not fit here (it stands before the operator: holdout.recall by country >= 0.9)'
    ),
    "run.accuracy by country > 0.9": (
        '14: run.accuracy cannot be sliced (only what is measured on the holdout has slices; leave "by" out)'
    ),
    # operators
    "run.x => 1": '7: there is no operator "=>" (did you mean ">="?)',
    "run.x = 1": '7: there is no operator "=" (did you mean "=="?)',
    "run.x ≥ 1": '7: there is no operator "≥" (did you mean ">="?)',
    "run.x above 1": '7: "above" does not fit here (did you mean ">"?)',
    "run.x 1": '7: "1" does not fit here (an operator is missing: > >= < <= == !=)',
    "tags.x matchs y": '8: "matchs" does not fit here (did you mean "matches"?)',
    "model.flavor > 3": (
        '14: model.flavor is a text: ">" does not fit (compare with == != in, not in or matches)'
    ),
    "signature > 0": '11: signature is true or false: ">" does not fit (write signature alone)',
    'run.x matches "1.*"': '7: run.x is a number: "matches" does not fit (compare with > >= < <= == !=)',
    "run.x > 0.9 and run.y > 1": '13: "and" does not fit here (one line holds one rule; write two lines)',
    "0.5 < run.x < 0.9": "1: a check begins with a path, not a number (write run.accuracy >= 0.9)",
    "run.x > 0.5 < 0.9": '13: "<" does not fit here (one line holds one comparison; write two lines)',
    # values
    "run.x >": "8: a value is missing here (write a number, a text, champion or a [list])",
    "run.x > nan": (
        '9: nan is not a bound: nothing compares with it (write a number, or "nan" for the text)'
    ),
    "params.x == null": (
        '13: null is not a bound: nothing compares with it (write a number, or "null" for the text)'
    ),
    "run.x > -inf": "9: -inf is not a bound: nothing compares with it (write a finite number)",
    "run.x > 1e400": "9: 1e400 is out of range",
    "run.x > 1e99999999999999999999": "9: 1e99999999999999999999 is out of range",
    "run.x > 1,000": "10: a number holds no comma (write 1000)",
    "run.x > 0,95": "10: a number holds no comma (write 0.95)",
    "run.x > 1_000": "10: a number holds no underscore (write 1000)",
    "params.date == 2026-10-01": '16: "2026-10-01" is not a number (for the text write "2026-10-01" in quotes)',
    "tags.x == True": '11: "True" may be a flag or a text (write true, or "True" in quotes)',
    "tags.x == two words": '15: "words" does not fit here (texts with spaces need quotes)',
    "tags.x == “a”": '11: "“" is a typographer\'s quote (write straight quotes)',
    'tags.x == "a': "11: this quote is never closed",
    "run.x > champoin": '9: ">" compares numbers, champoin is none (did you mean "champion"?)',
    "run.x == good": "10: run.x is a number, good is not",
    "signature == yes": "14: signature is true or false, yes is not",
    "model.flavor == 3": '17: model.flavor is a text, 3 is not (for the text write "3" in quotes)',
    # lists and patterns
    "tags.x in s3": '11: "in" wants a list (write in [s3])',
    "tags.x in []": "11: the list is empty: nothing is in it",
    "tags.x in [a, 1]": "15: 1 is of another kind than a (put all of them in quotes, or none)",
    "tags.x in [a b]": '14: a "," or "]" is missing here (texts with spaces need quotes)',
    "tags.x in [champion]": '12: champion cannot stand in a list (for the text write "champion")',
    "tags.x == [a]": '11: "==" compares with one value, not with a list (write in […])',
    'tags.x matches "a(b"': "18: this regular expression is broken: missing ), unterminated subpattern",
    "tags.x matches [a-z]+": '16: a regular expression needs quotes (write matches "[a-z]+")',
    'tags.x matches "([a-z]+-?)+"': "16: this regular expression may never end on a text that somebody chose "
    "(a repetition in a repetition takes the same characters: write [a-z]+(-[a-z]+)* for ([a-z]+-?)+)",
    'tags.x matches "[[a]"': "16: this regular expression cannot be used: Possible nested set at position 1",
    # the champion
    "holdout.accuracy >= champion - 1%": (
        "21: \"champion - 1%\" may mean a share of the champion's value or a difference "
        "(write champion * 0.99 or champion - 0.01)"
    ),
    "latency.p95 <= champion + 10%": (
        "16: \"champion + 10%\" may mean a share of the champion's value or a difference (write champion * 1.1)"
    ),
    "holdout.f1 >= champion * 110%": "26: a factor is a plain number, not 110% (write champion * 1.1)",
    "run.x >= champion * 2ms": "22: a factor has no unit, 2ms has (write champion * 2)",
    "run.x >= champion * 0": "21: a factor must be more than 0",
    "run.x >= champion / 2": "19: champion cannot be divided (write a factor: champion * 0.5)",
    "run.x >= champion * 1.1 - 0.1": "25: champion takes a factor or an offset, not both (choose one)",
    "run.x >= champion - -0.1": "21: two signs stand before one number (write the number without a sign)",
    "run.x >= 1.1 * champion": '14: "*" does not fit here (a factor follows the champion: champion * 1.1)',
    "run.x == champion": (
        '10: "==" does not compare with the champion '
        '(compare with > >= < <=; for the text write "champion" in quotes)'
    ),
    "latency.p95 <= champion + 5": (
        "27: latency.p95 is a time, and 5 has no unit (write 5ms or 5s)"
    ),
    # units
    "model.age < 7": "13: model.age is a time, and 7 has no unit (write 7h or 7d)",
    "metrics.auc > 0.9": '1: unknown path "metrics.auc" (did you mean "run.auc"?)',
    "latency.p95 < 100": "15: latency.p95 is a time, and 100 has no unit (write 100ms or 100s)",
    "latency.p95 < 95%": "15: latency.p95 is a time, and 95% has the unit % (write 95ms or 95s)",
    "latency.p95 < 5GB": "15: latency.p95 is a time, and 5GB has the unit GB (write 5ms or 5s)",
    "latency.p95 < 100MS": '18: unknown unit "MS" (did you mean "100ms"?)',
    "model.age < 7 days": '15: unknown unit "days" (did you mean "7d"?)',
    "model.size < 2TB": '15: unknown unit "TB" (there is B KB MB GB KiB MiB GiB)',
    "run.x > 95ms": (
        "11: run.x is a plain number: the unit ms does not fit "
        "(write the plain number as it was logged: run values carry no unit)"
    ),
    "holdout.f1 > 2s": "15: holdout.f1 is a plain number: the unit s does not fit (write the plain number)",
    "holdout.f1 > 2pp": '15: unknown unit "pp" (did you mean "2%"?)',
    # confidence
    "holdout.f1 > 0.9 at 95": "21: a confidence is a percentage (write at 95%)",
    "holdout.f1 > 0.9 at 0.9": "21: a confidence is a percentage (write at 90%)",
    "holdout.f1 > 0.9 at": '18: "at" wants a confidence (write at 95%)',
    "holdout.f1 > 0.9 at 0%": "21: a confidence lies above 50% and below 100%, 0% does not (write at 95%)",
    "holdout.f1 > 0.9 at 100%": "21: a confidence lies above 50% and below 100%, 100% does not (write at 95%)",
    "holdout.f1 == 0.9 at 95%": '19: "==" has no confidence ("at" goes with > >= < <=)',
    "holdout.f1 at 95%": '12: "at" needs a comparison (write holdout.f1 >= 0.9 at 95%)',
    "run.x > 0.9 at 95%": '13: run.x is no estimate from a sample, so it has no confidence (leave "at 95%" out)',
}  # fmt: skip


@pytest.mark.parametrize("line", FAULTS)
def test_a_faulty_line_is_answered_with_its_place_and_its_remedy(line: str) -> None:
    """The wording is what users meet: it is pinned."""
    assert faults(line) == [FAULTS[line]]


def test_every_fault_of_a_line_is_reported_at_once() -> None:
    """An unknown path hides neither the column nor the confidence."""
    assert [f.split(":")[0] for f in faults("holdout.acuracy by contry >= 95% at 95")] == ["1", "20", "37"]
