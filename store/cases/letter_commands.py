"""The commands by which readers write to others than the reporter, and note who agreed to be named to them."""

from __future__ import annotations

import re
from dataclasses import replace

from store.cases import correspondence, letters, statements, telling
from store.cases.case_file import CaseFile
from store.cases.command import CaseCommand, Command
from store.cases.persons import REPORTER, Person, consent_form
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.records import Arrival, Change, Facts, Message

NOBODY = marked(
    "Nobody called '{name}' is protected in this case. Write 'reporter', or a name as the record has it: {names}."
)
_CONSENT = re.compile(r"(?P<name>.+?)\s+(?:to\s+be\s+named|(?P<no>not\s+to\s+be\s+named))$", re.IGNORECASE)


class Write(Command):
    """The rest of the mail goes to somebody other than the reporter. `letter_order.read_order` reads what stands behind it."""

    name = "write"
    help = (
        (
            "/write NAME <ADDRESS> as reported",
            marked(
                "send the rest of the mail to somebody other than the reporter, from the desk; 'as witness' or 'as other' as well"
            ),
        ),
        ("/write NAME", marked("write to them again; what they answer reaches everyone on this case")),
        (
            "/write NAME using hearing until 2026-01-31",
            marked("say first that they were named, and how it goes on; 'using outcome' and 'using warning' as well"),
        ),
        ("/write NAME in es", marked("in which language the desk writes to them")),
        ("/write NAME draft", marked("show it to the others first")),
    )
    lacking = marked("To whom? Write a name after '/write', and their address in angle brackets the first time.")


class Statement(Command):
    """The rest of the mail is what the team may say in public, once another reader releases it."""

    name = "statement"
    help = (
        (
            "/statement",
            marked(
                "draft what the team may say in public; it is searched for everybody in the case, and released with '/send'"
            ),
        ),
        (
            "/statement for the year",
            marked("the same, as a summary of the case in the yearly report, once the case is closed"),
        ),
    )


class Send(CaseCommand):
    """What another reader drafted goes out."""

    name = "send"
    help = (("/send 1", marked("send a draft, or release a statement, that somebody else wrote")),)
    lacking = marked("Write the number of the draft, such as 1.")

    def do(self, file: CaseFile) -> Change:
        if not re.fullmatch(r"#?[0-9]{1,4}", self.subject):
            raise NotAllowed(self.lacking)
        number = int(self.subject.removeprefix("#"))
        draft = letters.waiting_draft(file, number)
        if draft.body.letter is not None and draft.body.letter.kind in statements.PUBLIC:
            statements.require_public(file, draft.body.text)
            self._release(file, draft)
            return Change("release-statement", str(number))
        return Change("send", str(number), letters.send_draft(file, number).name)

    def _release(self, file: CaseFile, draft: Message) -> None:
        """Keep a statement as one that may be said."""
        body = replace(draft.body, done=())
        made = Arrival(
            file.row.desk, "new", file.at, b"", "", "", body, Facts(), author=draft.author, direction="letter"
        )
        file.add_message(made)
        file.note("statement-released", {"number": letters.draft_number(draft)})


class Consent(CaseCommand):
    """That somebody agreed to be named to others in the case, or does so no more."""

    name = "consent"
    help = (
        (
            "/consent NAME to be named",
            marked(
                "note that somebody agreed to be named to those who are heard; 'not to be named' ends it; the reporter is 'reporter'"
            ),
        ),
    )
    lacking = marked("Who agreed? Write it like this: '/consent reporter to be named'.")

    def do(self, file: CaseFile) -> Change:
        found = _CONSENT.fullmatch(" ".join(self.subject.split()))
        if found is None:
            raise NotAllowed(self.lacking)
        name, agreed, known = found["name"].strip("\"'"), found["no"] is None, file.facts
        forms = self._forms(file, name)
        others = tuple(item for item in known.may_be_named if consent_form(item) not in forms)
        kept = REPORTER if REPORTER in forms else name
        file.remember(replace(known, may_be_named=(*others, kept) if agreed else others))
        file.note("consent-noted" if agreed else "consent-ended", {"name": name})
        return Change("may-name" if agreed else "not-name", name)

    def _forms(self, file: CaseFile, name: str) -> set[str]:
        """All forms under which whom a name means may have agreed; with `reporter` for the reporter. Raises NotAllowed for that of nobody in
        the case."""
        form = consent_form(name)
        everybody = [*telling.everybody_in(file), *(_person(item) for item in correspondence.threads(file))]
        meant = [item for item in everybody if form in map(consent_form, item.forms)]
        if form == REPORTER or any(item.author == REPORTER for item in meant):
            meant += [item for item in everybody if item.author == REPORTER]
            return {REPORTER, form, *(consent_form(one) for item in meant for one in item.forms)}
        agreed = {consent_form(item) for item in file.facts.may_be_named}
        if not meant and form not in agreed:  # who is in the record no more can take it back still
            names = ", ".join(dict.fromkeys(filter(None, (person.name for person in everybody))))
            raise NotAllowed(NOBODY, name=name, names=names or "-")
        return {form, *(consent_form(one) for item in meant for one in item.forms)}


def _person(thread: correspondence.Thread) -> Person:
    return Person(thread.author, thread.name, thread.address, author=thread.author)
