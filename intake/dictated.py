"""What somebody told a member, written down at the desk's machine instead of in a mail: a case like one that `/new` begins."""

from __future__ import annotations

from dataclasses import replace
from email.message import EmailMessage

from intake import reader_process, word_of_mouth
from intake.arrival import Envelope, Job, arrival_of
from intake.asking.directives import ReporterRequest
from intake.reading.opened import Signed
from store.cases.case_file import Actor
from store.cases.told_order import Told
from store.context import Context
from store.kit.config import Desk
from store.kit.errors import NotAllowed
from store.openpgp.values import Signature
from store.tables.authentication import Authentication
from store.team.members import Member


def write_down(context: Context, desk: Desk, member: Member, told: Told, text: str) -> str:
    """Make a case of what a member was told; its codename. Raises NotAllowed without a text, TryLater."""
    if not text.strip():
        raise NotAllowed(word_of_mouth.NOTHING_TOLD)
    mail = EmailMessage()
    mail["From"], mail["To"] = member.email, desk.address
    mail.set_content(text)
    job = Job(
        desk,
        ReporterRequest(),
        Envelope(mail.as_bytes(), None, (desk.address,)),
        "",
        context.roster(desk),
        Authentication(),
    )
    arrival = arrival_of(context, reader_process.read(context.config, job))
    said = Signed(Signature(), "", text=text.strip())
    arrival = replace(word_of_mouth.as_report(arrival, member, told, said), raw=b"", digest="", message_id="")
    by = Actor(context.vault, desk, job.roster, member.id, context.clock())
    with context.database.write() as session:
        return word_of_mouth.begin(session, by, member, arrival).row.codename
