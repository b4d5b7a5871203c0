"""What an opened entity says, while it is put together: the report, what covers it, and what stood beside it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from email.message import Message

from intake.reading.dates import stated
from intake.reading.message import addresses, header
from intake.reading.opened import Signed
from store.kit.sentences import Sentence, marked
from store.openpgp.values import Failure, Signature
from store.tables.records import Attachment, Encryption

FAILURES: dict[Failure, str] = {
    "no-key": marked("it is encrypted to a key that this desk does not have"),
    "damaged": marked("its encrypted part is damaged"),
    "no-integrity": marked("its encrypted part has no integrity protection"),
    "password": marked("it is encrypted with a password, and not to the key of this desk"),
    "too-large": marked("it unpacks to more than the limit"),
    "unsupported": marked("it is damaged, or encrypted in a way that this desk's programs do not know yet"),
}
FOREIGN: dict[str, str] = {
    "smime": marked("it is encrypted or wrapped with S/MIME, which this desk cannot open"),
    "tnef": marked("its text is in a file of Outlook (winmail.dat), which this desk cannot open"),
}
REST_NOTE = marked("this mail has more parts than are shown; all of it is kept")
UNWRAPPED_NOTE = marked("it was signed with S/MIME, and that signature is not checked here")
FORWARDED_NOTE = marked("was encrypted in the mail that is forwarded")
OUTSIDE_NOTE = marked("came outside the encrypted part")
NESTED_NOTE = marked("could not be opened: it is encrypted once more")
UNSIGNED_NOTE = marked("is not covered by the signature")


@dataclass(frozen=True)
class Cover:
    """A signature, the octets under it, and the entity that they are (None for a bare text)."""

    signature: Signature
    octets: bytes
    entity: Message | None = None


@dataclass
class Content:
    """What an opened entity says, while it is put together: text and files of the report, and what stood beside it."""

    text: str = ""
    outside: str = ""
    subject: str | None = None
    cover: Cover | None = None
    encryption: Encryption = "none"
    failure: str = ""
    notes: list[Sentence] = field(default_factory=list)
    files: list[Attachment] = field(default_factory=list)
    outside_files: list[Attachment] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    inside: list[bytes] = field(default_factory=list)
    ciphertext: list[bytes] = field(default_factory=list)
    head: Message | None = None

    def signed(self) -> Signed | None:
        """What a valid signature covers; None when there is none."""
        cover = self.cover
        if self.failure or cover is None or cover.signature.status != "valid":
            return None
        files, digest = tuple(self.files), hashlib.sha256(b"".join(cover.octets.split())).hexdigest()
        if cover.entity is None:
            return Signed(cover.signature, digest, self.text.strip("\n"), files=files)
        recipients = tuple(item.address for item in addresses(cover.entity, "To", "Cc"))
        subject = header(cover.entity, "Subject")
        return Signed(
            _dated(cover.signature, header(cover.entity, "Date")),
            digest,
            self.text.strip("\n"),
            subject,
            recipients,
            files,
        )


def _dated(signature: Signature, date: str) -> Signature:
    """A signature of which the engine does not say when it was made, by the date in the header that it covers."""
    moment = stated(date)
    return signature if signature.made or moment is None else replace(signature, made=int(moment.timestamp()))


def with_beside(report: Content, beside: Content, files: Sequence[Attachment], note: str) -> Content:
    """A report with what stood beside it."""
    report.outside = join((report.outside, beside.text, beside.outside))
    around = [*beside.files, *beside.outside_files]
    report.outside_files += [*files, *(replace(item, note=item.note or note) for item in around)]
    report.keys += beside.keys
    report.notes += beside.notes
    report.inside += beside.inside
    report.ciphertext += beside.ciphertext
    return report


def join(texts: Iterable[str]) -> str:
    """Texts with blank lines between them, less the empty ones."""
    return "\n\n".join(text.strip("\n") for text in texts if text.strip())
