"""The archive of a case that a member asks for by mail: made before the transaction in which it is asked for, which would wait for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlmodel import Session

from intake import archive
from intake.arrival import Opened
from intake.member_message import is_own_key
from intake.reading.files import is_public_key
from store.cases.overview import Viewer
from store.context import Context
from store.kit.errors import NoSuchCase, NotAllowed
from store.kit.sentences import marked
from store.tables.models import CaseRow
from store.team.members import Member

MOST = 10_000_000
TOO_LARGE = marked("The archive is larger than {most} MB. 'ombud case export' on the desk's machine makes it.")
CHANGED = marked("The case changed while the archive was made. Send your mail again.")


@dataclass(frozen=True)
class AskedArchive:
    """The archive of a case (its id), sealed to a key; or why there is none."""

    case_id: str = ""
    fingerprint: str = ""
    data: bytes = field(default=b"", repr=False)
    trouble: NotAllowed | None = None

    def of(self, case_id: str) -> bytes:
        """The archive, for that case. Raises NotAllowed."""
        if self.trouble is not None:
            raise self.trouble
        if self.case_id != case_id:
            raise NotAllowed(CHANGED)
        return self.data


NO_ARCHIVE = AskedArchive()


def prepare(context: Context, session: Session, opened: Opened, member: Member, row: CaseRow) -> AskedArchive:
    """The archive of a case as a member may see it, sealed to the one key that came with their mail, or else to their own."""
    viewer = Viewer(opened.job.roster, member.id, context.clock())
    try:
        key = _key(context, opened, member)
        fingerprint = archive.usable_key(context, key)
        sealed = archive.sealed_to(context, opened.job.desk, archive.archive_of(context, session, row, viewer), key)
    except NoSuchCase:
        return NO_ARCHIVE
    except NotAllowed as error:
        return AskedArchive(row.id, trouble=error)
    if len(sealed) > MOST:
        return AskedArchive(row.id, trouble=NotAllowed(TOO_LARGE, most=MOST // 1_000_000))
    return AskedArchive(row.id, fingerprint, sealed)


def _key(context: Context, opened: Opened, member: Member) -> bytes:
    """The key that the archive is sealed to. Raises NotAllowed when several came."""
    said = opened.content.signed
    brought = [item.data for item in said.files if is_public_key(item.data)] if said else []
    others = [data for data in brought if not is_own_key(context, member, data)]
    if len(others) > 1:
        raise NotAllowed(archive.NOT_ONE_KEY)
    return others[0] if others else context.keyring.export(member.fingerprint, armored=False)
