"""What a comment tells the gate. The event is a hint: the thread is read again, and the comment as it stands there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from gatewright import gate
from gatewright.action import live, shown
from gatewright.action.admission import LEAST, everybody, has_say, may_start
from gatewright.action.intent import Intent
from gatewright.action.job import Job, subject_and_target
from gatewright.action.publish import react, tried
from gatewright.action.runner import Mark
from gatewright.action.verbs import Ended, done, evaluate, moving, promote, returning, rollback, show, status, tell
from gatewright.case import Gate
from gatewright.comments import GRAMMAR, LIVE, VERBS, Command, Unclear, parse
from gatewright.decision import Reason
from gatewright.forge import Comment, Person, Reaction, Thread
from gatewright.hearing import SPOKEN
from gatewright.ledger.entry import Actor
from gatewright.policy.model import Policy
from gatewright.problem import Undetermined, UsageError
from gatewright.report.escape import code, markdown
from gatewright.report.model import Failure, Request
from gatewright.subject import Subject

#: the end of what was only answered, and acknowledged with that
ANSWERED = "answered"

#: what moves a version if the policy asks nobody
_MOVING = ("promote", "rollback")

#: how a decision is acknowledged under the comment that led to it
SIGNS: Mapping[str, Reaction] = {
    "promoted": "rocket",
    "rolled_back": "rocket",
    "started": "rocket",
    "refused": "-1",
    "error": "confused",
}


def obey(job: Job) -> Ended:
    """Does what the comment says, as far as its author may say so."""
    thread = job.forge.thread(job.intent.thread)
    said = next((c for c in thread.comments if c.id == job.intent.comment), None) if thread else None
    if thread is None or said is None:
        return _silent(job, "the comment was deleted")
    command = parse(said.body)
    if command is None:
        return _silent(job, "the comment holds no command")
    react(job.forge, job.intent, "eyes", job.runner)
    refusal = _refusal(thread, said, command)
    if refusal is not None:
        return _answered(job, *refusal)
    assert isinstance(command, Command)
    command = _filled(command, thread)
    if job.intent.model and command.model and job.intent.model != command.model:
        return _silent(job, f"the comment is about {command.model}, and this workflow about {job.intent.model}")
    if command.verb in _MOVING:
        now = job.forge.confirm(said)
        if now is None:
            return _silent(job, "the comment was deleted")
        if now.app:
            return _answered(job, Reason.BOT_COMMENT, f"The app {now.app} wrote it in a person's name.")
    return _acknowledged(_heard(job, thread, said, command), thread, said, command)


def refresh(job: Job) -> Ended:
    """A comment with a command was changed or deleted: what stands now is shown, and nothing is moved."""
    thread = job.forge.thread(job.intent.thread)
    if thread is None:
        return _silent(job, "the thread is gone")
    model, version, target = thread.opened_for or (job.intent.model, None, "")
    if job.intent.model not in ("", model):
        return _silent(job, f"the issue is about {model}, and this workflow about {job.intent.model}")
    told = replace(job, intent=replace(job.intent, head=thread.head, comment=0, model=model), heard=thread)
    ours = told.gate(told.policy())
    if not _is_heard(job, ours, thread):
        return _silent(job, "whoever wrote the comment has no say here, so nothing depends on it")
    if version is None:
        requests = gate.status(_deaf(ours)).requests
        if len(requests) != 1:
            return evaluate(told)
        ((version, target),) = ((request.row.version, request.row.target) for request in requests)
    return done(told, ours, Subject(ours.policy.model, version), target, gate.evaluate)


def _is_heard(job: Job, ours: Gate, thread: Thread) -> bool:
    """Whether the comment that was changed can have counted. Of a deleted one only who deleted it is known.

    Where it cannot be told nothing is lost: the next run counts anew, and this one would only have shown it.
    """
    said = next((c.author for c in thread.comments if c.id == job.intent.comment and c.author), None)
    who = said or job.forge.person(job.actor.login)
    return who is not None and has_say(job.forge, ours.ledger, ours.policy, thread, who, None).answer == "yes"


def _filled(command: Command, thread: Thread) -> Command:
    """A command with what it leaves open: in the issue of a request, that request is meant unless it says otherwise."""
    if thread.opened_for is None or command.verb not in (*SPOKEN, "promote", "evaluate"):
        return command
    model, version, target = thread.opened_for
    says_otherwise = (
        command.model not in ("", model) or command.version not in (None, version) or command.target not in ("", target)
    )
    return command if says_otherwise else replace(command, model=model, version=version, target=target)


def _heard(job: Job, thread: Thread, said: Comment, command: Command) -> Job:
    """The job as the comment's author wants it done: what the workflow itself fixes wins."""
    intent, author = job.intent, said.author
    told = replace(
        intent,
        head=thread.head,
        model=intent.model or command.model,
        version=str(command.version or "") or intent.version,
        target=command.target or intent.target,
        reason=command.reason or intent.reason,
    )
    who = Actor(author.login, author.id, "github", said.url) if author else job.actor
    return replace(job, intent=told, actor=who, heard=thread)


def _refusal(thread: Thread, said: Comment, command: Command | Unclear) -> tuple[Reason, str] | None:
    """Why a comment is not obeyed, whatever it says; None if it may be."""
    if isinstance(command, Unclear):
        reason = next((r for r in Reason if r.code == command.code), Reason.NO_COMMAND)
        return reason, f"{command.text}. {command.hint}"
    if said.author is None or said.author.kind != "User":
        return Reason.BOT_COMMENT, "Bots give no commands."
    if said.edited:
        return Reason.EDITED_COMMENT, "A comment that was edited is not obeyed. Write a new one."
    if thread.state != "open" and command.verb not in ("help", "status"):
        return Reason.NOT_AUTHORIZED, f"This thread is {thread.state}. Comment where the request is open."
    return None


def _acknowledged(job: Job, thread: Thread, said: Comment, command: Command) -> Ended:
    """What came of a command, and a sign of it; what the writer got wrong is answered, and turns no job red."""
    try:
        ended = _obeyed(job, thread, said, command)
    except UsageError as error:
        return _answered(job, Reason.of(error.reason), str(error))
    if ended.decision != ANSWERED:
        sign = SIGNS.get(ended.decision, "+1") if ended.counted else "confused"
        react(job.forge, job.intent, sign, job.runner)
    return ended


def _obeyed(job: Job, thread: Thread, said: Comment, command: Command) -> Ended:
    if command.verb == "help":
        told = f"{GRAMMAR}, where VERB is {', '.join(VERBS)}; {LIVE}. Whatever follows is the reason."
        return _answered(job, Reason.NO_COMMAND, told, "+1")
    assert said.author is not None
    start = _STARTED.get((command.verb, command.step))
    if start is not None:
        if not may_start(job.forge, said.author):
            return _turned_away(job, said.author, f"{LEAST} access is needed for {command.verb}")
        return start(job)
    return _weighed(job, thread, said.author, command)


def _turned_away(job: Job, person: Person, needed: str) -> Ended:
    """The one answer that somebody without a say gets, however often they ask."""
    told = f"{person.login} has no say in this: {needed}. Nothing was begun."
    return _answered(job, Reason.NOT_AUTHORIZED, told, "-1", key=f"no say {person.id}")


#: verbs that anybody might start runs with, and which are for those who may write
_STARTED: Mapping[tuple[str, str | None], Callable[[Job], Ended]] = {
    ("evaluate", None): evaluate,
    ("promote", None): promote,
    ("rollback", None): rollback,
    ("status", None): status,
    ("live", None): live.status,
    ("live", "status"): live.status,
    ("live", "start"): live.start,
    ("live", "keep"): live.keep,
    ("live", "promote"): live.promote,
}


def _weighed(job: Job, thread: Thread, person: Person, command: Command) -> Ended:
    """Somebody agrees, objects, or takes it back: the request is decided anew with everything that was said.

    Whose word counts is for the policy to say; whose word is worth a run is asked before anything is opened, measured
    or recorded. It moves nothing where the policy asks nobody.
    """
    policy = job.policy()
    ours = replace(job.gate(policy), asker=_asker(thread))
    say = has_say(job.forge, ours.ledger, policy, thread, person, command.verb)
    if say.answer == "no":
        return _turned_away(job, person, f"write access is needed, or to be named by the policy: {everybody(policy)}")
    if say.answer == "unreadable":
        what = f"whether {person.login} has a say could not be told, so nothing was begun"
        raise Undetermined(what, say.why, "", "team_unreadable")
    request = _request(job, ours)
    if request is not None and request.entry.details.get("command") == "rollback":
        told = replace(job, intent=replace(job.intent, reason=request.entry.text))
        subject = Subject(policy.model, request.row.version)
        return done(told, ours, subject, request.row.target, returning(told, request.row.version))
    if request is not None:
        subject, target = Subject(policy.model, request.row.version), request.row.target
    else:
        subject, target = subject_and_target(ours, job.intent.version, job.intent.target)
    if not _asks_somebody(policy, target):
        said = f"{target} of {policy.model} needs nobody's approval: /gate promote {subject} to {target}"
        return _answered(job, Reason.NO_APPROVALS_NEEDED, said)
    return done(job, ours, subject, target, moving(job))


def _asker(thread: Thread) -> Actor | None:
    """Who asks for what nobody has asked for in words: a pull request asks for itself, in its author's name."""
    author = thread.author
    return Actor(author.login, author.id, "github", thread.url) if author and thread.kind == "pull" else None


def _request(job: Job, ours: Gate) -> Request | None:
    """The request that is meant: the only one, unless model, version or target say more."""
    intent = job.intent
    asked = [
        r
        for r in gate.status(_deaf(ours)).requests
        if intent.version in ("", str(r.row.version)) and intent.target in ("", r.row.target)
    ]
    if len(asked) > 1:
        known = ", ".join(f"{ours.policy.model}/{r.row.version} to {r.row.target}" for r in asked)
        raise UsageError("several requests are open", f"name one of {known}", "ambiguous_subject")
    return asked[0] if asked else None


def _deaf(ours: Gate) -> Gate:
    """The gate for finding out what is asked: nobody need be listened to for that."""
    return replace(ours, audience=None)


def _asks_somebody(policy: Policy, target: str) -> bool:
    found = policy.target(target)
    return found is not None and bool(found.approvals)


# -- answers -----------------------------------------------------------------------------------------------------


def apologise(job: Job, failure: Failure) -> None:
    """Answers a command that could not even be begun with: nobody is to take silence for consent."""
    said = shown.of_failure(failure, Intent("evaluate"), job.place).comment
    if job.inputs.comment:
        body = f"{said}\n{_signed(job)}"
        tried(job.runner, lambda: job.forge.comment(job.intent.thread, _reply_key(job), body))
    react(job.forge, job.intent, "confused", job.runner)


def _reply_key(job: Job) -> str:
    """Names the one answer to a comment."""
    return f"reply {job.intent.comment}"


def _signed(job: Job, *, alone: bool = True) -> str:
    """The last line of an answer. alone: it is to one comment alone."""
    return f"<sub>{code('/gate help')}{f' · about comment {job.intent.comment}' if alone else ''}</sub>\n"


def _silent(job: Job, because: str) -> Ended:
    ending = shown.ended("noop", Reason.NO_COMMAND, because)
    tell(job.runner, ending, ending.comment)
    return Ended(0, "noop")


def _answered(job: Job, reason: Reason, because: str, sign: Reaction = "confused", *, key: str = "") -> Ended:
    """A reply to one comment, kept up to date: it is people that it speaks to, so of itself it turns no job red.

    key: what the reply is about, if not that comment alone; the same key again is the same reply.
    """
    ending = shown.ended("noop", reason, because)
    mark = Mark("notice", because, "Gatewright")
    body = f"{markdown(because)}\n\n{_signed(job, alone=not key)}"
    ending = replace(ending, key=key or _reply_key(job), comment=body, marks=(mark,))
    show(job, ending, because, body)
    react(job.forge, job.intent, sign, job.runner)
    return Ended(0, ANSWERED)
