"""What a claimed notice says: values from the case, rendered. Reads the store; sends and changes nothing."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any

from sqlmodel import Session

from mailer.saying import digest, junk_list, notices
from mailer.saying.answers import KEPT_NAMES, STAGE_NAMES, case_values, command_values, record_values
from mailer.saying.language import language_of
from mailer.saying.notices import CaseView
from mailer.saying.render import Rendered, Templates, templates_of
from mailer.saying.translation import speech
from mailer.sealing.mime import DeskKey, Pad
from mailer.sealing.mime import content as content_of
from mailer.sealing.padding import padded_length, stepped_length
from store.cases import content, decisions, letterboxes, lookup, measures, overview, tables, threads
from store.cases.answers import Answer
from store.cases.case_file import Actor
from store.cases.correspondence import Thread
from store.cases.fields import FIELDS
from store.context import Context
from store.kit.clock import day_of
from store.kit.config import Desk
from store.kit.errors import NotAllowed
from store.kit.sentences import Sentence
from store.outbox.claims import Claim
from store.tables.records import Attachment, Body
from store.team.members import Member, Roster

_BETWEEN_LANGUAGES = "\n* * *\n\n"


@dataclass(frozen=True)
class Protected:
    """What goes to members under a seal: subject and content, how long it is made, and the cases (ids) that it lists besides its own."""

    subject: str = field(repr=False)
    content: bytes = field(repr=False)
    pad: Pad = padded_length
    listed: frozenset[str] = frozenset()


class Contents:
    """The texts of the notices of all desks."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._templates: dict[str, Templates] = {}

    def for_readers(self, desk: Desk, claim: Claim, view: CaseView, language: str, known: Collection[str]) -> Protected:
        """A notice to readers. `known` are the other cases (ids) that these readers may know of."""
        reference = threads.token(self._context.vault, view.case.handle, "team")
        at = self._context.clock()
        values = {**notices.case_values(desk, view, reference, at), **self._values(desk, claim, view, known, language)}
        rendered = self._of(desk).render(claim.kind, language, values)
        with_files = claim.kind in ("report", "message", "note") and desk.notice == "full"
        return Protected(rendered.subject, content_of(rendered.text, self._files(view) if with_files else ()))

    def _values(
        self, desk: Desk, claim: Claim, view: CaseView, known: Collection[str], language: str
    ) -> dict[str, Any]:
        if claim.kind in ("report", "message"):
            return notices.report_values(desk, view, known)
        if claim.kind == "held":
            return notices.held_values(view)
        if claim.kind == "note":
            values = notices.note_values(desk, view, known)
            said = self._text(desk, view.message.body, language) if view.message else ""
            return {**values, "text": said}
        if claim.kind == "flood":
            return {"limit": desk.flood_limit}
        if claim.kind == "bounced":
            return notices.bounced_values(view, claim.subject_id or "")
        if claim.kind == "reminder":
            return digest.reminder_values(desk, view, claim.subject_id or "")
        if claim.kind == letterboxes.UNREAD:
            return {}
        if claim.kind == decisions.LATE:
            return {"number": (claim.subject_id or "").rpartition(" ")[2], "escalated": view.case.escalated}
        return {"other": self._codename(claim.subject_id or "") if known else ""}

    def _codename(self, case_id: str) -> str:
        with self._context.database.read() as session:
            return lookup.row_by_id(session, case_id).codename

    def _files(self, view: CaseView) -> Sequence[Attachment]:
        if view.message is None or not view.message.attachments or view.message.body.failure:
            return ()
        with self._context.database.read() as session:
            row = lookup.row_by_id(session, view.case.id)
            return list(content.attachment_contents(session, self._context.vault, row, view.message))

    def for_reporter(
        self, desk: Desk, claim: Claim, view: CaseView, *, sealed: bool
    ) -> tuple[Rendered, Sequence[Attachment]]:
        """What the reporter is told, and the files with it. Nothing of the team is in it.

        It is in the language of what they wrote, or of what a reader wrote to them. Where that is not certain it is in
        English and the desk's language; also where it would go in plain and what they wrote was sealed: the language
        of a sealed text is nobody else's business.
        """
        body = view.message.body if view.message else None
        values = notices.reporter_values(desk, view, self._context.clock(), sealed=sealed)
        values |= {"text": "", "web_url": self._context.config.web.receipt_url(desk.id)}
        # What says only how things are is in the language of the reporter, not of a reader.
        wrote = self._reported(view) if body and body.status_until is not None else body
        telling = wrote is not None and wrote.encryption != "none" and not sealed
        found = "" if wrote is None or telling else language_of(wrote.text)
        rendered = self._in_languages(desk, claim.kind, found, values, body)
        if not (desk.extensions or view.facts.without_token):  # then what answers it is known by its subject
            tag = threads.token(self._context.vault, view.case.handle, "reporter")
            rendered = Rendered(f"{rendered.subject} [{tag}]", rendered.text)
        if claim.kind in ("send-key", "acknowledge-held"):
            return rendered, self._desk_keys(desk)
        return rendered, self._files(view) if claim.kind == "reply" else ()

    def for_correspondent(self, desk: Desk, view: CaseView, thread: Thread) -> tuple[Rendered, Sequence[Attachment]]:
        """What somebody other than the reporter is told, and the files with it, in the language that a reader chose."""
        body = view.message.body if view.message else Body()
        values = {"desk": notices.desk_values(desk), "text": self._text(desk, body, thread.language)}
        rendered = self._of(desk).render("write", body.letter.language if body.letter else thread.language, values)
        if not desk.extensions:
            tag = threads.token(self._context.vault, thread.handle, "correspondent")
            rendered = Rendered(f"{rendered.subject} [{tag}]", rendered.text)
        return rendered, self._files(view)

    def _text(self, desk: Desk, body: Body, language: str) -> str:
        """What a mail of the team says: its text, below what the desk itself says; or that the team is still on it, in a language."""
        if (letter := body.letter) and (letter.kind or letter.until):
            values = {"kind": letter.kind, "until": day_of(letter.until) if letter.until else None, "text": body.text}
            return self._of(desk).fragment("_letter.txt", letter.language, values)
        if body.status_until is None:
            return body.text
        return self._of(desk).fragment("_status.txt", language, {"until": day_of(body.status_until)})

    def _reported(self, view: CaseView) -> Body | None:
        """What the reporter wrote first."""
        with self._context.database.read() as session:
            first = content.message(session, self._context.vault, view.case.id)
        return first.body if first else None

    def _in_languages(
        self, desk: Desk, kind: str, language: str, values: dict[str, Any], body: Body | None
    ) -> Rendered:
        templates = self._of(desk)
        known: tuple[str, ...] = ("en", desk.language)
        if language in templates.languages():
            known = (language,)
        elif kind == "reply":  # what a reader wrote is said once
            known = (desk.language,)
        texts = {item: self._text(desk, body, item) if body and kind == "reply" else "" for item in known}
        made = list(dict.fromkeys(templates.render(kind, item, values | {"text": texts[item]}) for item in known))
        subjects = dict.fromkeys(item.subject for item in made)
        return Rendered(" / ".join(subjects), _BETWEEN_LANGUAGES.join(item.text for item in made))

    def answer(self, desk: Desk, member: Member, answer: Answer, view: CaseView | None, roster: Roster) -> Protected:
        """An answer to a member, with what they asked to be shown."""
        viewer = overview.Viewer(roster, member.id, self._context.clock())
        with self._context.database.read() as session:
            values = self._answer_values(session, desk, viewer, answer, view)
            files = self._asked_file(session, view, viewer, answer.file) if view and answer.file else ()
        if answer.archive and view:
            sealed = base64.b64decode(answer.archive)
            files = (*files, Attachment(f"{view.case.codename}.tar.pgp", "application/octet-stream", sealed))
        rendered = self._of(desk).render("answer", member.language, values)
        return Protected(rendered.subject, content_of(rendered.text, files), listed=values[digest.LISTED])

    def _asked_file(
        self, session: Session, view: CaseView, viewer: overview.Viewer, number: int
    ) -> tuple[Attachment, ...]:
        row = lookup.row_by_id(session, view.case.id)
        try:
            return (overview.file_of(session, self._context.vault, row, number, viewer),)
        except NotAllowed:
            return ()

    def _answer_values(
        self, session: Session, desk: Desk, viewer: overview.Viewer, answer: Answer, view: CaseView | None
    ) -> dict[str, Any]:
        roster = viewer.roster
        asker = roster.get(viewer.member or "")
        language = asker.language if asker else desk.language
        told = [item.name for item in view.readers if item.id != viewer.member] if view else []
        mentioned = {item.other_case for item in answer.done if item.other_case}
        known = set(overview.known_of(session, mentioned, viewer))
        by = Actor(self._context.vault, desk, roster, viewer.member or "operator", viewer.at)
        record = None
        if view and answer.show:
            found = overview.case_record(session, self._context.vault, view.case.codename, viewer, desk)
            record = record_values(desk, view, found, partial(self._text, desk, language=language))
        listed, ids = None, frozenset[str]()
        if answer.cases:
            visible = overview.visible_cases(session, desk.id, viewer, current=True)
            listed = [case_values(desk, roster, overview.case_line(case)) for case in visible]
            ids = frozenset(case.id for case in visible)
        holding = tables.holding(session, by, answer.person) if answer.person else []
        compiled = tables.related(session, by, view.case.id) if view and answer.compiled else None
        debrief = tables.between(session, by, *map(date.fromisoformat, answer.debrief)) if answer.debrief else None
        ids |= {case_id for case_id, _ in holding} | {item.id for item in (*(compiled or ()), *(debrief or ()))}
        if answer.junk or answer.made_reports:
            ids |= junk_list.listed(session, self._context, desk, viewer, answer)
        return {
            "desk": notices.desk_values(desk),
            "case": view.case.codename if view else "",
            "refusal": answer.refusal,
            "line": answer.line,
            "done": notices.done_values(overview.visible_to(answer.done, known), roster),
            "withdrawn": answer.withdrawn,
            "wrote": answer.wrote,
            "written_to": self._written_to(session, answer, view),
            "written": self._written(session, desk, answer, view, language),
            "told": told,
            "in_plain": answer.in_plain,
            "key": answer.key,
            "help": answer.help,
            "record": record,
            "cases": listed,
            "junk": junk_list.junk_values(session, self._context, desk, viewer) if answer.junk else None,
            "measures": measures.visible(session, by) if answer.measures else None,
            "file": answer.file,
            "archive": bool(answer.archive),
            "stepped_back": notices.name_of(roster, answer.stepped_back) if answer.stepped_back else "",
            "why": answer.why,
            "compiled": compiled,
            "debrief": debrief,
            "debrief_days": answer.debrief,
            "person": answer.person,
            "holding": [name for _, name in holding],
            "STAGE_NAMES": STAGE_NAMES,
            "KEPT_NAMES": KEPT_NAMES,
            "made_reports": junk_list.codenames(session, viewer, answer.made_reports),
            digest.LISTED: ids,
            "commands": command_values(desk),
            "outcomes": list(desk.outcomes),
            "fields": [{"name": name, "what": what} for name, what in FIELDS.items()],
        }

    def _written_to(self, session: Session, answer: Answer, view: CaseView | None) -> str | Sentence:
        """To whom other than the reporter a member wrote."""
        if view is None or not answer.message:
            return ""
        return replace(view, message=content.message(session, self._context.vault, view.case.id, answer.message)).to

    def _written(
        self, session: Session, desk: Desk, answer: Answer, view: CaseView | None, language: str
    ) -> dict[str, Any] | None:
        """What a member wrote, as it was kept and sent: they cannot know what was cut off otherwise."""
        if not (answer.wrote and answer.message and view and desk.notice == "full"):
            return None
        message = content.message(session, self._context.vault, view.case.id, answer.message)
        if message is None:
            return None
        return {"text": self._text(desk, message.body, language), "files": [item.name for item in message.attachments]}

    def for_one(self, desk: Desk, claim: Claim, member: Member, roster: Roster) -> Protected | None:
        """What goes to one member because it is time; None for an empty digest that is to be
        left out. A digest is of one of a few lengths."""
        values = self._timed_values(desk, claim.kind, member, roster)
        empty = claim.kind == "digest" and not any(
            values[part] for part in ("total", "ending", "warnings", "measures", "junk")
        )
        if empty and not desk.digest_when_empty:
            return None
        rendered = self._of(desk).render(claim.kind, member.language, values)
        files: list[Attachment] = [*self._desk_keys(desk)] if claim.kind in ("welcome", "desk-key", "test") else []
        if claim.kind == "digest" and (deadlines := values[digest.DEADLINES]):
            from mailer.saying.calendar import calendar_of  # few processes write digests

            said = [replace(item, what=speech(member.language).say(item.what)) for item in deadlines]
            files.append(calendar_of(self._context.vault, said, self._context.clock()))
        pad = stepped_length if claim.kind == "digest" else padded_length
        listed = values.get(digest.LISTED, frozenset())
        return Protected(rendered.subject, content_of(rendered.text, files), pad, listed)

    def digest_text(self, desk: Desk, member_id: str) -> str:
        """The digest that a member would get now. Raises NotAllowed for somebody who is not on this desk's roster."""
        roster = self._context.roster(desk)
        member = roster.get(member_id)
        if member is None:
            raise NotAllowed(f"'{member_id}' is not on the roster of {desk.id}. Look at 'ombud roster show'.")
        values = self._timed_values(desk, "digest", member, roster)
        return self._of(desk).render("digest", member.language, values).text

    def _timed_values(self, desk: Desk, kind: str, member: Member, roster: Roster) -> dict[str, Any]:
        values: dict[str, Any] = {"desk": notices.desk_values(desk), "member": member.name}
        with self._context.database.read() as session:
            if kind in ("digest", "welcome"):
                values |= digest.digest_values(session, self._context, desk, roster, member)
            if kind in ("digest", "roster-warning"):
                values |= digest.warning_values(self._context, desk, roster)
        return values

    def _desk_keys(self, desk: Desk) -> list[DeskKey]:
        """The desk's key, and the one of RFC 9580 if it has one, in a file of its own: GnuPG refuses a file that has both."""
        keys = {notices.key_file(desk): desk.fingerprint}
        if desk.modern_fingerprint:
            keys[notices.modern_key_file(desk)] = desk.modern_fingerprint
        export = self._context.keyring.export
        return [DeskKey(name, "application/pgp-keys", export(item, armored=True)) for name, item in keys.items()]

    def canary(self, desk: Desk, token: str) -> Rendered:
        """The desk's mail to itself."""
        return self._of(desk).render("canary", "en", {"desk": notices.desk_values(desk), "token": token})

    def alert(self, desk: Desk, member: Member, codename: str) -> Rendered:
        """A push to a member that something cannot wait; nothing of the case but its name, where they want that."""
        values = {"desk": notices.desk_values(desk), "codename": codename if member.alert_codename else ""}
        return self._of(desk).render("alert", member.language, values)

    def plain(self, desk: Desk, kind: str, member: Member | None, reason: str = "") -> Rendered:
        """A note without content: to a member about their key, or to the operator."""
        if member is None:
            minutes = int(self._context.config.outbox.alarm_minutes)
            values = {"desk": notices.desk_values(desk), "minutes": minutes}
            return self._of(desk).render(kind, desk.language, values)
        return self._of(desk).render(kind, member.language, notices.member_values(desk, member, reason))

    def _of(self, desk: Desk) -> Templates:
        if desk.id not in self._templates:
            self._templates[desk.id] = templates_of(self._context.config, desk)
        return self._templates[desk.id]
