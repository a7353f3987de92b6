"""What every forge promises: in memory, on GitHub, and on a GitHub that has no GraphQL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import pytest

import gatewright
from gatewright.forge import Annotation, Check, Comment, Deployment, Files, Forge, Membership, Person, Thread
from gatewright.forge.github import GitHubForge
from gatewright.forge.graphql import address_beside
from gatewright.forge.marker import marked, room
from gatewright.forge.memory import MemoryForge
from gatewright.forge.retry import Patience
from gatewright.forge.terminal import NoForge
from gatewright.problem import PolicyError, Undetermined, UsageError
from gatewright.thread import request_key
from real.github.server import BAD_GATEWAY, LIMITED, SECONDARY, Breaks, Does, Fault, Garbles, GitHub, Says, Waits

PLACES = ("memory", "github", "github without GraphQL")
HEAD = "c" * 40
CHECK = Check("Gatewright", HEAD, "d" * 64, "pending", "waiting", "1 of 2 approvals")


class Place(Protocol):
    """A forge, and the means to fill it behind its back and to look at what it shows."""

    @property
    def forge(self) -> Forge: ...

    def pull(self, login: str, commits: tuple[tuple[str, ...], ...] = (("anna",),)) -> int:
        """Opens a pull request whose commits have these authors, the first and the co-authors."""

    def issue(self, login: str) -> int: ...

    def say(self, number: int, login: str | None, body: str) -> int: ...

    def edit(self, number: int, comment: int, login: str, body: str) -> None: ...

    def delete(self, number: int, comment: int) -> None: ...

    def team(self, name: str, **members: str) -> None: ...

    def role(self, login: str, role: str) -> None: ...

    def commit(self, files: Mapping[str, str], ref: str = "refs/heads/main") -> str: ...

    def id_of(self, login: str) -> int: ...

    def states(self, key: str) -> list[str]:
        """The states of a deployment, oldest first."""

    def outcomes(self) -> list[str]:
        """Status or conclusion of each check run, oldest first."""


@dataclass
class InMemory:
    """The forge of tests and rehearsals."""

    forge: MemoryForge = field(default_factory=MemoryForge)

    def _person(self, login: str) -> Person:
        if login == self.forge.me.login:
            return self.forge.me
        return self.forge.people.setdefault(login.casefold(), Person(login, 1000 + len(self.forge.people)))

    def _open(self, login: str, **fields: object) -> int:
        number = len(self.forge.threads) + 1
        url = f"memory:threads/{number}"
        made = Thread(number, "Retrain fraud", self._person(login), "open", url)
        self.forge.threads[number] = replace(made, **fields)  # type: ignore[arg-type]
        return number

    def pull(self, login: str, commits: tuple[tuple[str, ...], ...] = (("anna",),)) -> int:
        people = {p.id: p for names in commits for p in map(self._person, names)}
        number = self._open(login, head=HEAD, base="main", contributors=tuple(people.values()))
        self.forge.changed[number] = ("train.py",)
        return number

    def issue(self, login: str) -> int:
        return self._open(login)

    def say(self, number: int, login: str | None, body: str) -> int:
        thread = self.forge.threads[number]
        id = 2**31 + 1 + sum(len(t.comments) for t in self.forge.threads.values())
        made = Comment(id, self._person(login) if login else None, body, "2026-11-23T10:00:00Z")
        self.forge.threads[number] = replace(thread, comments=(*thread.comments, made))
        return id

    def edit(self, number: int, comment: int, login: str, body: str) -> None:
        thread, by = self.forge.threads[number], self._person(login)
        changed = (
            replace(c, body=body, edited="2026-11-23T11:00:00Z", editor=by) if c.id == comment else c
            for c in thread.comments
        )
        self.forge.threads[number] = replace(thread, comments=tuple(changed))

    def delete(self, number: int, comment: int) -> None:
        thread = self.forge.threads[number]
        self.forge.threads[number] = replace(thread, comments=tuple(c for c in thread.comments if c.id != comment))

    def team(self, name: str, **members: str) -> None:
        self.forge.teams[name] = {self._person(m).login.casefold(): state for m, state in members.items()}

    def role(self, login: str, role: str) -> None:
        self.forge.roles[self._person(login).login] = role

    def commit(self, files: Mapping[str, str], ref: str = "refs/heads/main") -> str:
        sha = f"{len(self.forge.trees):040x}"
        self.forge.trees[sha] = {**self.forge.trees.get(self.forge.refs.get(ref, ""), {}), **files}
        self.forge.refs[ref] = sha
        return sha

    def id_of(self, login: str) -> int:
        return self._person(login).id

    def states(self, key: str) -> list[str]:
        return [d.state for d in self.forge.deployments.get(key, [])]

    def outcomes(self) -> list[str]:
        words = {"pending": "in_progress", "undetermined": "action_required"}
        return [words.get(c.outcome, c.outcome) for c in self.forge.checks]


@dataclass
class OnGitHub:
    """A forge that speaks to the stand-in, whose people and teams act there."""

    github: GitHub
    waited: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.github.world.token("app_readsmembers000000", self.github.world.bot, reads_teams=True)
        self.forge = self.another()

    def another(self, token: str = "ghs_workflow0000000000", **given: str) -> GitHubForge:
        """A forge that has seen nothing yet; it waits in thought only."""
        patience = Patience(self.waited.append, lambda: 0.5, lambda: 1_795_428_000.0)
        urls = {"api_url": self.github.api_url, "graphql_url": self.github.graphql_url}
        given = {"team_token": "app_readsmembers000000", **urls, **given}
        return GitHubForge("acme/models", token, patience=patience, **given)

    def pull(self, login: str, commits: tuple[tuple[str, ...], ...] = (("anna",),)) -> int:
        made = self.github.world.issue(login, "Retrain fraud")
        for first, *others in commits:
            self.github.world.push(made.number, first, {"train.py": "fit()\n"}, tuple(others))
        self.github.world.repository.trees[HEAD] = {}
        made.commits[-1].sha = HEAD
        return made.number

    def issue(self, login: str) -> int:
        return self.github.world.issue(login).number

    def say(self, number: int, login: str | None, body: str) -> int:
        return self.github.world.comment(number, login, body).id

    def edit(self, number: int, comment: int, login: str, body: str) -> None:
        found = self.github.world.find_comment(comment)
        assert found is not None
        self.github.world.edit(found[1], login, body)

    def delete(self, number: int, comment: int) -> None:
        found = self.github.world.find_comment(comment)
        assert found is not None
        self.github.world.delete(found[1])

    def team(self, name: str, **members: str) -> None:
        self.github.world.team(name, **members)

    def role(self, login: str, role: str) -> None:
        self.github.world.account(login)
        self.github.world.repository.permissions[login.casefold()] = role

    def commit(self, files: Mapping[str, str], ref: str = "refs/heads/main") -> str:
        return self.github.world.commit(files, ref)

    def id_of(self, login: str) -> int:
        return self.github.world.account(login).id

    def states(self, key: str) -> list[str]:
        made = self.github.world.repository.deployments
        return [s["state"] for d in made if dict(d.payload).get("key") == key for s in d.statuses]  # type: ignore[call-overload]

    def outcomes(self) -> list[str]:
        return [run.conclusion or run.status for run in self.github.world.repository.checks]


@pytest.fixture
def github(request: pytest.FixtureRequest) -> Iterator[GitHub]:
    """The stand-in; what it and we say is held to GitHub's own description."""
    with GitHub(graphql=getattr(request, "param", True)) as server:
        yield server
    assert server.violations == []


@pytest.fixture
def site(github: GitHub) -> OnGitHub:
    """A forge on the stand-in."""
    return OnGitHub(github)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A forge to fill and read, one after the other."""
    if request.param == "memory":
        yield InMemory()
        return
    with GitHub(graphql="without" not in request.param) as server:
        yield OnGitHub(server)
    assert server.violations == []


def thread_of(place: Place, number: int) -> Thread:
    """A thread that is there."""
    found = place.forge.thread(number)
    assert found is not None
    return found


def bodies(place: Place, number: int) -> list[str]:
    """What the comments say below their hidden first line."""
    return [c.body.split("\n", 1)[-1] for c in thread_of(place, number).comments]


def test_an_unknown_thread_is_not_found(place: Place) -> None:
    """A number that nobody has used yet."""
    assert place.forge.thread(404) is None


def test_an_issue_has_no_head(place: Place) -> None:
    """Requests without a pull request are talked about in an issue."""
    thread = thread_of(place, place.issue("anna"))
    assert (thread.head, thread.fork, thread.state, thread.contributors) == ("", False, "open", ())
    assert thread.author == Person("anna", place.id_of("anna"))


def test_a_pull_request_tells_its_head_and_everyone_behind_its_commits(place: Place) -> None:
    """Author, co-author and a second committer; the one who opened it wrote none of it."""
    thread = thread_of(place, place.pull("olga", (("anna", "bert"), ("carl",))))
    assert thread.head == HEAD
    assert thread.author is not None and thread.author.login == "olga"
    if isinstance(place, OnGitHub) and not place.github.graphql:
        assert {p.login for p in thread.contributors} == {"anna", "carl"}  # REST names co-authors by e-mail alone
    else:
        assert {p.login for p in thread.contributors} == {"anna", "bert", "carl"}


def test_comments_come_with_id_author_and_body(place: Place) -> None:
    """What approvals are counted by."""
    number = place.issue("anna")
    first, second = place.say(number, "bert", "/gate approve"), place.say(number, "Carl", "fine")
    comments = thread_of(place, number).comments
    assert [(c.id, c.author and c.author.login, c.body) for c in comments] == [
        (first, "bert", "/gate approve"),
        (second, "Carl", "fine"),
    ]
    assert [c.author and c.author.id for c in comments] == [place.id_of("bert"), place.id_of("Carl")]
    assert all(c.edited == "" and c.created.endswith("Z") for c in comments)


def test_all_of_hundreds_of_comments_are_read(place: Place) -> None:
    """A veto on the third page counts."""
    number = place.issue("anna")
    said = [place.say(number, "bert", f"comment {n}") for n in range(230)]
    assert [c.id for c in thread_of(place, number).comments] == said


def test_an_edited_comment_says_so(place: Place) -> None:
    """An approval that was something else before is known."""
    number = place.issue("anna")
    comment = place.say(number, "bert", "nice!")
    place.edit(number, comment, "bert", "/gate approve")
    (read,) = thread_of(place, number).comments
    assert read.edited != "" and read.body == "/gate approve"


def test_a_comment_is_confirmed_as_it_stands_now(place: Place) -> None:
    """Another text than was read is an edit since; what is gone is not there."""
    number = place.issue("anna")
    kept, changed, gone = (place.say(number, "bert", "/gate approve\n\nfine") for _ in range(3))
    read = thread_of(place, number).comments
    place.edit(number, changed, "bert", "/gate reject")
    place.delete(number, gone)
    first, second, third = map(place.forge.confirm, read)
    assert first == read[0] and first.id == kept
    assert second is not None and second.edited and second.body == "/gate reject"
    assert third is None


@pytest.mark.parametrize("github", [True, False], indirect=True)
def test_an_app_that_writes_in_somebodys_name_is_told(site: OnGitHub) -> None:
    """By the comment alone, which is asked for once."""
    number = site.issue("anna")
    site.github.world.comment(number, "bert", "/gate approve").app = "helper"
    (read,) = thread_of(site, number).comments
    for _ in range(2):
        confirmed = site.forge.confirm(read)
        assert confirmed is not None and (confirmed.app, confirmed.author) == ("helper", read.author)
    assert len(site.github.seen("GET /repos/acme/models/issues/comments/")) == 1


@pytest.mark.parametrize("github", [False], indirect=True)
def test_a_comment_that_slips_to_a_page_already_read_is_read(site: OnGitHub) -> None:
    """Somebody deletes an early comment between two pages, and the veto that began the second ends the first."""
    number = site.issue("anna")
    first, *_ = (site.say(number, "bert", str(n)) for n in range(100))
    veto = site.say(number, "carl", "/gate reject")

    def tidy() -> None:
        site.delete(number, first)
        site.say(number, "bert", "/gate approve")

    site.github.fault(Does(lambda: None), on=f"issues/{number}/comments")
    site.github.fault(Does(tidy), on=f"issues/{number}/comments")
    assert veto in [c.id for c in thread_of(site, number).comments]
    assert len(site.github.seen(f"issues/{number}/comments")) == 6


@pytest.mark.parametrize("github", [False], indirect=True)
def test_a_thread_that_never_holds_still_is_not_half_read(site: OnGitHub) -> None:
    """Two readings in a row have to agree."""
    number = site.issue("anna")
    for n in range(100):
        site.say(number, "bert", str(n))
    site.github.fault(Does(lambda: site.say(number, "bert", "and")), on=f"issues/{number}/comments", times=9)
    with pytest.raises(Undetermined, match="comments come and go while they are read"):
        site.forge.thread(number)


def test_a_deleted_comment_is_gone(place: Place) -> None:
    """To delete an approval is to withdraw it."""
    number = place.issue("anna")
    place.delete(number, place.say(number, "bert", "/gate approve"))
    assert thread_of(place, number).comments == ()


def test_a_deleted_account_is_nobody(place: Place) -> None:
    """What a ghost said stays, and counts for no one."""
    number = place.issue("anna")
    place.say(number, None, "/gate approve")
    (read,) = thread_of(place, number).comments
    assert read.author is None


def test_a_bot_is_known_as_one(place: Place) -> None:
    """Its login ends the same way whichever interface told it."""
    number = place.issue("anna")
    place.say(number, "github-actions[bot]", "hello")
    (read,) = thread_of(place, number).comments
    assert read.author == Person("github-actions[bot]", 41898282, "Bot")


def test_changed_files_are_told(place: Place) -> None:
    """Whether a pull request touches the policy."""
    assert place.forge.changed_files(place.pull("anna")) == ("train.py",)


def test_membership_has_three_values(place: Place) -> None:
    """A team that cannot be read is no reason to call anybody a stranger."""
    place.team("acme/leads", Anna="active", bert="pending")
    place.role("carl", "read")
    assert place.forge.member("acme/leads", "anna").answer == "yes"
    assert place.forge.member("acme/leads", "bert").answer == "no"
    assert place.forge.member("acme/leads", "carl").answer == "no"
    unreadable = place.forge.member("acme/secret", "anna")
    assert unreadable.answer == "unreadable" and "acme/secret" in unreadable.why


def test_a_person_is_found_by_login_in_any_case(place: Place) -> None:
    """The id is what counts; the spelling is GitHub's."""
    place.role("Octo", "read")
    assert place.forge.person("octo") == Person("Octo", place.id_of("Octo"))
    assert place.forge.person("nobody-of-that-name") is None


def test_a_forge_knows_whom_it_speaks_for(place: Place) -> None:
    """A workflow's token is its bot's, which is no person."""
    assert place.forge.viewer() == Person("github-actions[bot]", 41898282, "Bot")
    assert not place.forge.viewer().human


@pytest.mark.parametrize("role", ["read", "triage", "write", "maintain", "admin"])
def test_a_role_is_told_as_it_is(place: Place, role: str) -> None:
    """GitHub's older field folds maintain into write and triage into read."""
    place.role("anna", role)
    assert place.forge.role("anna") == role


def test_an_unknown_account_has_no_role(place: Place) -> None:
    """Nobody may do nothing."""
    assert place.forge.role("nobody-of-that-name") == "none"


def test_policies_are_read_from_the_default_branch(place: Place) -> None:
    """YAML files directly in the folder, and the commit they stand at."""
    others = {"policies/README.md": "x", "policies/old/gone.yml": "x", "policy.yaml": "x"}
    commit = place.commit({"policies/fraud.yaml": "a: 1\n", "policies/churn.yml": "b: 2\n", **others})
    wanted = {"policies/churn.yml": "b: 2\n", "policies/fraud.yaml": "a: 1\n"}
    assert place.forge.files("policies") == Files("refs/heads/main", commit, wanted)
    assert place.forge.files("policies/") == Files("refs/heads/main", commit, wanted)
    assert place.forge.files("policy.yaml") == Files("refs/heads/main", commit, {"policy.yaml": "x"})


def test_a_ref_may_be_a_branch_a_tag_a_full_name_or_a_commit(place: Place) -> None:
    """As `policy-ref` allows."""
    main = place.commit({"policies/a.yaml": "main"})
    old = place.commit({"policies/a.yaml": "old"}, "refs/heads/release/1.x")
    tagged = place.commit({"policies/a.yaml": "tagged"}, "refs/tags/v1")
    expected = {
        "main": ("refs/heads/main", main, "main"),
        "release/1.x": ("refs/heads/release/1.x", old, "old"),
        "v1": ("refs/tags/v1", tagged, "tagged"),
        "refs/tags/v1": ("refs/tags/v1", tagged, "tagged"),
        old: (old, old, "old"),
    }
    for ref, (full, commit, text) in expected.items():
        assert place.forge.files("policies", ref) == Files(full, commit, {"policies/a.yaml": text})


def test_the_default_branch_has_a_full_name(place: Place) -> None:
    """What runs on any other ref may not move a model."""
    assert place.forge.default_branch() == "refs/heads/main"


def test_a_tag_does_not_pass_for_a_branch(place: Place) -> None:
    """Whoever may push a tag called main must not thereby write the policy."""
    place.commit({"policies/a.yaml": "mine"}, "refs/tags/main")
    commit = place.commit({"policies/a.yaml": "ours"})
    for ref in ("main", ""):
        assert place.forge.files("policies", ref) == Files("refs/heads/main", commit, {"policies/a.yaml": "ours"})


def test_a_missing_folder_or_ref_is_not_found(place: Place) -> None:
    """Whoever asks decides that it is an error; it is never an empty policy."""
    place.commit({"policies/a.yaml": "x"})
    assert place.forge.files("policy") is None
    assert place.forge.files("policies", "no-such-branch") is None
    assert place.forge.files("policies", "e" * 40) is None


def test_one_comment_is_shown_and_changed(place: Place) -> None:
    """The same key is the same comment, and other keys have their own."""
    number = place.pull("anna")
    place.say(number, "bert", "hello")
    first = place.forge.comment(number, "fraud production", "waiting")
    assert place.forge.comment(number, "fraud staging", "other").id != first.id
    assert place.forge.comment(number, "fraud production", "promoted") == first
    assert bodies(place, number) == ["hello", "promoted", "other"]


def test_a_comment_that_is_the_same_is_not_touched(place: Place) -> None:
    """No edit, no mark of one."""
    number = place.pull("anna")
    place.forge.comment(number, "fraud production", "a\nb")
    place.forge.comment(number, "fraud production", "a\nb")
    (comment,) = thread_of(place, number).comments
    assert comment.edited == ""


def test_a_lost_comment_comes_back(place: Place) -> None:
    """Somebody deletes it; the next run shows it again."""
    number = place.pull("anna")
    place.delete(number, place.forge.comment(number, "fraud production", "waiting").id)
    place.forge.comment(number, "fraud production", "promoted")
    assert bodies(place, number) == ["promoted"]


def test_a_defaced_comment_is_overwritten(place: Place) -> None:
    """What it says is never believed."""
    number = place.pull("anna")
    posted = place.forge.comment(number, "fraud production", "refused")
    marker = thread_of(place, number).comments[0].body.split("\n")[0]
    place.edit(number, posted.id, "mallory", f"{marker}\napproved by everyone")
    assert place.forge.comment(number, "fraud production", "refused") == posted
    assert bodies(place, number) == ["refused"]


def test_doubles_are_removed_and_the_oldest_is_kept(place: Place) -> None:
    """Two runs posted in the same moment; the next one heals it."""
    number = place.pull("anna")
    first = place.forge.comment(number, "fraud production", "waiting")
    copy = thread_of(place, number).comments[0].body
    place.say(number, "github-actions[bot]", copy)
    place.say(number, "github-actions[bot]", copy)
    assert place.forge.comment(number, "fraud production", "promoted") == first
    assert bodies(place, number) == ["promoted"]


def test_somebody_elses_comment_with_our_marker_is_left_alone(place: Place) -> None:
    """Marker and author together make a comment ours."""
    number = place.pull("anna")
    place.forge.comment(number, "fraud production", "waiting")
    stolen = thread_of(place, number).comments[0].body
    place.delete(number, thread_of(place, number).comments[0].id)
    place.say(number, "mallory", stolen)
    place.forge.comment(number, "fraud production", "refused")
    assert bodies(place, number) == ["waiting", "refused"]


def test_our_own_comment_that_quotes_the_marker_is_another(place: Place) -> None:
    """Only the first line counts."""
    number = place.pull("anna")
    place.forge.comment(number, "fraud production", "waiting")
    quoted = f"> {thread_of(place, number).comments[0].body}"
    place.say(number, "github-actions[bot]", quoted)
    place.forge.comment(number, "fraud production", "promoted")
    assert [c.body for c in thread_of(place, number).comments][1] == quoted


@pytest.mark.parametrize("key", ["a-->b", "a--!>", "<!-- x", "a\nb", "100%", "a b", "überwachung"])
def test_any_key_makes_a_hidden_line(place: Place, key: str) -> None:
    """A model's name cannot break out of the marker, and its comment is found again."""
    number = place.issue("anna")
    first = place.forge.comment(number, key, "one")
    assert place.forge.comment(number, key, "two") == first
    marker, said = thread_of(place, number).comments[0].body.split("\n", 1)
    assert said == "two" and marker.count("-->") == 1 and "--" not in marker[4:-3]


def test_a_reaction_is_given_once(place: Place) -> None:
    """Every run acknowledges anew."""
    number = place.issue("anna")
    comment = place.say(number, "bert", "/gate approve")
    place.forge.react(comment, "eyes")
    place.forge.react(comment, "eyes")
    with pytest.raises(Undetermined, match="could not react"):
        place.forge.react(comment + 1000, "eyes")


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [
        ("success", "success"),
        ("failure", "failure"),
        ("pending", "in_progress"),
        ("undetermined", "action_required"),
    ],
)
def test_no_outcome_but_success_passes_a_required_check(place: Place, outcome: str, shown: str) -> None:
    """GitHub lets neutral and skipped pass, so neither is ever said."""
    place.pull("anna")
    place.forge.check(replace(CHECK, outcome=outcome))  # type: ignore[arg-type]
    assert place.outcomes() == [shown]


def test_the_same_check_is_one_run(place: Place) -> None:
    """Waiting becomes passed."""
    place.pull("anna")
    place.forge.check(CHECK)
    place.forge.check(replace(CHECK, outcome="success", title="promoted"))
    assert place.outcomes() == ["success"]


def test_new_evidence_is_a_new_run(place: Place) -> None:
    """The run of the older digest stays as it was."""
    place.pull("anna")
    place.forge.check(replace(CHECK, outcome="failure"))
    place.forge.check(replace(CHECK, external_id="e" * 64, outcome="success"))
    assert place.outcomes() == ["failure", "success"]


def test_an_issue_is_opened_once_found_and_closed(place: Place) -> None:
    """Requests and drift each have one open issue."""
    assert place.forge.find_issue("fraud/12 production") is None
    opened = place.forge.open_issue("fraud/12 production", "Promote fraud/12", "please approve")
    assert place.forge.open_issue("fraud/12 production", "Promote fraud/12 soon", "please") == opened
    assert place.forge.find_issue("fraud/12 production") == opened
    thread = thread_of(place, opened.id)
    assert (thread.title, thread.state) == ("Promote fraud/12 soon", "open")
    place.forge.close_issue(opened.id)
    place.forge.close_issue(opened.id, done=False)
    assert thread_of(place, opened.id).state == "closed"
    assert place.forge.find_issue("fraud/12 production") is None


def test_a_closed_issue_is_followed_by_a_new_one(place: Place) -> None:
    """The next request is another conversation."""
    first = place.forge.open_issue("drift", "Drift", "a")
    place.forge.close_issue(first.id)
    assert place.forge.open_issue("drift", "Drift", "b").id != first.id


def test_the_issue_of_a_request_says_so_while_its_text_is_our_own(site: OnGitHub) -> None:
    """A bare word in it is then about that request; whoever changes the text cannot make it one about another."""
    key = request_key("fraud model", 12, "production")
    number = site.forge.open_issue(key, "Promote", "please approve").id
    site.forge.open_issue(key, "Promote", "one has approved")
    assert thread_of(site, number).opened_for == ("fraud model", 12, "production")
    thread = site.github.world.repository.threads[number]
    site.github.world.edit(thread, "mallory", thread.body.replace("/12", "/13"))
    assert thread_of(site, number).opened_for is None
    copied = site.github.world.issue("mallory", "Promote", body=marked(key, "please approve"))
    other = site.forge.open_issue("drift", "Drift", "a")
    assert {thread_of(site, n).opened_for for n in (copied.number, other.id)} == {None}


def test_without_graphql_no_issue_is_known_to_be_our_own_words(github: GitHub) -> None:
    """REST does not tell who changed a text last."""
    github.graphql = False
    site = OnGitHub(github)
    number = site.forge.open_issue(request_key("fraud", 12, "production"), "Promote", "please approve").id
    assert thread_of(site, number).opened_for is None


def test_a_deployment_is_told_once_a_state(place: Place) -> None:
    """A run that is repeated adds nothing to the history."""
    commit = place.commit({"policies/a.yaml": "x"})
    told = Deployment("fraud/7", commit, "production", "in_progress", "fraud/12 to production")
    first = place.forge.deploy(told)
    place.forge.deploy(told)
    assert place.forge.deploy(replace(told, state="success", description="x" * 300)) == first
    place.forge.deploy(replace(told, key="fraud/8", state="failure"))
    assert place.states("fraud/7") == ["in_progress", "success"]
    assert place.states("fraud/8") == ["failure"]


def test_a_terminal_publishes_nothing_and_vouches_for_nobody() -> None:
    """Without a forge nothing is shown, and whatever depends on one is undetermined."""
    forge: Forge = NoForge()
    assert forge.thread(1) is None
    assert forge.comment(1, "k", "b").url == ""
    assert forge.member("acme/leads", "anna") == Membership("unreadable", "no GitHub repository is known here")
    for ask in (
        lambda: forge.files("policies"),
        lambda: forge.role("anna"),
        lambda: forge.person("anna"),
        forge.viewer,
    ):
        with pytest.raises(Undetermined, match="no GitHub repository is known here"):
            ask()


ANNOTATIONS = tuple(Annotation("policies/fraud.yaml", n, f"remark {n}", title="gate") for n in range(1, 121))


def test_annotations_go_in_batches(site: OnGitHub) -> None:
    """GitHub takes 50 at a time; all 120 arrive, each once, and again after a second run."""
    check = replace(CHECK, outcome="failure", annotations=ANNOTATIONS)
    site.pull("anna")
    site.forge.check(check)
    site.forge.check(check)
    (run,) = site.github.world.repository.checks
    assert [a["start_line"] for a in run.annotations] == list(range(1, 121))


def test_other_annotations_are_a_new_run(site: OnGitHub) -> None:
    """GitHub only ever adds to a run's annotations; what is no longer so must not stay beside what is."""
    site.pull("anna")
    for some in (ANNOTATIONS[:2], ANNOTATIONS[7:10], ANNOTATIONS[:1]):
        site.forge.check(replace(CHECK, annotations=some))
    lines = [[a["start_line"] for a in run.annotations] for run in site.github.world.repository.checks]
    assert lines == [[1, 2], [8, 9, 10], [1]]


def test_a_run_that_was_cut_short_gets_the_rest_of_its_annotations(site: OnGitHub) -> None:
    """The first batch had arrived when the runner was stopped."""
    site.pull("anna")
    check = replace(CHECK, annotations=ANNOTATIONS)
    site.github.fault(Says(422, '{"message": "no"}'), on="PATCH")
    with pytest.raises(Undetermined):
        site.forge.check(check)
    site.forge.check(check)
    (run,) = site.github.world.repository.checks
    assert [a["start_line"] for a in run.annotations] == list(range(1, 121))


def test_somebody_elses_deployment_with_our_key_is_left_alone(site: OnGitHub) -> None:
    """Whoever may write deployments may write any payload."""
    commit = site.commit({"a": "x"})
    mallory = site.github.world.account("mallory")
    site.github.world.token("mallorys_token_00000", mallory, installation=False)
    told = Deployment("fraud/7", commit, "production", "success")
    forged = site.another("mallorys_token_00000").deploy(told)
    assert site.forge.deploy(told) != forged
    assert [d.creator.login for d in site.github.world.repository.deployments] == ["mallory", "github-actions[bot]"]


def test_comments_are_in_order_whatever_order_they_come_in(site: OnGitHub) -> None:
    """Somebody's last command is the one that counts."""
    number = site.pull("anna")
    said = [site.say(number, "bert", str(n)) for n in range(5)]
    site.github.world.repository.threads[number].comments.reverse()
    assert [c.id for c in thread_of(site, number).comments] == said
    site.github.graphql = False
    assert [c.id for c in thread_of(site, number).comments] == said


def test_a_token_that_may_not_ask_by_graphql_who_it_is_asks_by_rest(site: OnGitHub) -> None:
    """As on older servers of one's own."""
    number = site.pull("anna")
    forbidden = '{"data": null, "errors": [{"type": "FORBIDDEN", "message": "Resource not accessible"}]}'
    site.github.fault(Says(200, forbidden), on="/graphql")
    site.forge.comment(number, "k", "one")
    assert "GET /user" in site.github.seen() and bodies(site, number) == ["one"]


@pytest.mark.parametrize("graphql", [True, False])
def test_a_persons_own_token_is_theirs(site: OnGitHub, graphql: bool) -> None:
    """On a command line it says who overrides; asked for once."""
    site.github.graphql = graphql
    mona = site.github.world.account("Mona")
    site.github.world.token("ghp_mona00000000000000", mona, installation=False)
    forge = site.another("ghp_mona00000000000000")
    assert [forge.viewer(), forge.viewer()] == [Person("Mona", mona.id)] * 2
    assert len(site.github.requests) == (1 if graphql else 2)


def test_an_outage_while_asking_who_we_are_is_no_guess(site: OnGitHub) -> None:
    """A wrong guess would post a second comment beside our own."""
    number = site.pull("anna")
    site.github.fault(BAD_GATEWAY, on="/graphql", times=99)
    with pytest.raises(Undetermined, match="could not read whom the token belongs to"):
        site.forge.comment(number, "k", "one")
    assert site.github.seen("/repos") == []


def test_evidence_that_comes_back_is_a_new_run(place: Place) -> None:
    """GitHub goes by the newest run of a name: a failure written into an older one would be seen by nobody."""
    place.pull("anna")
    place.forge.check(replace(CHECK, outcome="failure"))
    place.forge.check(replace(CHECK, external_id="e" * 64, outcome="success"))
    place.forge.check(replace(CHECK, outcome="failure"))
    assert place.outcomes() == ["failure", "success", "failure"]


def test_a_job_of_the_same_name_is_not_overwritten(site: OnGitHub) -> None:
    """A workflow's own check runs belong to the same app as ours."""
    site.pull("anna")
    site.forge.check(replace(CHECK, external_id="0f6c0bb7-ca395-job"))
    site.forge.check(replace(CHECK, outcome="success"))
    assert site.outcomes() == ["in_progress", "success"]


def test_completed_does_not_go_back_to_pending_in_place(place: Place) -> None:
    """An approval is withdrawn: a new run takes the place of the one that passed."""
    place.pull("anna")
    for outcome in ("pending", "success", "pending"):
        place.forge.check(replace(CHECK, outcome=outcome))
    assert place.outcomes() == ["success", "in_progress"]


def test_a_file_that_is_no_text_is_the_users_to_repair(site: OnGitHub) -> None:
    """Latin-1 in a policy gets its place and its remedy."""
    site.github.world.commit({"policies/fraud.yaml": b"a: \xfc\0\n"})
    with pytest.raises(PolicyError, match=r"policies/fraud.yaml:1:4: byte 0xfc is not UTF-8 text"):
        site.forge.files("policies")


def test_a_file_too_long_for_graphql_is_read_whole(site: OnGitHub) -> None:
    """GraphQL cuts long texts off and says so."""
    text = "# a long policy\n" * 40_000
    site.github.world.commit({"policies/fraud.yaml": text})
    files = site.forge.files("policies")
    assert files is not None and files.texts == {"policies/fraud.yaml": text}


def test_an_annotated_tag_is_followed_to_its_commit(site: OnGitHub) -> None:
    """Releases are tags with an object of their own."""
    commit = site.commit({"policies/a.yaml": "x"})
    site.github.world.annotated_tag("v2", commit)
    assert site.forge.files("policies", "v2") == Files("refs/tags/v2", commit, {"policies/a.yaml": "x"})
    site.github.graphql = False
    assert site.another().files("policies", "v2") == Files("refs/tags/v2", commit, {"policies/a.yaml": "x"})


@pytest.mark.parametrize("path", ["../../user", "policies/../../x", "a//b", "."])
def test_a_path_cannot_leave_its_place(site: OnGitHub, path: str) -> None:
    """HTTP libraries resolve dots, and the token would go with them."""
    site.github.graphql = False
    with pytest.raises(UsageError, match="is no address"):
        site.another().files(path)
    assert site.github.seen("GET /user") == []


def test_a_comments_thread_is_one_request(site: OnGitHub) -> None:
    """An approval run has 25 to spend."""
    number = site.pull("anna")
    for n in range(90):
        site.say(number, "bert", str(n))
    site.forge.thread(number)
    assert site.github.seen() == ["POST /graphql"]


def test_a_run_that_shows_everything_stays_frugal(site: OnGitHub) -> None:
    """Policy, thread twice, two approvers' teams twice, comment, check, reaction, deployment: within 25 requests."""
    number = site.pull("anna")
    commit = site.commit({f"policies/{n}.yaml": "x" for n in range(9)})
    site.team("acme/leads", bert="active", carl="active")
    asked = site.say(number, "bert", "/gate approve")
    site.forge.comment(number, "fraud production", "waiting")
    before = len(site.github.seen())
    run = site.another()
    run.react(asked, "eyes")
    run.files("policies")
    for _ in range(2):
        run.thread(number)
        assert {run.member("acme/leads", login).answer for login in ("bert", "carl")} == {"yes"}
    for state in ("in_progress", "success"):
        run.deploy(Deployment("fraud/7", commit, "production", state))
    run.comment(number, "fraud production", "promoted")
    run.check(replace(CHECK, outcome="success"))
    run.react(asked, "rocket")
    assert len(site.github.seen()) - before <= 20


def test_two_runs_that_post_at_once_leave_one_comment(site: OnGitHub) -> None:
    """Neither saw the other's comment before it posted its own."""
    number = site.pull("anna")
    other = site.another()
    site.github.fault(
        Does(lambda: other.comment(number, "fraud production", "one")), on="POST /repos/acme/models/issues"
    )
    site.forge.comment(number, "fraud production", "two")
    assert bodies(site, number) == ["two"]


def test_a_comment_deleted_while_it_is_changed_is_posted_anew(site: OnGitHub) -> None:
    """Between our look and our change somebody tidied up."""
    number = site.pull("anna")
    posted = site.forge.comment(number, "fraud production", "waiting")
    site.github.fault(Does(lambda: site.delete(number, posted.id)), on="PATCH")
    site.forge.comment(number, "fraud production", "promoted")
    assert bodies(site, number) == ["promoted"]


@pytest.mark.parametrize("installation", [True, False])
def test_without_graphql_we_still_know_our_own_comments(site: OnGitHub, installation: bool) -> None:
    """A workflow's token may not ask who it is: then it is the workflows' bot."""
    site.github.graphql = False
    me = site.github.world.bot if installation else site.github.world.account("release-bot")
    site.github.world.token("some_token_0000000000", me, installation=installation)
    number = site.pull("anna")
    forge = site.another("some_token_0000000000")
    assert forge.comment(number, "k", "one") == forge.comment(number, "k", "two")
    assert thread_of(site, number).comments[0].author == Person(me.login, me.id, me.kind)


def test_more_commits_than_rest_tells_are_not_half_a_list(site: OnGitHub) -> None:
    """Who wrote the 251st commit may be the approver."""
    site.github.graphql = False
    number = site.pull("anna", (("anna",),) * 250)
    with pytest.raises(Undetermined, match="250 commits at most"):
        site.another().thread(number)


def test_all_commits_are_read_by_graphql(site: OnGitHub) -> None:
    """The last of 260 commits has an author of its own."""
    number = site.pull("anna", (*((("anna",),) * 259), ("zoe",)))
    assert {p.login for p in thread_of(site, number).contributors} == {"anna", "zoe"}


def test_every_author_of_a_commit_is_read(site: OnGitHub) -> None:
    """Whoever is named last of many may not approve their own work either."""
    names = tuple(f"author-{n}" for n in range(99))
    number = site.pull("anna", (("anna", *names),))
    assert {p.login for p in thread_of(site, number).contributors} == {"anna", *names}


def test_more_authors_of_a_commit_than_are_told_are_not_half_a_list(site: OnGitHub) -> None:
    """Who stands beyond the end of the list may be the approver."""
    number = site.pull("anna", (("anna", *(f"author-{n}" for n in range(100))),))
    with pytest.raises(Undetermined, match="names 101 authors"):
        site.another().thread(number)


def test_a_fork_is_a_fork(site: OnGitHub) -> None:
    """Its author pushes what they like."""
    number = site.pull("anna")
    site.github.world.repository.threads[number].fork = True
    assert thread_of(site, number).fork
    site.github.graphql = False
    rest = site.another().thread(number)
    assert rest is not None and rest.fork and rest.head == HEAD


SIGN_IN = Says(200, "<!doctype html><title>Sign in</title>", {"Content-Type": "text/html"})
BUSY = Says(200, '{"data": null, "errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}')
CONFUSED = Says(200, '{"data": null, "errors": [{"message": "Something went wrong while executing your query."}]}')
OUTAGES = {
    "reset": Breaks(),
    "reset after": Breaks(after=True),
    "cut off": Breaks(half=True),
    "half a JSON": Garbles('{"data": {"reposi'),
    "nothing": Garbles(""),
    "502": BAD_GATEWAY,
    "503": Says(503, ""),
    "sign-in page": SIGN_IN,
    "limit": LIMITED,
    "secondary limit": SECONDARY,
    "429": Says(429, "slow down"),
    "limit in GraphQL": BUSY,
    "failure in GraphQL": CONFUSED,
}


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())
def test_reading_survives_a_passing_outage(site: OnGitHub, outage: Fault) -> None:
    """Whatever GitHub does once, or twice, the comments are all there."""
    number = site.pull("anna")
    said = site.say(number, "bert", "/gate approve")
    site.github.fault(outage, times=2)
    assert [c.id for c in thread_of(site, number).comments] == [said]
    assert len(site.waited) == 2


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())
def test_a_lasting_outage_is_undetermined_never_a_short_list(site: OnGitHub, outage: Fault) -> None:
    """The budget ends the waiting, and the error says what, why and what to do."""
    number = site.pull("anna")
    for _ in range(150):
        site.say(number, "bert", "hello")
    site.forge.thread(number)
    site.github.fault(Does(lambda: site.github.fault(outage, times=99)))
    with pytest.raises(Undetermined) as told:
        site.forge.thread(number)
    assert told.value.what == f"could not read the comments of #{number}" and told.value.why and told.value.fix
    assert sum(site.waited) <= 150


def test_a_limit_is_waited_out_as_asked(site: OnGitHub) -> None:
    """Retry-After, then the reset time, then the minute that GitHub asks for when it says nothing."""
    number = site.pull("anna")
    reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795428020"}
    for fault, least in ((LIMITED, 7), (Says(403, '{"message": "no"}', reset), 21), (SECONDARY, 60)):
        site.waited.clear()
        site.github.fault(fault)
        site.forge.thread(number)
        assert site.waited == [least + 0.5]


def test_a_limit_longer_than_our_patience_is_told_at_once(site: OnGitHub) -> None:
    """A runner does not sleep for an hour."""
    site.github.fault(Says(403, '{"message": "API rate limit exceeded"}', {"Retry-After": "3600"}))
    with pytest.raises(Undetermined, match=r"asks to wait 3600 s: API rate limit exceeded\. Run it again") as told:
        site.forge.thread(1)
    assert site.waited == []
    assert told.value.reason == "rate_limited"


def test_a_refusal_is_not_repeated(site: OnGitHub) -> None:
    """403 without a limit stays 403; the remedy is the permission that GitHub names."""
    number = site.pull("anna")
    site.github.world.tokens["ghs_workflow0000000000"].denied = ("POST /repos/{owner}/{repo}/issues/{issue_number}",)
    with pytest.raises(Undetermined, match=r"permissions: \{issues: write\}") as told:
        site.forge.comment(number, "k", "b")
    assert "Resource not accessible by integration" in told.value.why
    assert site.waited == []


def test_a_token_that_is_no_more_is_said(site: OnGitHub) -> None:
    """An app's token lives for an hour."""
    with pytest.raises(Undetermined, match=r"Bad credentials.*still valid"):
        site.another("expired_0000000000").role("anna")


def test_a_repository_that_the_token_cannot_see_is_no_empty_one(site: OnGitHub) -> None:
    """GitHub calls both not found."""
    patience = Patience(site.waited.append, lambda: 0.5, lambda: 0.0)
    elsewhere = GitHubForge("acme/other", "ghs_workflow0000000000", api_url=site.github.api_url, patience=patience)
    for ask in (lambda: elsewhere.thread(1), lambda: elsewhere.files("policies")):
        with pytest.raises(Undetermined, match="acme/other does not exist, or the token may not see it"):
            ask()
    site.github.graphql = False
    with pytest.raises(Undetermined, match="acme/other does not exist"):
        elsewhere.files("policies")


def test_a_404_that_is_not_githubs_is_no_answer(site: OnGitHub) -> None:
    """A proxy that has lost its way must not make anybody a stranger."""
    site.github.fault(Says(404, "<html>404</html>"), on="/permission", times=9)
    with pytest.raises(Undetermined, match="could not read what anna may do"):
        site.forge.role("anna")


def test_a_404_of_githubs_without_a_word_is_not_found(site: OnGitHub) -> None:
    """Its description allows for some answers to have no content."""
    site.github.fault(Says(404, ""), on="/permission")
    assert site.forge.role("anna") == "none"


def test_silence_is_a_passing_outage(site: OnGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow answer is given up, and asked for again."""
    monkeypatch.setattr("gatewright.forge.rest.SILENCE", 0.1)
    number = site.pull("anna")
    site.github.fault(Waits(60), on="/graphql")
    assert thread_of(site, number).number == number
    site.github.fault(Waits(60), on="/graphql", times=9)
    with pytest.raises(Undetermined, match=r"GitHub is silent for 0\.1 s"):
        site.forge.thread(number)


@pytest.mark.parametrize(("limit", "said"), [("WHOLE", "is not complete after"), ("LARGEST", "is larger than")])
def test_an_answer_that_does_not_end_is_left(
    site: OnGitHub, monkeypatch: pytest.MonkeyPatch, limit: str, said: str
) -> None:
    """Neither the time nor the memory of a run is for whoever answers drop by drop, or without measure."""
    number = site.pull("anna")
    monkeypatch.setattr(f"gatewright.forge.rest.{limit}", -1)
    with pytest.raises(Undetermined, match=said):
        site.forge.thread(number)


def test_a_page_that_comes_again_is_not_the_end(site: OnGitHub) -> None:
    """A cursor that does not advance means that comments are missing."""
    nodes = '"comments": {"nodes": [], "pageInfo": {"hasNextPage": true, "endCursor": null}}'
    thread = f'{{"title": "t", "url": "u", "issueState": "OPEN", "author": null, {nodes}}}'
    site.github.fault(Says(200, f'{{"data": {{"repository": {{"issueOrPullRequest": {thread}}}}}}}'))
    with pytest.raises(Undetermined, match="the same page again"):
        site.forge.thread(1)


def test_a_comment_that_is_left_out_is_missed(site: OnGitHub) -> None:
    """GitHub writes null for what a token may not read: it could be a veto."""
    nodes = '"comments": {"nodes": [null], "pageInfo": {"hasNextPage": false, "endCursor": null}}'
    thread = f'{{"title": "t", "url": "u", "issueState": "OPEN", "author": null, {nodes}}}'
    site.github.fault(Says(200, f'{{"data": {{"repository": {{"issueOrPullRequest": {thread}}}}}}}'))
    with pytest.raises(Undetermined, match="leaves some of them out"):
        site.forge.thread(1)


def test_an_older_server_that_lacks_a_field_is_asked_by_rest(site: OnGitHub) -> None:
    """GraphQL's fields differ from release to release of a server of one's own."""
    number = site.pull("anna")
    error = '{"message": "Field \'fullDatabaseId\' doesn\'t exist", "extensions": {"code": "undefinedField"}}'
    site.github.fault(Says(200, f'{{"errors": [{error}]}}'))
    assert thread_of(site, number).head == HEAD
    assert f"GET /repos/acme/models/issues/{number}/comments" in site.github.seen()


def test_a_token_without_graphql_is_no_older_server(site: OnGitHub) -> None:
    """What it may not read is undetermined, with the permissions to give."""
    number = site.pull("anna")
    site.github.fault(Says(200, '{"data": null, "errors": [{"type": "FORBIDDEN", "message": "not by integration"}]}'))
    with pytest.raises(Undetermined, match=r"permissions: \{contents: read"):
        site.forge.thread(number)


def test_a_deleted_fork_is_still_a_fork(site: OnGitHub) -> None:
    """GitHub then tells of no repository at all."""
    site.github.graphql = False
    number = site.pull("anna")
    site.github.world.repository.threads[number].fork = None
    thread = site.another().thread(number)
    assert thread is not None and thread.fork


def test_an_issue_that_is_a_pull_request_is_not_ours_to_close(site: OnGitHub) -> None:
    """GitHub lists pull requests among the issues."""
    opened = site.forge.open_issue("drift", "Drift", "a")
    site.github.world.push(opened.id, "anna", {"a": "b"})
    assert site.forge.find_issue("drift") is None


def test_a_body_as_long_as_there_is_room_is_taken(site: OnGitHub) -> None:
    """One character more is refused by GitHub, and that is said."""
    number = site.issue("anna")
    site.forge.comment(number, "k", "x" * room("k"))
    with pytest.raises(Undetermined, match="body is too long"):
        site.forge.comment(number, "other", "x" * (room("other") + 1))


def test_a_team_under_an_outage_is_unreadable(site: OnGitHub) -> None:
    """It blocks and is named; it is not a no."""
    site.team("acme/leads", anna="active")
    site.github.fault(BAD_GATEWAY, on="/memberships/", times=99)
    found = site.forge.member("acme/leads", "anna")
    assert found.answer == "unreadable" and "502" in found.why


def test_a_workflows_own_token_cannot_read_teams_and_the_remedy_is_said(site: OnGitHub) -> None:
    """The most frequent surprise of all: 404 for a member."""
    site.team("acme/leads", anna="active")
    found = site.another(team_token="").member("acme/leads", "anna")
    assert found.answer == "unreadable" and "team-token" in found.why


def test_membership_is_read_again_every_time(site: OnGitHub) -> None:
    """Who left the team between comment and promotion does not count."""
    site.team("acme/leads", anna="active")
    assert site.forge.member("acme/leads", "anna").answer == "yes"
    site.team("acme/leads", bert="active")
    assert site.forge.member("acme/leads", "anna").answer == "no"


LOST = {k: OUTAGES[k] for k in ("reset", "reset after", "cut off", "half a JSON", "nothing", "502", "sign-in page")}


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST.keys())
def test_a_lost_answer_is_not_a_second_comment(site: OnGitHub, lost: Fault) -> None:
    """Whether the comment was posted is looked up before it is posted again."""
    number = site.pull("anna")
    site.github.fault(lost, on=f"POST /repos/acme/models/issues/{number}/comments", times=2)
    site.forge.comment(number, "fraud production", "waiting")
    assert bodies(site, number) == ["waiting"]
    assert site.github.seen("DELETE") == []  # not even for a moment


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST.keys())
def test_a_lost_answer_is_not_a_second_issue_check_or_deployment(site: OnGitHub, lost: Fault) -> None:
    """Everything that is made is made once."""
    site.pull("anna")
    commit = site.commit({"a": "x"})
    made = (
        "POST /repos/acme/models/issues",
        "POST /repos/acme/models/check-runs",
        "POST /repos/acme/models/deployments",
    )
    for on in (*made, "PATCH /repos/acme/models/check-runs"):
        site.github.fault(lost, on=on)
    site.forge.open_issue("drift", "Drift", "a")
    site.forge.check(replace(CHECK, annotations=ANNOTATIONS))
    site.forge.deploy(Deployment("fraud/7", commit, "production", "success"))
    world = site.github.world.repository
    assert (len(world.threads), len(world.checks), len(world.deployments)) == (2, 1, 1)
    assert [a["start_line"] for a in world.checks[0].annotations] == list(range(1, 121))
    assert site.states("fraud/7") == ["success"]


def test_a_limit_on_posting_is_waited_out(site: OnGitHub) -> None:
    """What was turned away was not carried out: nothing needs to be looked up."""
    number = site.pull("anna")
    site.github.fault(SECONDARY, on="POST /repos")
    site.forge.comment(number, "k", "one")
    assert bodies(site, number) == ["one"]
    assert len(site.github.seen("GET /repos/acme/models/issues/1/comments")) == 2  # before, and for doubles after


@pytest.mark.parametrize("api", ["https://github.example/api/v3", "https://api.github.com", "https://api.acme.ghe.com"])
def test_graphql_lies_beside_rest(api: str) -> None:
    """On github.com, on a server of one's own, on a tenant's."""
    beside = {"https://github.example/api/v3": "https://github.example/api/graphql"}
    assert address_beside(api) == beside.get(api, f"{api}/graphql")


@pytest.mark.parametrize("name", ["models", "acme/models/x", "acme/../x", "a b/c", ""])
def test_a_repository_has_an_owner_and_a_name(name: str) -> None:
    """Else requests would go somewhere else."""
    with pytest.raises(UsageError, match="write owner/name"):
        GitHubForge(name, "t")


@pytest.mark.parametrize("token", ["ghs_workflow0000000000", "of-any.form"])
def test_no_error_and_no_log_shows_the_token(site: OnGitHub, caplog: pytest.LogCaptureFixture, token: str) -> None:
    """Not even when a server echoes it."""
    caplog.set_level("DEBUG")
    forge = site.another(token)
    echoes: list[Fault] = [
        Says(500, token),
        Says(422, f'{{"message": "Bearer {token}"}}'),
        Says(200, f"<p>{token}"),
        Breaks(),
    ]
    for fault in echoes:
        site.github.fault(fault, times=6)
        with pytest.raises(Undetermined) as told:
            forge.role("anna")
        assert token not in f"{told.value} {told.value.__cause__} {told.value.args}"
    assert token not in caplog.text


def test_a_netrc_login_does_not_replace_the_token(
    site: OnGitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`requests` would send it instead."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert site.forge.role("nobody") == "none"
    assert {r.headers["authorization"] for r in site.github.requests} == {"Bearer ghs_workflow0000000000"}


def test_the_token_does_not_follow_to_another_host(site: OnGitHub) -> None:
    """A redirect on the same host is followed, as for a renamed repository; elsewhere the token is left behind."""
    site.role("anna", "admin")
    here = f"{site.github.api_url}/repos/acme/models/collaborators/anna/permission"
    site.github.fault(Says(301, '{"message": "Moved"}', {"Location": here}))
    assert site.forge.role("anna") == "admin"
    site.github.fault(Says(302, "{}", {"Location": here.replace("127.0.0.1", "localhost")}))
    with pytest.raises(Undetermined, match="Bad credentials"):
        site.forge.role("anna")
    assert "authorization" not in site.github.requests[-1].headers


def test_a_post_is_not_redirected(site: OnGitHub) -> None:
    """It would become a GET, and look like a success."""
    number = site.pull("anna")
    site.github.fault(Says(307, '{"message": "Moved"}', {"Location": f"{site.github.api_url}/x"}), on="POST /repos")
    with pytest.raises(Undetermined, match="GitHub answers 307: Moved"):
        site.forge.comment(number, "k", "b")


def test_importing_the_forge_imports_no_http() -> None:
    """A comment that holds no command must cost nothing."""
    code = (
        "import sys, gatewright.forge.github; print([m for m in ('requests', 'urllib3', 'mlflow') if m in sys.modules])"
    )
    source = str(Path(gatewright.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": source}
    )
    assert done.stdout.strip() == "[]"
