"""The thread of a run and the teams of those who speak in it, as the gate wants to hear them."""

from __future__ import annotations

from gatewright.forge import Comment, Forge, Membership, Person, Thread
from gatewright.problem import Undetermined


class ThreadAudience:
    """The people of one thread; number 0 is no thread, where teams can be asked for all the same.

    read: the thread, where this run has read it a moment ago. It is good for the first look alone: what decides, right
    before a move, is read then.
    """

    def __init__(self, forge: Forge, number: int, read: Thread | None = None) -> None:
        self._forge, self._number, self._read = forge, number, read
        self._present: frozenset[Person] = frozenset()

    def thread(self) -> Thread | None:
        """What was said so far, read anew each time but for the first."""
        found, self._read = self._read, None
        if found is None and self._number:
            found = self._forge.thread(self._number)
        self._present = frozenset(c.author for c in found.comments if c.author) if found else frozenset()
        return found

    def confirm(self, comment: Comment) -> Comment | None:
        """A comment as it stands, with the app that wrote it."""
        return self._forge.confirm(comment)

    def member(self, team: str, person: Person) -> Membership:
        """Whether somebody is in a team. The forge is asked by login, so that must still be the person's."""
        try:
            now = person if person in self._present else self._forge.person(person.login)
            if now is None or now.id != person.id:
                return Membership("unreadable", f"{person.login} (id {person.id}) has another login now")
            return self._forge.member(team, person.login)
        except Undetermined as error:
            return Membership("unreadable", str(error))
