"""The report for auditors in each form: what it begins with, what nothing in it can do, and that it stays as it is."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from gatewright import gate as story
from gatewright.audit import AuditReport, Question, parse_moment
from gatewright.canonical import canonical
from gatewright.case import Gate
from gatewright.dossier import Archive, compile_report
from gatewright.ledger.entry import Actor, Entry, Proof
from gatewright.ledger.envelope import Keys
from gatewright.ledger.memory import MemoryLedger
from gatewright.problem import Undetermined
from gatewright.record import append
from gatewright.report.audit import data, html, sheet, terminal, words
from gatewright.report.escape import sheet as cell
from gatewright.rollback import Wish
from gatewright.subject import Subject
from unit.report.examples import HOSTILE, NOW, POLICY, gate
from unit.report.test_html import Reader
from unit.report.test_snapshots import compare


def forced() -> Gate:
    """A gate through which a better version went against the policy, and came back."""
    lines = (line for line in POLICY.splitlines() if "approvals" not in line)
    ours = gate("\n".join(lines).replace("alias: champion", "alias: champion\n    override: {from: [octo]}"))
    story.promote(ours, Subject("fraud", 2), "production")
    story.promote(ours, Subject("fraud", 3), "production", why="only it knows the euro", override=True)
    story.rollback(ours, Wish("production", "it refuses every card", fast=True))
    return ours


def report(ours: Gate, question: Question | None = None, model: str | None = "fraud") -> AuditReport:
    """What is told of a gate's ledger."""
    archive = Archive(ours.ledger, ours.registry, NOW, {"fraud": ours.policy})
    return compile_report(archive, model, question or Question())


def tampered() -> AuditReport:
    """Somebody changed who promoted, in the body of entry 2."""
    ours = forced()
    assert isinstance(ours.ledger, MemoryLedger)
    files = ours.ledger.files["fraud"]
    (name,) = (n for n in files if n.startswith("000002-") and n.endswith("/entry.json"))
    files[name] = files[name].replace(b'"octo"', b'"anna"')
    return report(ours)


def hostile() -> AuditReport:
    """Every text of an entry, and of what is stored beside it, is an attack."""
    ours = gate()
    said = {
        "rules": [{"name": HOSTILE, "need": 1, "have": 0}],
        "counted": [{"login": HOSTILE, "rule": HOSTILE, "at": HOSTILE, "comment": HOSTILE}],
        "not_counted": [{"login": HOSTILE, "because": HOSTILE, "detail": HOSTILE, "verb": HOSTILE}],
    }
    check = dict.fromkeys(
        ("check", "status", "value", "bound", "champion", "because", "source", "policy_line"), HOSTILE
    )
    facts = [{"who": "candidate", "state": "known", "path": "lineage.git_commit", "value": HOSTILE, "source": HOSTILE}]
    beside = {
        "approvals.json": said,
        "verdict.json": {"outcome": HOSTILE, "checks": [check]},
        "evidence.json": {"subject": {"run": HOSTILE, "source": HOSTILE}, "facts": facts},
    }
    after = {"model": HOSTILE, "alias": {HOSTILE: 2}, "stage": {HOSTILE: [2]}}
    details = {"override": {"against": [HOSTILE]}}
    entry = Entry(
        0, "", "promoted", HOSTILE, Actor(HOSTILE, None, HOSTILE, HOSTILE), "fraud", 2, HOSTILE, HOSTILE, HOSTILE,
        after=after, details=details,
    )  # fmt: skip
    append(ours, lambda rows: entry, {name: canonical(value).encode() for name, value in beside.items()})
    found = report(ours)
    return replace(found, accounts=(replace(found.accounts[0], model=HOSTILE, unreadable=HOSTILE), *found.accounts))


REPORTS = {"forced": report(forced()), "tampered": tampered(), "hostile": hostile()}


def printed(one: AuditReport, *, quiet: bool = False) -> str:
    """What a terminal of 120 columns shows."""
    stream = io.StringIO()
    terminal.render(one, Console(file=stream, width=120), quiet=quiet)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def test_the_report_stays_as_it_is() -> None:
    """On every surface; the question is about the version that was forced."""
    one = report(forced(), Question(version=3))
    compare("audit_report.txt", printed(one))
    compare("audit_report.html", html.page(one))
    compare("audit_report.csv", sheet.rows(one).replace("\r\n", "\n"))
    compare("audit_report.json", json.dumps(data.document(one), indent=2) + "\n")


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_is_whole_and_loads_and_runs_nothing(name: str) -> None:
    """Whatever stands in the ledger: every element is closed, none of them is a stranger's."""
    text = html.page(REPORTS[name])
    reader = Reader(text.replace("<!doctype html>", ""))
    assert reader.open == []
    known = {"html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "div", "section", "table"}
    known |= {"thead", "tbody", "tr", "th", "td", "code", "span", "strong", "br", "ul", "li", "dl", "dt", "dd", "a"}
    assert {tag for tag, _ in reader.seen} <= known | {"details", "summary", "svg", "line", "path"}
    assert all(str(a.get("href", "#")).startswith("#") for a in reader.all("a"))
    assert not any(key.startswith("on") or key == "src" for _, attrs in reader.seen for key in attrs)
    assert "\x1b" not in text and "\u202e" not in text


@pytest.mark.parametrize("name", REPORTS)
def test_a_terminal_obeys_nothing_of_it(name: str) -> None:
    """No escape sequence, nothing that reorders."""
    text = printed(REPORTS[name])
    assert "\x1b" not in text and "\u202e" not in text


@pytest.mark.parametrize("name", REPORTS)
def test_the_table_is_read_back_as_it_was_meant(name: str) -> None:
    """Every row has every column, and none begins a formula."""
    rows = list(csv.reader(io.StringIO(sheet.rows(REPORTS[name]))))
    assert {len(row) for row in rows} == {len(sheet.COLUMNS)}
    assert not any(value.lstrip()[:1] in tuple("=+-@|%") for row in rows for value in row)


def test_a_broken_ledger_is_the_first_thing_that_is_told() -> None:
    """In red, before any entry is shown as if it were true, on every surface."""
    one = REPORTS["tampered"]
    text = printed(one)
    first, second, *_ = text.splitlines()
    assert first.startswith("✘ fraud: THE LEDGER IS BROKEN in 2 places")
    assert second.startswith("  entry 2: its body was changed")
    assert "What follows is what stands there now, and cannot be relied upon." in text
    page = html.page(one)
    assert page.index('<div class="alarm" role="alert">') < page.index("<table>")
    (model,) = data.document(one)["models"]
    assert (model["unbroken"], data.document(one)["unbroken"]) == (False, False)
    assert [b["entry"] for b in model["breaks"]] == [2, 2]
    assert printed(one, quiet=True).splitlines() == [first]
    coloured = io.StringIO()
    terminal.render(one, Console(file=coloured, width=120, force_terminal=True, color_system="standard"))
    assert coloured.getvalue().startswith("\x1b[1;31m✘ fraud: THE LEDGER IS BROKEN")


def test_what_was_overruled_is_counted_in_red_before_anything_else_is_told() -> None:
    """An auditor's first question; where nothing was, nothing says so."""
    page = html.page(REPORTS["forced"])
    counted = '<p>1 promotion, 1 rollback, <strong class="fail">1 override</strong> (2026-11-09)</p>'
    assert 0 < page.index(counted) < page.index("<table>")
    assert "What happened: 1 promotion, 1 rollback, 1 override" in printed(REPORTS["forced"])
    assert "override" not in "".join(words.summary(report(gate()).accounts[0]))


def test_the_number_of_an_entry_leads_to_its_grounds() -> None:
    """Every link within the page has its end."""
    reader = Reader(html.page(REPORTS["forced"]).replace("<!doctype html>", ""))
    ends = {attrs["id"] for _, attrs in reader.seen if "id" in attrs}
    links = [str(a["href"]).removeprefix("#") for a in reader.all("a")]
    assert links and set(links) <= ends


def test_a_time_that_ended_in_a_rollback_is_red_and_all_targets_share_a_scale() -> None:
    """What was bad is seen at a glance; each drawing says from when to when it goes."""
    page = html.page(REPORTS["forced"])
    (drawn,) = re.findall(r'<div class="times" aria-hidden="true">(.*?)</div>', page)
    assert re.findall(r'<span( class="\w+")? [^>]*>(v\d)</span>', drawn) == [
        ("", "v2"),
        (' class="back"', "v3"),
        (' class="now"', "v2"),
    ]
    assert '<div class="ends" aria-hidden="true"><span>2026-11-09</span><span>2026-11-09</span></div>' in page


def test_an_index_with_a_gap_shows_no_entries_at_all() -> None:
    """What stands behind a gap may belong to another story; the proof says what is missing."""
    ours = forced()
    assert isinstance(ours.ledger, MemoryLedger)
    del ours.ledger.lines["fraud"]["000002"]
    one = report(ours)
    assert (one.accounts[0].events, one.accounts[0].holders) == ((), ())
    assert "entry 2: is missing from the index: it was deleted" in printed(one)
    (row,) = list(csv.DictReader(io.StringIO(sheet.rows(one))))
    assert row["model"] == "fraud" and "entry 2: is missing" in row["proof"]


def test_a_body_that_is_no_entry_leaves_its_row() -> None:
    """One spoiled file does not hide the other entries."""
    ours = forced()
    assert isinstance(ours.ledger, MemoryLedger)
    files = ours.ledger.files["fraud"]
    (name,) = (n for n in files if n.startswith("000002-") and n.endswith("/entry.json"))
    files[name] = b"[]"
    one = report(ours)
    gone = one.accounts[0].events[2]
    assert gone.entry is None and gone.row.version == 2
    assert "its body is gone or cannot be read" in html.page(one)


def test_a_ledger_that_cannot_be_read_does_not_hide_the_others() -> None:
    """Of a thousand models one was deleted: the report has the rest, and says so of that one."""
    ours = forced()
    assert isinstance(ours.ledger, MemoryLedger)
    ours.ledger.lines["lost"] = {"000001": "nonsense"}
    one = report(ours, model=None)
    assert [(a.model, bool(a.events), bool(a.breaks)) for a in one.accounts] == [
        ("fraud", True, False),
        ("lost", False, True),
    ]


class Silent(MemoryLedger):
    """A server that does not answer about one model."""

    def prove(self, model: str, keys: Keys | None = None) -> Proof:
        if model == "mute":
            raise Undetermined("could not read the ledger of mute", "it timed out", "Try again.")
        return super().prove(model, keys)


def test_a_ledger_about_which_nobody_answers_does_not_hide_the_others() -> None:
    """Proved or reported from, the rest is told; that one is undetermined, which is not broken."""
    ours, silent = forced(), Silent()
    assert isinstance(ours.ledger, MemoryLedger)
    silent.lines, silent.files = {**ours.ledger.lines, "mute": {}}, ours.ledger.files
    one = report(replace(ours, ledger=silent), model=None)
    told, mute = one.accounts
    assert told.events and not mute.events
    assert (one.broken, one.unreadable) == ((), (mute,))
    assert "? mute: the ledger could not be read\n  could not read the ledger of mute: it timed out." in printed(one)
    assert [type(v).__name__ for v in story.verify_all(silent, silent.models())] == ["Audit", "Failure"]


def test_rules_that_have_changed_since_are_told() -> None:
    """Who may approve today is not who might have when the present holder came."""
    ours = forced()
    stricter = gate(POLICY.replace("run.accuracy > 90%", "run.accuracy > 80%")).policy
    one = report(replace(ours, policy=stricter))
    assert "v2 came to production under other rules (digest" in printed(one)
    assert "came to production under other rules" not in printed(report(ours))


def test_a_moment_before_the_ledger_is_not_called_nobody() -> None:
    """The registry may have been in use for years before."""
    text = " ".join(printed(report(forced(), Question(moment=parse_moment("2001-01-01")))).split())
    assert "production not known the ledger had said nothing of it yet" in text
    assert "found v1 there; who put it there, and when, the ledger does not know" in text


@given(st.text())
def test_no_cell_begins_a_formula_and_nothing_in_it_hides(text: str) -> None:
    """Whatever a stranger called their model."""
    shown = cell(text)
    assert shown.lstrip()[:1] not in tuple("=+-@|%＝＋－＠")
    assert shown.isprintable() or any(c.isspace() or not c.isprintable() for c in text)
    assert "\n" not in shown and "\t" not in shown and "\r" not in shown
