"""The second half of the demo: a case handled by mail alone, and what a withheld member is answered about it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from desk.demo.mails import pgp_mime, plain_mail, text_entity, text_of
from desk.demo.rehearsal import Delivered, Person, Rehearsal

_REPORTER = "robin@reporter.example"
_REPORTED = "morgan@vale.example"
NOTE = "/assign me\n/state investigating\n\nI have met them before. Who joins me for a call on Friday?"
REPLY = "/reply\nThank you for writing. You are safe with us; may we call you on Friday?"
MORE = "Friday is fine."
HEAR = "/write Morgan Vale <morgan@vale.example> as reported using hearing until 2099-12-31\n\nWere you at the meetup on Friday, and what happened there?"
TELLING = "/write Morgan Vale\n\nRobin says that you follow them."
HEARD = "I was there. I did not know that I frightened anybody."
PROPOSE = "/propose warning: they were heard, and say that they did not know"
AGREE = "/agree 1"
CLOSE = "/state closed warning They were warned, and agreed to stay away."


class Conversation:
    """One case, from report to close."""

    def __init__(self, play: Rehearsal, withheld: Person) -> None:
        self.play, self.withheld = play, withheld
        self.lead = next(person for person in play.team if person != withheld)
        self.others = [person for person in play.team if person not in (withheld, self.lead)]
        self.rows: list[tuple[str, str, str]] = []
        self.faults: list[str] = []
        self.codename = ""

    def hold(self) -> None:
        """Play it."""
        everyone = [self.lead, *self.others]
        report = plain_mail(f"Exclude: {self.withheld.name}\n\nThey follow me.", "Help", sender=f"Robin <{_REPORTER}>")
        first = self._step(
            "a reporter writes", lambda: self.play.send(report), [person.email for person in everyone] + [_REPORTER]
        )
        self.codename = str(first[0].headers["Subject"]).rpartition(" ")[2]
        others = [person.email for person in self.others]
        self._step(
            f"{self.lead.id}: /assign me, /state investigating, a note",
            self._word(self.lead, NOTE),
            [*others, self.lead.email],
        )
        sent = self._step(
            f"{self.lead.id}: /reply to the reporter",
            self._word(self.lead, REPLY),
            [*others, self.lead.email, _REPORTER],
        )
        reply = next(item for item in sent if item.recipient == _REPORTER)
        self._check_anonymous(reply)
        address = self._answers_to(reply)
        more = plain_mail(MORE, sender=f"Robin <{_REPORTER}>")
        self._step("the reporter answers", lambda: self.play.send(more, address), [person.email for person in everyone])
        self._hear(others)
        self._step(f"{self.lead.id}: /propose", self._word(self.lead, PROPOSE), [*others, self.lead.email])
        second, rest = self.others[0], [person.email for person in everyone if person != self.others[0]]
        self._step(f"{second.id}: /agree", self._word(second, AGREE), [*rest, second.email])
        self._step(f"{self.lead.id}: /state closed", self._word(self.lead, CLOSE), [*others, self.lead.email])
        self._ask_as_withheld()

    def _hear(self, others: list[str]) -> None:
        """The reported person is heard, by a letter that tells nothing of who reported."""
        title = f"{self.lead.id}: /write to the reported person, naming the reporter: refused"
        self._step(
            f"{self.lead.id}: /write to the reported person",
            self._word(self.lead, HEAR),
            [*others, self.lead.email, _REPORTED],
        )
        letter = next(item for item in self.play.sink.mails if item.recipient == _REPORTED)
        self._check_anonymous(letter)
        if b"robin" in text_of(letter.mail).lower().encode() or self.codename.encode() in letter.mail:
            self.faults.append("the letter to the reported person tells who reported, or names the case")
        self._step(title, self._word(self.lead, TELLING), [self.lead.email])
        heard = plain_mail(HEARD, sender=f"Morgan <{_REPORTED}>")
        address = self._answers_to(letter)
        everyone = [self.lead.email, *others]
        self._step("the reported person answers", lambda: self.play.send(heard, address, sender=_REPORTED), everyone)

    def _answers_to(self, mail: Delivered) -> str:
        found = re.search(r"<(.+)>", str(mail.headers["Reply-To"]))
        return found[1] if found else self.play.address

    def _word(self, member: Person, text: str, codename: str = "") -> Callable[[], None]:
        """A member's mail as their mail program sends it: sealed, signed, with the subject inside."""
        entity = text_entity(text, f"Re: [Conduct Team] {codename or self.codename}: new report")
        mail = pgp_mime(
            entity, self.play.desk_key, member.keyring, member.fingerprint, sender=f"{member.name} <{member.email}>"
        )
        return lambda: self.play.send(mail, sender=member.email)

    def _step(self, title: str, action: Callable[[], None], expected: list[str]) -> list[Delivered]:
        before = len(self.play.sink.mails)
        action()
        self.play.sink.wait_for(before + len(expected))
        time.sleep(0.2)  # whatever should not come would come now
        sent = self.play.sink.mails[before:]
        if sorted(item.recipient for item in sent) != sorted(expected):
            self.faults.append(f"{title}: mail went to {sorted(item.recipient for item in sent)}")
        if any(item.recipient != self.withheld.email and self.withheld.opens(item.mail) is not None for item in sent):
            self.faults.append(f"{title}: {self.withheld.name}'s key opens a mail")
        self.rows.append((title, self.codename, ", ".join(item.recipient.partition("@")[0] for item in sent)))
        return sent

    def _check_anonymous(self, reply: Delivered) -> None:
        for person in self.play.team:
            if person.name.encode() in reply.mail or person.email.encode() in reply.mail:
                self.faults.append(f"the reply to the reporter names {person.name}")

    def _ask_as_withheld(self) -> None:
        """The withheld member asks for the case, and for one that there is not: the answers must be the same."""
        answers = []
        for codename in (self.codename, "no-such-case"):
            title = f"{self.withheld.id} asks for {codename}: /show"
            sent = self._step(title, self._word(self.withheld, "/show", codename), [self.withheld.email])
            answers += [text_of(self.withheld.opens(item.mail) or b"") for item in sent]
        if answers[0] != answers[1] or "There is no such case." not in answers[0]:
            self.faults.append(f"{self.withheld.name} can tell the case from one that does not exist")


def play_conversation(console: Console, play: Rehearsal, withheld: Person) -> list[str]:
    """Hold it and show it; what does not hold."""
    talk = Conversation(play, withheld)
    talk.hold()
    table = Table(
        title="\nA case by mail alone: signed replies of the team, plain mail of the reporter", title_justify="left"
    )
    for column in ("what happens", "case", "mail leaves to"):
        table.add_column(column, overflow="fold")
    for row in talk.rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
    console.print(
        f"{withheld.name}, from whom the reporter withheld it, is answered the same about this case and about none."
    )
    return talk.faults
