"""Whole policy files: what they come to, and everything that is said of those that cannot be used."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gatewright.measure import PATHS
from gatewright.policy.load import read_policies
from gatewright.policy.model import Approver, Latency, LiveMetric, Policy, Rule
from gatewright.problem import PolicyError

HEAD = "version: 1\nmodel: m\n"
HOLDOUT = "holdout: {data: d.csv, target: y, task: binary, slices: [country, n]}\n"
STAGING = "targets: {staging: {stage: Staging, checks: [signature]}}\n"
LIVE = (
    "live:\n"
    "  split: {champion: 90, challenger: 10%}\n"
    "  unit: customer\n"
    "  outcomes: {data: t.parquet}\n"
    "  primary: sales\n"
    "  guardrails: [{name: returns, better: lower, margin: 1%}]\n"
)


def loaded(text: str) -> Policy:
    """A policy that must be good."""
    (policy,) = read_policies({"p.yaml": text}, PATHS)
    return policy


def faults(text: str) -> list[str]:
    """What is said of a policy that must be bad, without the name of its file."""
    with pytest.raises(PolicyError) as caught:
        read_policies({"p": text}, PATHS)
    return [str(problem).removeprefix("p:") for problem in caught.value.problems]


def target(body: str, head: str = HEAD + HOLDOUT) -> str:
    """A file with one target, its keys from line 6 on."""
    return f"{head}targets:\n  t:\n" + "".join(f"    {line}\n" for line in body.splitlines())


def lines(policy: Policy, name: str) -> list[str]:
    """The blocking checks of a target."""
    found = policy.target(name)
    assert found is not None
    return [check.text for check in found.blocking]


def test_the_unknown_key_of_the_contract_reads_as_the_contract_says() -> None:
    """Place, fault, remedy."""
    text = "version: 1\nmodel: m\ntargets:\n  staging: {stage: Staging, checks: [signature], expire: 7d}\n"
    with pytest.raises(PolicyError) as caught:
        read_policies({"policies/fraud.yaml": text}, PATHS)
    assert str(caught.value) == 'policies/fraud.yaml:4:50: unknown key "expire" (did you mean "expires"?)'


def test_a_policy_holds_what_its_file_says() -> None:
    """Defaults included."""
    policy = loaded(HEAD + HOLDOUT + STAGING)
    staging = policy.targets[0]
    assert (policy.file, policy.model) == ("p.yaml", "m")
    assert policy.holdout is not None and policy.holdout.slices == ("country", "n")
    assert (staging.stage, staging.archive_existing, staging.alias) == ("Staging", True, "")
    assert staging.exclude == ("requester", "pr_author", "model_author")
    assert (staging.expires, staging.stale_after) == (Decimal(7 * 86400), None)
    assert (staging.place.line, staging.place.col) == (4, 11)


def test_columns_called_y_and_n_are_columns() -> None:
    """Only YAML 1.1 takes them for flags, and few of its readers do."""
    assert loaded(target("stage: Staging\nchecks: [holdout.recall by n > 0.5]")).targets[0].checks[0].column == "n"


def test_warnings_follow_the_checks_and_do_not_block() -> None:
    """One tuple, two severities."""
    policy = loaded(target("stage: Staging\nchecks: [signature]\nwarnings: [input_example]"))
    assert [(c.text, c.severity) for c in policy.targets[0].checks] == [
        ("signature", "block"),
        ("input_example", "warn"),
    ]


def test_the_long_form_names_a_check_and_says_what_holds_where_it_cannot_be_told() -> None:
    """Every option."""
    options = "if_no_champion: fail, if_inconclusive: warn, if_missing: skip"
    check = f"{{check: holdout.f1 >= champion at 95%, name: f1, {options}}}"
    (read,) = loaded(target(f"stage: Staging\nchecks:\n- {check}")).targets[0].checks
    assert (read.name, read.if_no_champion, read.if_inconclusive, read.if_missing) == ("f1", "fail", "warn", "skip")
    assert read.text == "holdout.f1 >= champion at 95%"


def test_speed_is_measured_by_default_where_a_check_asks_for_it() -> None:
    """The latency block may be left out."""
    assert loaded(target("stage: Staging\nchecks: [latency.p95 < 100ms]")).latency == Latency(300, 30, 1)
    assert loaded(target("stage: Staging\nchecks: [signature]")).latency is None


def test_people_and_approvers_are_read_with_their_pins() -> None:
    """A team, a login, a login with its id."""
    policy = loaded(
        HEAD
        + STAGING.replace("[signature]", '[signature], approvals: [{from: [octo, "octa#12", "@a/b"], count: 3}]')
        + "people: {anna@acme.com: anna-dev#7}\n"
    )
    approvers = (Approver("octo"), Approver("octa", 12), Approver(team="a/b"))
    assert policy.targets[0].approvals == (Rule("octo, octa#12, @a/b", approvers, 3),)
    assert policy.people == {"anna@acme.com": Approver("anna-dev", 7)}


def test_a_live_split_is_read_in_fractions_and_seconds() -> None:
    """Shares of one, spans in seconds, guardrails non-inferior."""
    live = loaded(HEAD + LIVE + STAGING).live
    assert live is not None
    assert live.split == {"champion": Decimal("0.9"), "challenger": Decimal("0.1")}
    assert live.primary == LiveMetric("sales")
    assert live.guardrails == (LiveMetric("returns", "lower", "non_inferior", Decimal("0.01")),)
    assert (live.alpha, live.min_runtime) == (Decimal("0.05"), Decimal(7 * 86400))


def test_layout_and_comments_leave_the_digest_alone() -> None:
    """Approvals bind to the rules, not to how they are written."""
    one = loaded(target("stage: Staging\nchecks:\n- holdout.accuracy > 95%"))
    same = loaded("# a comment\n" + target("checks: ['holdout.accuracy>95 %']\nstage: Staging  # here"))
    other = loaded(target("stage: Staging\nchecks:\n- holdout.accuracy > 94%"))
    digest = one.digest(one.targets[0])
    assert same.digest(same.targets[0]) == digest != other.digest(other.targets[0])


# Includes.


def ladder(*rungs: str) -> str:
    """Targets a, b, c … each with the given checks."""
    return (
        HEAD
        + "targets:\n"
        + "".join(
            f"  {name}: {{alias: {name}, checks: {checks}}}\n" for name, checks in zip("abcd", rungs, strict=False)
        )
    )


def test_an_include_takes_over_checks_with_their_places() -> None:
    """In the place where it stands, and theirs with them."""
    policy = loaded(ladder("[signature]", "[lineage.run, include: a, run.x]", "[include: b, model.size < 1GB]"))
    assert lines(policy, "c") == ["lineage.run", "signature", "run.x", "model.size < 1GB"]
    assert [c.place.line for c in policy.targets[2].checks] == [5, 4, 5, 6]


def test_a_check_that_comes_by_two_ways_stands_once() -> None:
    """The first place keeps it."""
    policy = loaded(ladder("[signature, run.x]", "[include: a]", "[run.x, include: a, include: b]"))
    assert lines(policy, "c") == ["run.x", "signature"]


def test_an_include_does_not_take_warnings_over() -> None:
    """A warning of one rung is no check of the next."""
    policy = loaded(
        HEAD + "targets:\n  a: {alias: a, checks: [signature], warnings: [input_example]}\n"
        "  b: {alias: b, checks: [include: a]}\n"
    )
    assert [c.text for c in policy.targets[1].checks] == ["signature"]


def test_a_later_target_may_be_included() -> None:
    """The order of the ladder says nothing about who may borrow from whom."""
    assert lines(loaded(ladder("[include: b]", "[signature]")), "a") == ["signature"]


def test_includes_that_go_round_in_a_circle_are_an_error_once() -> None:
    """Named at the line that closes the circle."""
    assert faults(ladder("[include: b, signature]", "[include: c]", "[include: a]")) == [
        "6:26: this include goes round in a circle: a → b → c → a (take one of them out)"
    ]


def test_includes_that_double_at_each_rung_do_not_explode() -> None:
    """Fifty rungs, each taking the one below twice over by another way."""
    rungs = "".join(
        f"  t{n}: {{alias: t{n}, checks: [include: t{n - 1}, include: t{max(n - 2, 0)}, run.x{n}]}}\n"
        for n in range(2, 50)
    )
    first = "targets:\n  t0: {alias: t0, checks: [signature]}\n  t1: {alias: t1, checks: [include: t0]}\n"
    assert len(lines(loaded(HEAD + first + rungs), "t49")) == 49


# Every file, every fault.


def test_all_problems_of_all_files_come_at_once_in_order() -> None:
    """Syntax of one file does not hide the others."""
    with pytest.raises(PolicyError) as caught:
        read_policies({"b.yaml": "version: 2\nmodel: m\n" + STAGING, "a.yaml": "a: [", "c.yaml": ""}, PATHS)
    assert [(p.file, p.line) for p in caught.value.problems] == [("a.yaml", 1), ("b.yaml", 1), ("c.yaml", 1)]


def test_two_files_for_one_model_are_an_error_in_the_second() -> None:
    """Nobody could say which one counts."""
    with pytest.raises(PolicyError) as caught:
        read_policies({"a.yaml": HEAD + STAGING, "b.yaml": HEAD + STAGING}, PATHS)
    assert str(caught.value) == 'b.yaml:2:8: model "m" has a policy already (in a.yaml:2)'


def test_no_files_are_no_policies() -> None:
    """A folder without policies is the caller's to refuse."""
    assert read_policies({}, PATHS) == ()


@pytest.mark.parametrize("model", ["fraud detector", "prod.fraud", "a@b", "日本", "x|y", "'12'", "'yes'"])
def test_a_model_may_be_called_what_mlflow_lets_it(model: str) -> None:
    """Anything without a slash and a colon."""
    assert loaded(f"version: 1\nmodel: {model}\n" + STAGING).model == model.strip("'")


FILES = {
    "": ['1:1: this file is empty (a policy begins with "version: 1")'],
    "# nothing\n": ['1:1: this file is empty (a policy begins with "version: 1")'],
    "hello": [
        '1:1: the policy must be a mapping, not "hello" '
        "(its keys: version, model, holdout, latency, live, targets, people)"
    ],
    "model: m\n" + STAGING: ['1:1: the policy lacks "version" (the version of this format: 1)'],
    "version: 2\nmodel: m\n" + STAGING: [
        "1:10: this version of the format is not known here (write version: 1)"
    ],
    "version: '1'\nmodel: m\n" + STAGING: [
        "1:10: this version of the format is not known here (write version: 1)"
    ],
    "version: 1\nmodel: a/b\n" + STAGING: [
        '2:8: "a/b" cannot be a registered model (MLflow\'s names hold no / and no :)'
    ],
    "version: 1\nmodel: 12\n" + STAGING: [
        '2:8: "model" must be a text, not the number 12 (write "12" in quotes)'
    ],
    "version: 1\nmodel: yes\n" + STAGING: [
        "2:8: yes means different things to different readers of YAML "
        '(write true for the flag, or "yes" in quotes for the text)'
    ],
    "version: 1\nmodel:\n" + STAGING: ['2:1: "model" is empty (give it a value, or leave the key out)'],
    'version: 1\nmodel: "a\\nb"\n' + STAGING: [
        '2:8: "model" holds a line break or another control character'
    ],
    HEAD: ['1:1: the policy lacks "targets" (the rungs of the ladder, lowest first)'],
    HEAD + "targets: {}": ['3:10: "targets" is empty (fill it, or leave the key out)'],
    HEAD + "targets: {a b: {stage: Staging, checks: [signature]}}": [
        '3:11: "a b" cannot be the name of a target (a comment must be able to name it: letters, digits, _ . and -)'
    ],
    HEAD + "targets: {a: {alias: x, checks: [signature]}, A: {alias: y, checks: [signature]}}": [
        '3:47: "A" and "a" differ only in letter case (rename one of them)'
    ],
    HEAD + STAGING + "treshold: 1\nmodel: n\n": [
        '4:1: unknown key "treshold" (the policy has: version, model, holdout, latency, live, targets, people)',
        '5:1: duplicate key "model" (line 2 has it already)',
    ],
}  # fmt: skip


@pytest.mark.parametrize("text", FILES)
def test_a_faulty_file_is_answered_with_its_place_and_its_remedy(text: str) -> None:
    """The wording is what users meet: it is pinned."""
    assert faults(text) == FILES[text]


TARGETS = {
    # how a target is held
    "checks: [signature]": [
        '5:3: no version can ever hold target "t" (give it a stage, an alias, or copy_to)'
    ],
    "stage: staging\nchecks: [signature]": ['6:12: MLflow has no stage "staging" (did you mean "Staging"?)'],
    "stage: Archived\nchecks: [signature]": [
        '6:12: no version is promoted to "Archived" (Staging and Production are stages to hold)'
    ],
    "stage: QA\nchecks: [signature]": [
        '6:12: MLflow has no stage "QA" (MLflow has Staging and Production; for other names use an alias)'
    ],
    "alias: Latest\nchecks: [signature]": ['6:12: MLflow keeps the alias "latest" for itself (choose another)'],
    "alias: v12\nchecks: [signature]": [
        '6:12: MLflow reads the alias "v12" as a version number (choose another)'
    ],
    "alias: a b\nchecks: [signature]": [
        '6:12: "a b" cannot be an alias (MLflow allows letters, digits, _ and -)'
    ],
    "alias: a\narchive_existing: true\nchecks: [signature]": [
        '7:23: "archive_existing" goes with a stage (leave it out)'
    ],
    "copy_to: m\nchecks: [signature]": [
        '6:14: "m" cannot be copied into itself (name another registered model)'
    ],
    "copy_to: a:b\nchecks: [signature]": [
        '6:14: "a:b" cannot be a registered model (MLflow\'s names hold no / and no :)'
    ],
    "stage: Staging\nafter: t\nchecks: [signature]": ['7:12: "t" cannot stand after itself (name a lower target)'],
    "stage: Staging\nafter: s\nchecks: [signature]": ['7:12: there is no target "s" below "t" (leave it out)'],
    # lists of checks
    "stage: Staging": ['6:5: target "t" lacks "checks" (what must hold)'],
    "stage: Staging\nchecks: []": ['7:13: "checks" is an empty list (fill it)'],
    "stage: Staging\nchecks:": ['7:5: "checks" is empty (give it a value, or leave the key out)'],
    "stage: Staging\nchecks: signature": ['7:13: "checks" must be a list, not "signature" (write [signature])'],
    "stage: Staging\nchecks: [signature]\nwarnings: []": [
        '8:15: "warnings" is an empty list (fill it, or leave the key out)'
    ],
    "stage: Staging\nchecks: [signature, ~]": ["7:25: a check must be a line of text, not empty"],
    "stage: Staging\nchecks: [signature, [x]]": [
        "7:25: a check must be one line, not a list (put the line in quotes)"
    ],
    "stage: Staging\nchecks:\n- signature\n- 'signature '": [
        "9:8: this check stands in line 8 already (one of them is enough)"
    ],
    "stage: Staging\nchecks: [signature]\nwarnings: [signature]": [
        "8:16: this check stands in line 7 already (one of them is enough)"
    ],
    'stage: Staging\nchecks:\n- tags["a: b"] == c': [
        '8:7: YAML reads the ": " in this line as a key and its value (put the whole line in quotes)'
    ],
    'stage: Staging\nchecks:\n- tags["a #b"] == c': [
        '8:12: this quote is never closed (YAML reads " #" as a comment: put the whole line in quotes)'
    ],
    "stage: Staging\nchecks:\n- {chek: signature}": [
        '8:7: a check lacks "check" (the line)',
        '8:8: unknown key "chek" (did you mean "check"?)',
    ],
    "stage: Staging\nchecks:\n- {check: signature, if_no_champion: fail}": [
        "8:42: this check does not ask for the champion (leave it out)"
    ],
    "stage: Staging\nchecks:\n- {check: signature, if_inconclusive: warn}": [
        "8:43: this check is never inconclusive (leave it out)"
    ],
    "stage: Staging\nchecks:\n- {check: signature, if_missing: ignore}": [
        '8:38: "if_missing" cannot be "ignore" (one of error, skip)'
    ],
    "stage: Staging\nchecks:\n- {include: nowhere}": [
        '8:7: there is no target "nowhere" to include (there is t)'
    ],
    "stage: Staging\nchecks:\n- {include: t, name: x}": [
        "8:7: this include goes round in a circle: t → t (take one of them out)",
        '8:20: unknown key "name" ("include" has: include)',
    ],
    "stage: Staging\nchecks: [signature]\nwarnings: [include: t]": [
        '8:16: "include" stands under checks only (an included check always blocks)'
    ],
    # what a check needs
    "stage: Staging\nchecks:\n- live.sales > 3": [
        "8:7: live.sales is measured in a live split, and there is none (add a live block)"
    ],
    "stage: Staging\nchecks:\n- latency.p99 < 5ms at 99%": [
        "8:7: latency.p99 < 5ms at 99% can never be decided by 300 calls (set latency: {requests: 459} or more)"
    ],
    # spans, words
    "stage: Staging\nexpires: 7\nchecks: [signature]": [
        '7:14: "expires" is a time, and 7 is none (write 7d or 7s)'
    ],
    "stage: Staging\nexpires: 0d\nchecks: [signature]": ['7:14: "expires" must be longer than nothing'],
    "stage: Staging\nexpires: 1 week\nchecks: [signature]": [
        '7:14: "expires" is a time: unknown unit "week" (write 7d or 30m)'
    ],
    "stage: Staging\nexclude: [requestor]\nchecks: [signature]": [
        '7:15: "exclude" does not know "requestor" (did you mean "requester"?)'
    ],
    "stage: Staging\narchive_existing: off\nchecks: [signature]": [
        "7:23: off means different things to different readers of YAML "
        '(write false for the flag, or "off" in quotes for the text)'
    ],
    "stage: Staging\nrollback: []\nchecks: [signature]": [
        '7:15: "rollback" must be a mapping, not a list (its keys: approvals)'
    ],
    "stage: Staging\noverride: {}\nchecks: [signature]": [
        '7:15: "override" lacks "from" (logins and teams)'
    ],
}  # fmt: skip


@pytest.mark.parametrize("body", TARGETS)
def test_a_faulty_target_is_answered_with_its_place_and_its_remedy(body: str) -> None:
    """The wording is what users meet: it is pinned."""
    assert faults(target(body)) == TARGETS[body]


def test_an_included_nan_bound_or_null_is_no_check() -> None:
    """A bound that nothing compares with never becomes one."""
    found = faults(target("stage: Staging\nchecks:\n- .nan\n- run.x > .inf\n- {check: null}"))
    assert len(found) == 3 and all(f.startswith(("8:", "9:", "10:")) for f in found)


@pytest.mark.parametrize("path", ["holdout.accuracy > 0.9", "latency.p95 < 1s", "memory.peak < 1GB"])
def test_what_is_measured_with_rows_needs_a_holdout(path: str) -> None:
    """Latency and memory too: something must be sent."""
    name = path.split()[0]
    assert faults(target(f"stage: Staging\nchecks: [{path}]", HEAD + "\n")) == [
        f"7:14: {name} is measured on a holdout, and there is none (add a holdout block)"
    ]


def test_a_broken_holdout_does_not_make_its_checks_faulty() -> None:
    """One fault, one message."""
    broken = HEAD + "holdout: {data: d.csv, target: y, task: binry}\n"
    assert faults(target("stage: Staging\nchecks: [holdout.accuracy > 0.9]", broken)) == [
        '3:41: "task" cannot be "binry" (did you mean "binary"?)'
    ]


def test_targets_stand_after_lower_ones_only() -> None:
    """A ladder is climbed upwards."""
    text = HEAD + "targets:\n  a: {alias: a, after: b, checks: [run.x]}\n  b: {alias: b, after: aa, checks: [run.x]}\n"
    assert faults(text) == [
        '4:24: "b" stands higher than "a" (targets are written lowest first)',
        '5:24: there is no target "aa" below "b" (did you mean "a"?)',
    ]


def test_no_two_targets_are_held_the_same_way() -> None:
    """Stage, alias and bare copy; the same alias in another model is another alias."""
    text = HEAD + (
        "targets:\n"
        "  a: {stage: Staging, alias: x, checks: [run.x]}\n"
        "  b: {stage: Staging, checks: [run.x]}\n"
        "  c: {copy_to: prod, checks: [run.x]}\n"
        "  d: {copy_to: prod, checks: [run.x]}\n"
        "  e: {copy_to: prod, alias: x, checks: [run.x]}\n"
        "  f: {alias: x, checks: [run.x]}\n"
    )
    assert faults(text) == [
        '5:14: target "a" is held by stage "Staging" already (each target needs its own)',
        '7:16: target "c" is held by copy_to "prod" already (each target needs its own)',
        '9:14: target "a" is held by alias "x" already (each target needs its own)',
    ]


BLOCKS = {
    "holdout: {target: y, task: binary}": [
        '3:10: "holdout" lacks "data" (a path or URI: parquet (a file or a folder), csv, or an MLflow artifact URI)'
    ],
    "holdout: {data: 's3://me:secret@b/d', target: y, task: binary}": [
        '3:17: "data" holds a password or a key, and everybody can read a policy '
        "(give the job its credentials as variables: docs/holdout.md)"
    ],
    "holdout: {data: 'abfss://c@a.dfs.core.windows.net/d?sig=x', target: y, task: binary}": [
        '3:17: "data" holds a password or a key, and everybody can read a policy '
        "(give the job its credentials as variables: docs/holdout.md)"
    ],
    "holdout: {data: 2026-10-01, target: y, task: binary}": [
        "3:17: 2026-10-01 means different things to different readers of YAML "
        '(write "2026-10-01" in quotes for the text)'
    ],
    "holdout: {data: d, target: y, task: regression, positive: 1}": [
        '3:59: "positive" says nothing where task is regression (leave it out)'
    ],
    "holdout: {data: d, target: y, task: binary, positive: .nan}": ['3:55: "positive" is not finite: .nan'],
    "holdout: {data: d, target: y, task: binary, features: [x, y]}": [
        '3:55: "y" is the truth: a model that is given it has nothing to predict (take it out of features)'
    ],
    "holdout: {data: d, target: y, task: binary, slices: [a, a]}": ['3:57: "a" stands in "slices" twice'],
    "holdout: {data: d, target: y, task: binary, slices: []}": [
        '3:53: "slices" is an empty list (fill it, or leave the key out)'
    ],
    "holdout: {data: d, target: y, task: binary, slices: [1]}": [
        '3:54: an item of "slices" must be a text, not the number 1 (write "1" in quotes)'
    ],
    "holdout: {data: d, target: y, task: binary, slices: [age], bins: {aeg: [3]}}": [
        '3:67: "aeg" is not among the slices (did you mean "age"?)'
    ],
    "holdout: {data: d, target: y, task: binary, slices: [age], bins: {age: [3, 2, .inf, x]}}": [
        "3:76: the edges must ascend: 2 follows 3",
        "3:79: an edge must be finite, not .inf (what lies outside has its own bin)",
        '3:85: an edge must be a number, not "x"',
    ],
    "holdout: {data: d, target: y, task: binary, min_slice_rows: 0}": [
        '3:61: "min_slice_rows" must be at least 1 and at most 1000000000, not 0'
    ],
    "holdout: {data: d, target: y, task: binary, min_slice_rows: 1.5}": [
        '3:61: "min_slice_rows" must be a whole number, not the number 1.5'
    ],
    "holdout: {data: d, target: y, task: binary, sha256: abc}": [
        '3:53: "sha256" must be 64 hexadecimal digits (sha256sum FILE prints them)'
    ],
    "holdout: {data: d, target: y, task: binary, sandbox: requiere}": [
        '3:54: "sandbox" cannot be "requiere" (did you mean "require"?)'
    ],
    "holdout: {data: d, target: y, task: binary, timeout: 5%}": [
        '3:54: "timeout" is a time, and 5% is none (write 7d or 30m)'
    ],
    "latency: {requests: 010}": [
        "3:21: 010 means different things to different readers of YAML "
        '(write 10 or 8 for the number that you mean, or "010" in quotes for the text)'
    ],
    "latency: {warmup: -1}": ['3:19: "warmup" must be at least 0 and at most 1000000000, not -1'],
    "latency: 3": ['3:10: "latency" must be a mapping, not the number 3 (its keys: requests, warmup, batch)'],
    LIVE.replace("challenger: 10%", "challenger: 5"): [
        "4:10: the split must share out 100 between two arms (write {champion: 90, challenger: 10})"
    ],
    LIVE.replace("challenger: 10%", "chalenger: 10"): [
        "4:10: the split must share out 100 between two arms (write {champion: 90, challenger: 10})",
        '4:25: unknown arm "chalenger" (did you mean "challenger"?)',
    ],
    LIVE.replace("10%", "0"): ["4:37: an arm's share must be a number above 0 and below 100 (write 90 or 90%)"],
    LIVE + "  alpha: 60%\n": ['9:10: "alpha" must lie above 0 and below 50% (write 5%)'],
    LIVE + "  max_runtime: 3d\n": [
        '9:16: "max_runtime" is shorter than "min_runtime" (nothing could ever be decided)'
    ],
    LIVE.replace("name: returns", "name: sales"): [
        '8:15: two metrics are called "sales" (give each its own name)'
    ],
    LIVE.replace("margin: 1%", "margin: -1"): [
        '8:55: "margin" must not be negative (it is how much worse is still accepted)'
    ],
    LIVE.replace("margin: 1%", "require: superior"): [
        "8:56: a guardrail is non_inferior (what must become better is the primary metric)"
    ],
    LIVE.replace("primary: sales", "primary: {name: sales, margin: 1}"): [
        '7:34: "margin" goes with require: non_inferior (leave it out)'
    ],
    LIVE.replace("data: t.parquet", "data: t.parquet, value: v"): [
        '6:38: "value" goes with "metric", in a table with a row for each metric'
    ],
    LIVE.replace("champion: 90, challenger: 10%", "champion: 90.125, challenger: 9.875"): [
        "4:21: an arm's share of 90.125 % cannot be routed (write whole hundredths of a percent, such as 12.25)",
        "4:41: an arm's share of 9.875 % cannot be routed (write whole hundredths of a percent, such as 12.25)",
    ],
    LIVE.replace("t.parquet", "postgresql://reader@db/shop"): [
        "6:20: a database is asked a question, and there is none (add query: SELECT … FROM …)"
    ],
    LIVE.replace("t.parquet", "t.parquet, query: select 1"): [
        '6:38: "query" is for a database, and t.parquet is none '
        "(leave it out, or write a URL such as postgresql://reader@host/name)"
    ],
    LIVE.replace("t.parquet", "mlflow, metric: what"): [
        '6:36: "metric" goes with a table: what is logged to MLflow has no columns (leave it out)'
    ],
    LIVE.replace("t.parquet", "'postgresql://reader:hunter2@db/shop', query: q"): [
        '6:20: a password stands in "data", where everybody may read it '
        "(leave it out, change it, and set GATEWRIGHT_OUTCOMES_PASSWORD)"
    ],
    LIVE.replace("t.parquet", "'mysql://db/shop?user=u&passwd=hunter2', query: q"): [
        '6:20: a password stands in "data", where everybody may read it '
        "(leave it out, change it, and set GATEWRIGHT_OUTCOMES_PASSWORD)"
    ],
    LIVE + "  min_units: 30\n": ['9:14: "min_units" must be at least 100 and at most 1000000000, not 30'],
    LIVE + "  label_maturity: 25d\n": [
        "9:19: outcomes of the first 7d are due after 32d, and the split ends after 28d "
        "(set max_runtime to 32d or more)"
    ],
    LIVE.replace("t.parquet", "mlflow") + "  label_maturity: 1d\n": [
        "9:19: sums that are logged to MLflow do not tell how old each unit is "
        "(leave label_maturity out, or write outcomes as rows)"
    ],
    LIVE.replace("primary: sales", "primary: {name: sales, require: non_inferior}"): [
        "7:12: no traffic shows sales to be not worse by 0 (give it a margin, or leave require out)"
    ],
}  # fmt: skip


@pytest.mark.parametrize("block", BLOCKS)
def test_a_faulty_block_is_answered_with_its_place_and_its_remedy(block: str) -> None:
    """The wording is what users meet: it is pinned."""
    assert faults(f"{HEAD}{block}\n{STAGING}") == BLOCKS[block]


def test_a_live_check_names_a_metric_of_the_live_block() -> None:
    """And the alias challenger is the split's own."""
    text = (
        HEAD + LIVE + "targets:\n  t: {alias: challenger, checks: [live.salse >= champion at 95%, live.returns < 3]}\n"
    )
    assert faults(text) == [
        '10:14: the live split needs the alias "challenger" for itself (choose another)',
        '10:35: the live block has no metric "salse" (did you mean "sales"?)',
    ]


def test_a_digest_of_digits_alone_is_still_a_digest() -> None:
    """YAML takes it for a number; we do not."""
    text = HEAD + HOLDOUT.replace("task:", f"sha256: {'1' * 64}, task:") + STAGING
    holdout = loaded(text).holdout
    assert holdout is not None and holdout.sha256 == "1" * 64


def test_a_file_has_a_largest_ladder() -> None:
    """Beyond it, a chain of includes would be deeper than any reader goes."""
    rungs = "".join(f"  t{n}: {{alias: t{n}, checks: [include: t{n - 1}]}}\n" for n in range(1, 1000))
    (fault,) = faults(HEAD + "targets:\n  t0: {alias: t0, checks: [signature]}\n" + rungs)
    assert fault == "54:3: more than 50 targets (nobody could climb them)"


def test_thousands_of_columns_and_faulty_checks_are_answered_in_time() -> None:
    """A suggestion is looked for among few names only."""
    columns = ", ".join(f"c{n}" for n in range(4000))
    checks = "".join(f"- holdout.f1 by d{n} > 1\n" for n in range(4000))
    head = HEAD + f"holdout: {{data: d.csv, target: y, task: binary, slices: [{columns}]}}\n"
    found = faults(target("stage: Staging\nchecks:\n" + checks, head))
    assert len(found) == 4000 and found[0].endswith("(add it to slices in the holdout block)")
