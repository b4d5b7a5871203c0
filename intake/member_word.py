"""A member's word on a case: counted only when it is signed by their key, fresh, new, and says inside the signed part which case it is for.

What does not count is answered with a sentence that says why, and nothing is done. To somebody who may not know of
a case, every mail about it is answered as one about a case that does not exist.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from sqlmodel import Session

from intake import asked_archive, junk_word, outgoing_files, word_of_mouth
from intake.arrival import Opened
from intake.asked_archive import NO_ARCHIVE, AskedArchive
from intake.asking.commands import Commands, WrongLine, has_command, named_case, parse
from intake.asking.directives import desk_of
from intake.follow_up import OwnCase, Place
from intake.member_message import MemberMessage, wrote
from intake.outgoing_files import NO_FILES, CleanFiles
from intake.plan import Taken, actor, may_reply
from intake.reading.files import is_public_key
from intake.reading.opened import Signed
from intake.reading.quotes import own_text
from intake.speaker import CODENAME
from store.cases import answers, lookup, notes, overview, tables, threads
from store.cases.access import may_know
from store.cases.answers import Answer
from store.cases.case_file import Actor, CaseFile, open_case
from store.cases.classification import require_may_leave
from store.cases.command import GUESTS, Refused, perform_at
from store.cases.dates import day_written
from store.cases.overview import Viewer
from store.cases.table_commands import Debrief
from store.cases.telling import Document
from store.cases.told_order import Told
from store.context import Context
from store.kit.config import Desk
from store.kit.errors import ConfigError, KeyProblem, NotAllowed, RosterError
from store.kit.sentences import NOTHING, Sentence, marked
from store.openpgp.values import SignatureDoubt
from store.tables.models import CaseRow
from store.tables.records import Change
from store.team import keyfiles
from store.team.members import Member, Roster

NOT_OPENED = marked("It could not be opened: encrypt it to the desk's key.")
NOT_SIGNED = marked("It is not signed. Sign it with your OpenPGP key, and send it again.")
NOT_VALID: Mapping[SignatureDoubt, str] = {
    "": marked("Its signature is not valid: it was changed on its way. Send it again."),
    "expired": marked("Its signature was made for a time that is over. Send it again."),
    "key-expired": marked(
        "Your key has expired. Extend it, send the new public key to a lead, and then your mail again."
    ),
    "key-revoked": marked(
        "Your key is revoked. Send a lead your new public key, and tell them its fingerprint by voice."
    ),
    "weak": marked(
        "It is signed with a weak hash, which can be forged. Have your mail program sign with SHA-256 or better."
    ),
}
WRONG_KEY = marked("It is signed by another key than the roster has for you.")
UNDATED = marked(
    "It doesn't say under its signature when it was written. Have your mail program protect the headers, or sign without encrypting."
)
STALE = marked("Its signature is older than {hours} hours. Send it again, newly signed.")
EARLY = marked("Its signature is dated in the future. Set the clock of your computer, and send it again.")
REPLAYED = marked("The same signed text came before. If it was not you who sent it again, tell the others.")
ELSEWHERE = marked("Its signed part is addressed to somebody else, not to this desk.")
WHICH = marked(
    "Its signed part does not say which case it is for. Quote the notice that you answer, keep its subject, or write "
    "'/case' and the name of the case on the first line."
)
SEVERAL = marked(
    "Its signed part mentions several cases. Write '/case' and the name of the one you mean on the first line."
)
NO_CASE = marked("There is no such case.")
EMPTY = marked("It contains neither text nor a command. '/help' gives you a list.")
SUMMARIES = marked("This desk sends no content by mail. Look at the case on the desk's machine.")

NEW_ALONE = marked("Write '/new' in a mail of its own, without other commands.")

_SKEW = timedelta(hours=1)
_FOR_GUESTS = frozenset({"show", "file", "help"})


@dataclass(frozen=True)
class MemberWord:
    """A member's mail, not yet found to count. `own_case` is what becomes of it when it can't even be refused, `cleaned` its files as they
    may leave to somebody outside, `elsewhere` the other desks, if it is about one, `archive` that of the case, if it asks for it,
    `documents` what stands in its documents, if something leaves."""

    context: Context
    opened: Opened
    place: Place
    member: Member
    own_case: OwnCase
    cleaned: CleanFiles = NO_FILES
    elsewhere: Mapping[str, tuple[Desk, Roster]] = field(default_factory=dict)
    archive: AskedArchive = NO_ARCHIVE
    documents: tuple[Document, ...] = ()

    def prepared(self) -> MemberWord:
        """The same with what takes long to make, and would keep others from writing: the archive of the case, if it asks for that, or what
        stands in its documents, if something is to leave to somebody outside."""
        said = self.opened.content.signed
        leaves = said is not None and any(has_command(said.text, name) for name in ("write", "reply"))
        exports = said is not None and has_command(said.text, "export")
        if said is None or not (leaves or exports) or self.member.role == "guest" or self._not_counted():
            return self
        with self.context.database.read() as session:
            rows = {
                row.id: row for row in self._named(session, said) if row is not None and self._may_know(session, row)
            }
            if len(rows) != 1:
                return self
            (row,) = rows.values()
            made = self
            if leaves:
                made = replace(made, documents=outgoing_files.documents_of(self.context, session, row))
            if exports and self.opened.job.desk.notice != "summary":
                made = replace(
                    made, archive=asked_archive.prepare(self.context, session, self.opened, self.member, row)
                )
            return made

    def carry_out(self, session: Session) -> tuple[Taken, str]:
        """Do what it asks for and answer, or answer why nothing was done. All of it, or nothing."""
        if trouble := self._not_counted():
            # Anybody can claim to be a member: such answers are few, none goes out for a mail that the member's domain
            # disowns, and what gets none is kept.
            forged = self.opened.content.body.authentication.result == "fail"
            if forged or not may_reply(session, self.context, self.opened.job.desk, self.member.email):
                return self.own_case.carry_out(session, self.place.row)
            self._refuse(session, trouble)
            return "refused", ""
        said = self.opened.content.signed
        if said is None:
            raise ValueError("what counts is signed")
        sight = answers.first_sight(session, self._replay_key(said), self.opened.job.digest, self.context.clock())
        if sight == "same":
            return "duplicate", ""
        try:
            file = self._case(session, said)
            if sight == "replayed":
                raise NotAllowed(REPLAYED)
            with session.begin_nested():
                return self._do(session, file, said, parse(said.text))
        except (WrongLine, Refused) as error:
            self._refuse(session, error.sentence, error.line)
        except NotAllowed as error:
            self._refuse(session, error.sentence)
        return "refused", ""

    def _not_counted(self) -> Sentence:
        """Why the mail does not count, whatever it is about; empty when it does."""
        body, desk, said = self.opened.content.body, self.opened.job.desk, self.opened.content.signed
        if body.failure:
            return Sentence(NOT_OPENED)
        if body.signature.status == "none":
            return Sentence(NOT_SIGNED)
        if body.signature.status == "invalid":
            return Sentence(NOT_VALID[body.signature.doubt])
        if said is None or said.by.fingerprint != self.member.fingerprint:
            return Sentence(WRONG_KEY)
        now = self.context.clock().timestamp()
        if not said.by.made:
            return Sentence(UNDATED)
        if said.by.made < now - timedelta(hours=desk.signature_hours).total_seconds():
            return Sentence(STALE, {"hours": f"{desk.signature_hours:g}"})
        if said.by.made > now + _SKEW.total_seconds():
            return Sentence(EARLY)
        if said.recipients and not any(desk_of(address, (desk,)) for address in said.recipients):
            return Sentence(ELSEWHERE)
        return NOTHING

    def _replay_key(self, said: Signed) -> str:
        """A keyed hash of one signature: who made it, when, and over what.

        Not of its own octets: an ECDSA signature can be turned into another valid one by anybody.
        """
        pieces = [said.by.fingerprint or "", str(said.by.made), said.digest]
        return self.context.vault.digest("signature", "\0".join(pieces).encode())

    def _case(self, session: Session, said: Signed) -> CaseFile | None:
        """The case that the signed part names, opened; None for a mail that needs none. Raises NotAllowed."""
        rows = [] if has_command(said.text, "new") else self._named(session, said)
        if not rows:
            self._require_no_case(said.text)
            return None
        # What the member may not know of counts as what there is not, also when several are named.
        known = {row.id if row is not None and self._may_know(session, row) else "" for row in rows}
        if len(known) > 1:
            raise NotAllowed(SEVERAL)
        row = rows[0]
        if row is None or known == {""}:
            raise NotAllowed(NO_CASE)
        return open_case(session, self.by, row)

    def _named(self, session: Session, said: Signed) -> list[CaseRow | None]:
        """The cases that the signed part names, by `/case`, or by tokens and its subject; None for one that there is not."""
        job, vault, text = self.opened.job, self.context.vault, said.text
        if name := named_case(text):
            return [lookup.find_row(session, name)]
        tokens = threads.team_tokens(text)
        for address in said.recipients:
            meant = desk_of(address, (job.desk,))
            if meant and meant[1].token and meant[1].token.side == "team":
                tokens.append(meant[1].token)
        rows = [threads.find(session, vault, job.desk.id, token) for token in tokens]
        if subject := CODENAME.search(said.subject):
            rows.append(lookup.find_row(session, subject[1]))
        return rows

    def _may_know(self, session: Session, row: CaseRow) -> bool:
        roster, at = self.opened.job.roster, self.context.clock()
        if row.desk != self.opened.job.desk.id or row.wrapped_key is None:
            return False
        return may_know(lookup.case_of(session, row), roster, self.member.id, at)

    def _require_no_case(self, text: str) -> None:
        """Raise NotAllowed unless the mail only asks for what belongs to no case."""
        commands = parse(text)
        if commands.told is not None and (commands.on_case or commands.asks or not commands.is_note):
            raise NotAllowed(NEW_ALONE)
        on_desk = junk_word.is_about_the_list(commands.on_case)
        asks = commands.asks <= {"cases", "measures", "debrief", "person", "help", "key"} and (
            commands.asks or on_desk or commands.on_desk or commands.told is not None
        )
        if not commands.is_note or (commands.on_case and not on_desk) or not asks:
            raise NotAllowed(WHICH)
        if not any(item.id == self.member.id for item in self.opened.job.roster.on_duty(self.context.clock())):
            raise NotAllowed(NO_CASE)

    def _do(self, session: Session, file: CaseFile | None, said: Signed, commands: Commands) -> tuple[Taken, str]:
        desk = self.opened.job.desk
        if self.member.role == "guest" and (commands.told or commands.on_desk or commands.asks - _FOR_GUESTS):
            raise NotAllowed(GUESTS)
        if commands.told is not None:
            return self._open_case(session, said, commands.told, commands.rest)
        if commands.asks & {"show", "export"} and desk.notice == "summary":
            raise NotAllowed(SUMMARIES)
        if commands.asks & {"compile", "debrief"}:
            tables.require_lead(self.by)
        answer = Answer(
            show="show" in commands.asks,
            cases="cases" in commands.asks,
            measures="measures" in commands.asks,
            file=self._file(session, file, commands.file) if file is not None else 0,
            compiled=file is not None and "compile" in commands.asks,
            archive=self._archive(file) if file is not None and "export" in commands.asks else "",
            person=commands.person,
            debrief=self._days(commands.days) if "debrief" in commands.asks else None,
            done=perform_at(session, self.by, commands.on_desk),
            help="help" in commands.asks,
            in_plain=self.opened.content.body.encryption == "none",
        )
        if file is None or junk_word.has_numbers(commands.on_case):
            answer = junk_word.carry_out(session, self.by, commands.on_case, answer)
            self._answer(session, self._with_key(answer, said, commands))
            return "thread", ""
        commands = replace(commands, rest=own_text(commands.rest, (desk.title, *desk.addresses)))
        withdraws = any(item.withdraws(self.member.id, file.roster) for item in commands.on_case)
        arrival = self._message.arrival(file, said, commands)
        file = replace(file, by=replace(file.by, signer=said.by.fingerprint or ""))
        acted = notes.act(file, commands.on_case, arrival)
        if not (acted.changes or acted.message or commands.asks or commands.on_desk):
            raise NotAllowed(EMPTY)
        if withdraws:
            self._answer(session, Answer(withdrawn=True, in_plain=answer.in_plain))
        elif commands.any or answer.in_plain:
            answer = replace(answer, done=(*answer.done, *acted.changes), wrote=wrote(arrival), message=acted.message)
            self._answer(session, self._with_key(answer, said, commands), file)
        return "thread", file.row.codename

    def _open_case(self, session: Session, said: Signed, told: Told, text: str) -> tuple[Taken, str]:
        """Write down a case of what somebody told the member, who reads it as the others do."""
        text = own_text(text, (self.opened.job.desk.title, *self.opened.job.desk.addresses)).strip()
        if not text:
            raise NotAllowed(word_of_mouth.NOTHING_TOLD)
        files = self._message.files(said)
        arrival = word_of_mouth.as_report(
            self.own_case.arrival, self.member, told, replace(said, text=text, files=files)
        )
        file = word_of_mouth.begin(session, self.by, self.member, arrival)
        in_plain = self.opened.content.body.encryption == "none"
        knows = self.member.id in {reader.id for reader in file.readers}
        answer = Answer(done=(Change("new", file.row.codename),), in_plain=in_plain)
        self._answer(session, answer, file if knows else None)
        return "case", file.row.codename

    def _file(self, session: Session, file: CaseFile, number: int) -> int:
        """The number of a file that there is. Raises NotAllowed."""
        if number:
            viewer = Viewer(file.roster, self.member.id, file.at)
            overview.file_of(session, self.context.vault, file.row, number, viewer)
        return number

    def _archive(self, file: CaseFile) -> str:
        """The archive that was asked for, in base64; written down that it leaves. Raises NotAllowed."""
        data = self.archive.of(file.row.id)
        require_may_leave(file.by.desk, file.fields)
        file.note("exported", {"key": self.archive.fingerprint})
        return base64.b64encode(data).decode()

    def _days(self, written: str) -> tuple[str, str]:
        """Two days, the first one first. Raises NotAllowed."""
        days = sorted(day_written(item) for item in written.split())
        if len(days) != 2:
            raise NotAllowed(Debrief.lacking)
        return days[0].isoformat(), days[1].isoformat()

    def _with_key(self, answer: Answer, said: Signed, commands: Commands) -> Answer:
        """With the member's other key put into place, when they ask for it: last, for no transaction undoes a file."""
        return replace(answer, key=self._take_key(said)) if "key" in commands.asks else answer

    def _take_key(self, said: Signed) -> str:
        """Put the attached key into place, which the one on the roster signed; its fingerprint. Raises NotAllowed."""
        context, desk = self.context, self.opened.job.desk
        material = [item.data for item in said.files if is_public_key(item.data)]
        if len(material) != 1:
            raise NotAllowed(
                marked("Attach one public key, and sign the mail with the key that the roster has for you.")
            )
        try:
            loaded = context.rosters.current(desk)
            return keyfiles.change_key(
                keyfiles.TeamFiles(context.config, desk, context.keyring), loaded, self.member, material[0]
            )
        except (KeyProblem, RosterError, ConfigError) as error:
            raise NotAllowed(error.sentence) from None

    @property
    def _message(self) -> MemberMessage:
        return MemberMessage(self.context, self.opened, self.member, self.cleaned, self.documents)

    @property
    def by(self) -> Actor:
        """The member, at this desk and now."""
        return replace(actor(self.context, self.opened.job, self.member.id), elsewhere=self.elsewhere)

    def _refuse(self, session: Session, why: Sentence, line: str = "") -> None:
        in_plain = self.opened.content.body.encryption == "none"
        self._answer(session, Answer(refusal=why, line=line, in_plain=in_plain))

    def _answer(self, session: Session, answer: Answer, file: CaseFile | None = None) -> None:
        answers.give(session, self.by, replace(answer, answers=self.opened.mail.message_id), file)


def elsewhere(context: Context, opened: Opened) -> Mapping[str, tuple[Desk, Roster]]:
    """The other desks of the install with their rosters, for a mail that hands a case over, or invites a guest: read before the transaction."""
    said = opened.content.signed
    if said is None or not any(has_command(said.text, name) for name in ("handover", "guest")):
        return {}
    others = [desk for desk in context.config.desk if desk.id != opened.job.desk.id]
    return {desk.id: (desk, context.roster(desk)) for desk in others}
