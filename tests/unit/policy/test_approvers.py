"""Logins, teams, rules, and whether enough people are named."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.measure import PATHS
from gatewright.policy.approvers import shortage
from gatewright.policy.load import read_policies
from gatewright.policy.model import Approver, Rule
from gatewright.problem import PolicyError


def faults(approvals: str, more: str = "") -> list[str]:
    """What is said of an approvals list; it begins at column 57 of line 3."""
    text = f"version: 1\nmodel: m\ntargets: {{t: {{alias: a, checks: [signature], approvals: {approvals}}}}}\n{more}"
    try:
        read_policies({"p": text}, PATHS)
    except PolicyError as error:
        return [str(problem).removeprefix("p:") for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "name",
    ["octo", "octo-cat", "Octo#583231", "octo_acme", "'@acme/ml-leads'", "'@acme/ML.leads'", "o", "'12'"],
)
def test_a_name_that_github_may_have_is_taken(name: str) -> None:
    """People, pinned people, managed users, teams."""
    assert faults(f"[{{from: [{name}]}}]") == []


NAMES = {
    "'octo cat'": '"octo cat" is no GitHub login or team (write octo, octo#583231 or "@acme/ml-leads")',
    "'@acme'": '"@acme" is no GitHub login or team (a person is written acme, a team "@org/acme")',
    "acme/leads": '"acme/leads" is no GitHub login or team (a team is written "@acme/leads")',
    "'@acme/ML Leads'": (
        '"@acme/ML Leads" is no GitHub login or team (a team is written by its slug: "@acme/ml-leads")'
    ),
    "'ci[bot]'": '"ci[bot]" is no GitHub login or team (a bot approves nothing; name a person or a team)',
    "оcto": '"оcto" is no GitHub login or team (GitHub\'s names are ASCII; this may be a look-alike)',
    "anna@acme.com": '"anna@acme.com" is no GitHub login or team (write the GitHub login, not the address)',
    "octo#x": '"octo#x" is no GitHub login or team (the id after # is a number: octo#583231)',
    "'-octo'": '"-octo" is no GitHub login or team (write octo, octo#583231 or "@acme/ml-leads")',
    "12": '"from" must be a text, not the number 12 (write "12" in quotes)',
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_github_cannot_have_is_refused_with_what_is_meant(name: str) -> None:
    """A team that is mistaken for a login could be registered by a stranger."""
    (fault,) = faults(f"[{{from: [{name}]}}]")
    assert fault == f"3:66: {NAMES[name]}"


def test_letter_case_makes_no_second_person() -> None:
    """GitHub's logins and teams do not know it."""
    assert faults("[{from: [octo, Octo, '@A/b', '@a/B'], count: 2}]") == [
        "3:72: Octo is named twice (letter case makes no other person)",
        "3:86: @a/B is named twice (letter case makes no other person)",
    ]


def test_a_rule_that_its_people_cannot_meet_is_refused() -> None:
    """A team may have any number of members, a list has what it names."""
    assert faults("[{from: [octo, mona], count: 3}]") == [
        "3:86: this rule can never be met: it needs 3 and names 2 people "
        "(name more people or a team, or lower the count)"
    ]
    assert faults("[{from: [octo, '@a/b'], count: 3}]") == []


def test_rules_that_need_more_people_together_than_they_name_are_refused() -> None:
    """Nobody fills two places, so two rules of the same two people need more."""
    assert faults("[{name: a, from: [octo, mona], count: 2}, {name: b, from: [mona]}]") == [
        "3:57: these rules together need 1 more people than they name "
        "(nobody fills two places; name more people, or a team)"
    ]


@pytest.mark.parametrize("count", ["0", "-1", "1.5", "two", "true"])
def test_a_count_is_a_whole_number_from_one(count: str) -> None:
    """Nobody at all is `approvals: []`, and says so."""
    (fault,) = faults(f"[{{from: [octo], count: {count}}}]")
    assert fault.startswith('3:80: "count" must be ')


def test_an_empty_list_of_approvers_is_refused_and_an_empty_list_of_rules_is_not() -> None:
    """The one is a slip, the other a decision."""
    assert faults("[{from: []}]") == ['3:65: "from" is an empty list (fill it)']
    assert faults("[]") == []


def test_two_rules_have_two_names() -> None:
    """Reports tell rules apart by them."""
    assert faults("[{name: x, from: [a]}, {name: x, from: [b]}]") == [
        '3:80: two rules are called "x" (give each its own name)'
    ]


def test_a_login_is_pinned_to_one_id_in_a_file() -> None:
    """Whichever is right, one of them is wrong."""
    assert faults("[{from: [octo#1]}]", "people: {o@acme.com: Octo#2}\n") == [
        "3:66: octo is pinned to 1 here and to 2 in line 4 (one login has one id)"
    ]


def test_an_mlflow_user_is_a_person() -> None:
    """A team cannot be the author of a model."""
    assert faults("[]", "people: {anna: '@acme/x'}\n") == [
        "4:16: @acme/x is a team (an MLflow user is one person: write a login)"
    ]


rules = st.lists(
    st.builds(
        lambda people, count: Rule("r", tuple(Approver(p) for p in sorted(people)), count),
        st.sets(st.sampled_from("abcd"), min_size=1),
        st.integers(1, 2),
    ),
    max_size=3,
)


@given(rules)
def test_a_shortage_is_what_no_seating_of_people_can_avoid(given_rules: list[Rule]) -> None:
    """Against trying every order of people over every order of places."""
    places = [r for r in given_rules for _ in range(r.count)]
    best = max(
        (
            sum(
                person is not None and Approver(person) in place.approvers
                for place, person in zip(places, order, strict=False)
            )
            for order in permutations(["a", "b", "c", "d", *[None] * len(places)][: max(4, len(places))])
        ),
        default=0,
    )
    assert shortage(given_rules) == len(places) - best


def test_a_list_has_a_largest_number_of_rules() -> None:
    """Every group of them is weighed."""
    rules = ", ".join(f"{{from: [p{n}]}}" for n in range(12))
    assert [f.split(": ", 1)[1] for f in faults(f"[{rules}]")] == ["more than 10 rules (nobody could follow them)"]


def test_rules_of_thousands_of_people_are_weighed() -> None:
    """Two rules that name the same crowd and want all of it."""
    crowd = ", ".join(f"p{n}" for n in range(2500))
    (fault,) = faults(f"[{{name: a, from: [{crowd}], count: 2500}}, {{name: b, from: [{crowd}], count: 2}}]")
    assert "need 2 more people" in fault
