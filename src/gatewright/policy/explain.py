"""A policy in plain words, for whoever must agree to it and does not read YAML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from gatewright.paths import Path
from gatewright.policy.grammar import OPERATORS, spelled
from gatewright.policy.model import (
    Champion,
    Check,
    Holdout,
    Latency,
    Live,
    LiveMetric,
    Operand,
    Policy,
    Rule,
    Target,
)

_SPANS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))

_METHODS = {
    "always_valid": "It may be looked at as often as one likes.",
    "group_sequential": "It is looked at once a day; looks in between decide nothing.",
}

#: what it means that a fact is there
_PRESENT = {
    "signature": "The model says what goes in and what comes out (a signature)",
    "signature.compatible": "Its signature accepts all that the champion's accepts, and answers alike",
    "input_example": "An example of its input is stored with it",
    "lineage.run": "The run that made it is known and still there",
    "lineage.git_commit": "The git commit that it was trained from is known",
    "lineage.dataset": "The data that it was trained on is recorded",
    "lineage.source": "Where its files come from is known",
}

_NAMED = {
    "holdout.rows": "the number of rows of the holdout",
    "latency.mean": "the mean time of a call",
    "latency.throughput": "the rows answered in a second",
    "memory.peak": "the most memory that scoring takes",
    "model.size": "the size of its files",
    "model.age": "its age",
    "model.flavor": "its flavor",
    "model.author": "its author",
    "artifact.scheme": "the kind of store that its files are in",
    "artifact.uri": "the address of its files",
    "lineage.git_commit": "the git commit that it was trained from",
    "signature.compatible": "whether its signature fits the champion's",
}

_FAMILIES = {
    "holdout": "the {} on the holdout",
    "live": "the {} in the live split",
    "run": "the metric {} that its training logged",
    "params": "the parameter {}",
    "tags": 'the tag "{}"',
}

_EXCLUDED = {
    "requester": "whoever asked for the move",
    "pr_author": "the author of the pull request",
    "model_author": "the author of the model",
    "commit_authors": "the authors of its commits",
}


def explain(policy: Policy) -> str:
    """The whole policy as text, each rule with the line that it stands in."""
    parts = [f"Policy for the registered model {policy.model} ({policy.file})"]
    parts += [block for block in (_holdout(policy), _latency(policy.latency), _live(policy.live)) if block]
    parts += [_target(target, policy.file) for target in policy.targets]
    return "\n\n".join(parts)


# The blocks that say how things are measured.


def _holdout(policy: Policy) -> str:
    holdout = policy.holdout
    if holdout is None:
        return "No holdout is named: nothing is scored, and checks rest on what training logged."
    return " ".join(_holdout_sentences(holdout))


def _holdout_sentences(holdout: Holdout) -> Iterator[str]:
    task = {
        "binary": "one class or the other",
        "multiclass": "one class of several",
        "regression": "a number",
    }
    yield f"Candidate and champion are scored on the same rows of {holdout.data}."
    yield f"They predict {holdout.target}, {task[holdout.task]}" + (
        f"; {holdout.positive} counts as positive." if holdout.task == "binary" else "."
    )
    if holdout.features:
        yield f"They are given {_and(holdout.features)}."
    if holdout.slices:
        least = f"one of fewer than {holdout.min_slice_rows} rows never decides"
        yield f"Slices may be drawn by {_and(holdout.slices)}; {least}."
    if holdout.unit:
        yield f"Rows of one {holdout.unit} are taken together."
    if holdout.drop_null_target:
        yield f"Rows without {holdout.target} are left out, and counted."
    if holdout.sha256:
        yield f"The data is pinned: its sha256 begins with {holdout.sha256[:12]}."
    if holdout.sandbox == "require":
        yield "A model that cannot be fenced in is not loaded."


def _latency(latency: Latency | None) -> str:
    if latency is None:
        return ""
    rows = "one row" if latency.batch == 1 else f"{latency.batch} rows"
    return f"Speed is that of {latency.requests} calls of {rows} each, after {latency.warmup} that do not count."


def _live(live: Live | None) -> str:
    if live is None:
        return ""
    shares = ", ".join(
        f"{share * 100:f}".rstrip("0").rstrip(".") + f" % to the {arm}" for arm, share in live.split.items()
    )
    sentences = [
        f"In a live split, traffic is parted by {live.unit}: {shares}.",
        "Outcomes are what serving processes log to MLflow."
        if live.outcomes.are_totals
        else f"Outcomes are read from {live.outcomes.address}.",
        *(f"The outcome {_asked(metric)}." for metric in live.metrics),
        f"The risk of calling a worse challenger better is {live.alpha * 100:f}".rstrip("0").rstrip(".") + " %.",
        f"Nothing is decided before {live.min_units} units in each arm, a benefit not before",
        f"{span_in_words(live.min_runtime)}; after {span_in_words(live.max_runtime)} the champion stays.",
        _METHODS[live.method],
    ]
    if live.label_maturity:
        sentences.append(f"A unit counts once its first exposure is {span_in_words(live.label_maturity)} old.")
    return " ".join(sentences)


def _asked(metric: LiveMetric) -> str:
    better = f"{metric.better} is better"
    if metric.require == "superior":
        step = f"{metric.effect:f} {'more' if metric.better == 'higher' else 'less'}"
        found = f"; a split that cannot find {step} is not begun" if metric.effect else ""
        return f"{metric.name} must become better ({better}{found})"
    margin = f" by more than {metric.margin:f}" if metric.margin else ""
    return f"{metric.name} must not become worse{margin} ({better})"


# A rung of the ladder.


def _target(target: Target, file: str) -> str:
    after = f' must hold "{target.after}" already and' if target.after else ""
    lines = [f'To hold "{target.name}" ({_held(target)}), a version{after} must meet all of this:']
    lines += _numbered(target.blocking, file)
    warnings = [c for c in target.checks if c.severity == "warn"]
    if warnings:
        lines += ["Reported, and never in the way:", *_numbered(warnings, file)]
    lines += agreement(target)
    return "\n".join(lines)


def _held(target: Target) -> str:
    ways = []
    if target.copy_to:
        ways.append(f"a copy in the registered model {target.copy_to}")
    if target.stage:
        leaving = ", whoever is there being archived" if target.archive_existing else ""
        ways.append(f"stage {target.stage}{leaving}")
    if target.alias:
        ways.append(f"alias {target.alias}")
    return "; ".join(ways)


def _numbered(checks: Sequence[Check], file: str) -> list[str]:
    return [f"  {n}. {sentence(check)} ({_line(check, file)})" for n, check in enumerate(checks, 1)]


def _line(check: Check, file: str) -> str:
    return f"line {check.place.line}" if check.place.file == file else str(check.place)


def agreement(target: Target) -> Iterator[str]:
    """Who may say yes, who may take back, and who may overrule, in sentences."""
    if target.approvals:
        yield f"Then {_and([_rule(r) for r in target.approvals])} must agree; nobody counts twice."
        if target.exclude:
            yield f"The word of {_and([_EXCLUDED[e] for e in target.exclude])} does not count."
        yield f"A request, and what is agreed, holds for {span_in_words(target.expires)}."
    else:
        yield "Nobody has to agree."
    rollback = (
        f"the agreement of {_and([_rule(r) for r in target.rollback_approvals])}" if target.rollback_approvals else ""
    )
    yield f"A rollback needs a reason{f' and {rollback}' if rollback else '; nobody has to agree'}."
    if target.override:
        who = _or(map(str, target.override))
        yield f"In an emergency {who} may overrule all this; that is always recorded."
    if target.stale_after:
        yield f"A version that has been here for {span_in_words(target.stale_after)} is reported as stale."


def _rule(rule: Rule) -> str:
    who = [f"a member of {a}" if a.team else str(a) for a in rule.approvers]
    names = ", ".join(map(str, rule.approvers))
    called = "" if rule.name == names else f" ({rule.name})"
    return f"{rule.count} of {_or(who)}{called}" if len(who) > 1 or rule.count > 1 else f"{who[0]}{called}"


# A check.


def sentence(check: Check) -> str:
    """A check in one sentence."""
    said = _present(check) if check.op is None else _compared(check)
    named = f"{check.name}: " if check.name else ""
    text = f"{named}{said}" if named else said[0].upper() + said[1:]
    return "; ".join([text, *_exceptions(check)]) + "."


def _present(check: Check) -> str:
    known = _PRESENT.get(str(check.path))
    return known or f"{_name(check.path)} is given, and is not false"


def _compared(check: Check) -> str:
    op = OPERATORS[str(check.op)].about
    confidence = f", with {_percent(check.level)} confidence" if check.level is not None else ""
    return f"{_subject(check)} {op} {_bound(check.operand)}{confidence}"


def _subject(check: Check) -> str:
    name = _name(check.path)
    bare = name.removeprefix("the ")
    return {
        None: name,
        "by": f"for every {check.column}, {name}",
        "gap by": f"the gap between the largest and the smallest {bare}, by {check.column},",
        "ratio by": f"the smallest over the largest {bare}, by {check.column},",
    }[check.aggregate]


def _name(path: Path) -> str:
    if str(path) in _NAMED:
        return _NAMED[str(path)]
    if path.family == "latency" and path.key.startswith("p"):
        return f"the time that {path.key[1:]} % of calls stay within"
    return _FAMILIES.get(path.family, str(path)).format(path.key)


def _bound(operand: Operand | None) -> str:
    if isinstance(operand, Champion):
        return _champion(operand)
    if isinstance(operand, tuple):
        return _or([spelled(value) for value in operand])
    return "" if operand is None else spelled(operand)


def _champion(bound: Champion) -> str:
    if bound.factor != 1:
        return f"{bound.factor:f} times the champion's"
    amount = bound.text.split()[-1]
    if bound.offset:
        return f"the champion's {'less' if bound.offset < 0 else 'plus'} {amount}"
    return "the champion's"


def _exceptions(check: Check) -> Iterator[str]:
    if check.needs_champion:
        yield ("fails without a champion" if check.if_no_champion == "fail" else "skipped while there is no champion")
    if check.if_inconclusive == "warn":
        yield "where the rows cannot settle it, it only warns"
    if check.if_missing == "skip":
        yield "skipped where the value is missing"


# Words.


def _percent(level: Decimal) -> str:
    return f"{level * 100:f}".rstrip("0").rstrip(".") + " %"


def span_in_words(seconds: Decimal) -> str:
    """A time as `30 days` or `90 seconds`, in the largest unit that divides it."""
    word, size = next((w, s) for w, s in _SPANS if seconds % s == 0 or s == 1)
    count = f"{seconds / size:f}"
    return f"{count} {word}{'' if count == '1' else 's'}"


def _and(words: Iterable[str]) -> str:
    return _joined(list(words), "and")


def _or(words: Iterable[str]) -> str:
    return _joined(list(words), "or")


def _joined(words: list[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
