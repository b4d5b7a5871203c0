"""What the team writes to somebody other than the reporter: whether it may go, how, and what it must not tell.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from store.cases import correspondence, telling
from store.cases.anonymity import Draft, require_anonymous
from store.cases.case_file import CaseFile
from store.cases.correspondence import Thread, who_they_may_be
from store.cases.dates import day_to_come
from store.cases.letter_order import Order
from store.cases.lookup import recusal_rows
from store.cases.persons import consent_form, is_reporter
from store.cases.replies import KeyReader
from store.cases.telling import Document
from store.kit.addresses import same_mailbox
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.records import Arrival, Attachment, Body, Facts, LetterTo, Message, Wishes
from store.team.folding import words

STAYS_PROTECTED = marked(
    "{name} is heard here as somebody who is not to be named, and cannot become the reported person."
)
UNKNOWN = marked(
    "Nobody called '{name}' is heard in this case yet. Write their address behind the name, as in '/write {name} <name@example.org> as witness'."
)
NOT_YOURSELF = marked("That is your own address. Somebody else has to write to you.")
IS_REPORTER = marked("{name} is the reporter of this case. Write to them with '/reply'.")
IS_DESK = marked("That is an address of this desk.")
IS_TAKEN = marked("That is the address of {name}, who is heard in this case already. Write '/write {name}'.")
OTHER_ADDRESS = marked(
    "{name} is heard in this case at another address. Write '/write {name}' alone, or give somebody else another name."
)
ON_THE_TEAM = marked(
    "{name} is on the team, and learns of the case by this. Add 'draft' to the line '/write'; it goes when another reader writes '/send'."
)
UNWANTED = marked(
    "The reporter asked to keep this case from {name}. If they have to be heard all the same, add 'draft' to the line '/write'; it goes when another reader writes '/send'."
)
REPORTER_EXCLUDED = marked("The reporter asked to keep this case from {name}: they can't be written to.")
NO_TEXT = marked("The mail has no text: write it below the line '/write'.")
KEY_EXPIRED = marked(
    "The key of {name} has expired or cannot be used. Write '/write {name} plain' if it may go out unencrypted."
)
NO_KEY = marked(
    "{name} wrote encrypted, or sent a key, and we have no key of theirs that is in use. Write '/write {name} new-key' to use the one that came with "
    "their mail, or '/write {name} plain' if it may go out unencrypted."
)
NO_NEW_KEY = marked("No new key of {name} is known. Write '/write {name}' alone.")
ONE_KEY = marked("Attach one public key of {name} at most.")
NO_DRAFT = marked("There is no draft {number} that waits to be sent.")
OWN_DRAFT = marked("You wrote this draft. Somebody else on the case has to send it.")


@dataclass(frozen=True)
class Letter:
    """What a reader wants to be sent. `files` are cleaned; `seen` are the texts that stood in them. `key` is a certificate of its
    recipient that came with it; `documents` are what others sent in the case."""

    order: Order
    text: str = field(repr=False)
    files: tuple[Attachment, ...] = field(default=(), repr=False)
    seen: tuple[str, ...] = field(default=(), repr=False)
    key: tuple[bytes, ...] = field(default=(), repr=False)
    documents: tuple[Document, ...] = field(default=(), repr=False)


def as_letter(
    file: CaseFile, arrival: Arrival, letter: Letter, keys: KeyReader, is_own: Callable[[str], bool]
) -> Arrival:
    """A note as a letter to a correspondent, or as the draft of one, after every look at what it may tell and to whom. `is_own`: whether
    an address is one of the desk's. Raises NotAllowed.
    """
    order = letter.order
    if file.row.state == "junk":
        raise NotAllowed(marked("{case} is among the junk. '/notjunk' makes a report of it."), case=file.row.codename)
    if not letter.text and order.kind != "hearing":
        raise NotAllowed(NO_TEXT)
    known = _thread(file, order, is_own)
    thread = _with_key(known, letter, keys)
    _require_not_withheld(file, thread, draft=order.draft)
    _require_discreet(file, thread, letter)
    thread, sealed = how_to_write(thread, order.how)
    if sealed and not any(not key.trouble for key in keys.read_key_data(thread.key)):
        raise NotAllowed(KEY_EXPIRED, name=thread.name)
    until = _until(file, order.until)
    if order.draft and known.id:  # what a draft changes is changed when it is sent
        thread = known
    thread = _kept(file, replace(thread, language=order.language or thread.language))
    number = 1 + max(map(draft_number, file.messages()), default=0) if order.draft else 0
    seen = letter.seen if order.draft else ()
    to = LetterTo(
        thread.id, order.kind, until, thread.language, number, order.how == "plain", seen, order.how == "new-key"
    )
    body = replace(arrival.body, text=letter.text, encryption="pgp/mime" if sealed else "none", letter=to)
    return _addressed(file, thread, replace(arrival, body=body, attachments=letter.files), draft=order.draft)


def _addressed(file: CaseFile, thread: Thread, arrival: Arrival, *, draft: bool) -> Arrival:
    """To the correspondent, in answer to what they wrote last; a draft stays a note."""
    if draft:
        return arrival
    last = [item.body.message_id for item in file.messages() if item.author == thread.author]
    answers = next((item for item in reversed(last) if item), "")
    body = replace(arrival.body, reply_to=thread.address, answers=answers)
    return replace(arrival, direction="letter", body=body)


def waiting_draft(file: CaseFile, number: int) -> Message:
    """A draft that another reader wrote and nobody sent yet. Raises NotAllowed."""
    told = file.messages()
    draft = next((item for item in told if item.direction == "note" and draft_number(item) == number), None)
    sent = any(item.direction == "letter" and draft_number(item) == number for item in told)
    if draft is None or sent or not number:
        raise NotAllowed(NO_DRAFT, number=number)
    if draft.author == file.actor:
        raise NotAllowed(OWN_DRAFT)
    if draft.author not in {reader.id for reader in file.readers}:  # who is withheld by now had a say in it
        raise NotAllowed(NO_DRAFT, number=number)
    return draft


def send_draft(file: CaseFile, number: int) -> Thread:
    """Send what another reader drafted, after the same looks once more; to whom. Raises NotAllowed."""
    draft = waiting_draft(file, number)
    thread = _of_draft(file, draft)
    if draft.body.letter is None or thread is None:
        raise NotAllowed(NO_DRAFT, number=number)
    files = tuple(file.attachment_contents(draft))
    _require_not_withheld(file, thread, draft=True)
    _require_discreet(file, thread, Letter(Order(thread.name), draft.body.text, files, draft.body.letter.seen))
    if draft.body.letter.until:
        day_to_come(file, draft.body.letter.until)
    thread, sealed = how_to_write(thread, draft.body.letter.how)
    correspondence.keep(file, thread)
    letter = replace(draft.body.letter, seen=())
    body = replace(draft.body, encryption="pgp/mime" if sealed else "none", done=(), letter=letter)
    arrival = Arrival(
        file.row.desk, "new", file.at, b"", "", "", body, Facts(), files, author=draft.author, direction="letter"
    )
    message_id = file.add_message(_addressed(file, thread, arrival, draft=False))
    file.enqueue("write", message_id)
    file.note("draft-sent", {"number": number})
    return thread


def _of_draft(file: CaseFile, draft: Message) -> Thread | None:
    letter = draft.body.letter
    return next((item for item in correspondence.threads(file) if letter and item.id == letter.thread), None)


def draft_number(message: Message) -> int:
    """The number of the draft that a message is, or was sent from; 0 for any other."""
    return message.body.letter.draft if message.body.letter else 0


def _thread(file: CaseFile, order: Order, is_own: Callable[[str], bool]) -> Thread:
    """The thread that is meant, not yet written down when it is new. Raises NotAllowed."""
    known = correspondence.threads(file)
    by_name = next((item for item in known if consent_form(item.name) == consent_form(order.name)), None)
    if not order.address:
        if by_name is None:
            raise NotAllowed(UNKNOWN, name=order.name)
        return _in_their_role(by_name, order)
    by_address = next((item for item in known if same_mailbox(item.address, order.address)), None)
    if by_address is not None and by_address != by_name:
        raise NotAllowed(IS_TAKEN, name=by_address.name)
    if by_name is not None:
        if by_address is None:
            return _at_another_address(file, by_name, order, is_own)
        return _in_their_role(by_name, order)
    _require_somebody_else(file, order, is_own)
    return Thread("", "", order.name, order.address, order.role or "other")


def _at_another_address(file: CaseFile, known: Thread, order: Order, is_own: Callable[[str], bool]) -> Thread:
    """The thread of somebody whose address was mistyped: while nothing came from there, it can be corrected. Raises NotAllowed."""
    if any(item.author == known.author for item in file.messages()):
        raise NotAllowed(OTHER_ADDRESS, name=known.name)
    _require_somebody_else(file, order, is_own)
    bare = replace(known, key=b"", fingerprint="", new_key=b"", new_fingerprint="", came_sealed=False)
    return _in_their_role(replace(bare, address=order.address), order)


def _in_their_role(known: Thread, order: Order) -> Thread:
    """The thread in the role that it is given now. Who is protected stays so: the reported person's name is no secret. Raises NotAllowed."""
    if order.role == "reported" and known.role != "reported":
        raise NotAllowed(STAYS_PROTECTED, name=known.name)
    return replace(known, role=order.role or known.role)


def _require_somebody_else(file: CaseFile, order: Order, is_own: Callable[[str], bool]) -> None:
    """Raise NotAllowed when whom a reader wants to write to is the desk, the reporter, or that reader."""
    if is_own(order.address):
        raise NotAllowed(IS_DESK)
    if is_reporter(file.facts, file.messages(), order.name, order.address, ""):
        raise NotAllowed(IS_REPORTER, name=order.name)
    author = file.roster.get(file.actor)
    if author is not None and same_mailbox(author.email, order.address):
        raise NotAllowed(NOT_YOURSELF)


def _with_key(thread: Thread, letter: Letter, keys: KeyReader) -> Thread:
    """The thread with the key that a reader attached for it. Raises NotAllowed."""
    if not letter.key:
        return thread
    found = [key for data in letter.key for key in keys.read_key_data(data)]
    if len(letter.key) != 1 or len(found) != 1:
        raise NotAllowed(ONE_KEY, name=thread.name)
    return replace(thread, key=letter.key[0], fingerprint=found[0].fingerprint)


def _require_not_withheld(file: CaseFile, thread: Thread, *, draft: bool) -> None:
    """Raise NotAllowed for a member from whom the reporter wants the case to be kept, and for any other whom one reader alone tells of it."""
    meant = who_they_may_be(thread, file.roster)
    excluded = {row.member for row in recusal_rows(file.session, file.row.id) if row.source == "reporter"}
    for member in meant:
        if member.id in excluded:
            raise NotAllowed(REPORTER_EXCLUDED, name=member.name)
    if meant and not draft:
        raise NotAllowed(ON_THE_TEAM, name=meant[0].name)
    if not draft and _is_unwanted(file.facts.wishes, thread):
        raise NotAllowed(UNWANTED, name=thread.name)


def _is_unwanted(wishes: Wishes, thread: Thread) -> bool:
    """Whether the reporter asked to keep the case from somebody called so, who is not on the team."""
    called = set(words(thread.name))
    asked = [set(words(item)) for item in (*wishes.excluded, *wishes.perhaps_excluded)]
    return any(item and called and (item <= called or called <= item) for item in asked)


def _require_discreet(file: CaseFile, thread: Thread, letter: Letter) -> None:
    """Raise NotAllowed when a letter names a member or a protected person, or repeats what somebody else wrote."""
    author = file.roster.get(file.actor)
    # They may be greeted by their name. Which member they think is behind it must not be confirmed, so nothing else of theirs counts.
    greeted = [Message("", "in", file.at, Body(sender=f"{thread.name} <{thread.address}>"))]
    require_anonymous(Draft(letter.text, letter.files, author, greeted, file.names), file.roster)
    for said in letter.seen:
        require_anonymous(Draft(said, (), author, greeted, file.names), file.roster)
    texts = [letter.text, *letter.seen, *(item.name.title() for item in letter.files)]
    telling.require_discreet(file, thread, texts, letter.documents)


def how_to_write(thread: Thread, how: str) -> tuple[Thread, bool]:
    """Whether a letter is sealed, and the thread with the key that is then in force. Raises NotAllowed."""
    if how == "new-key":
        if not thread.new_key:
            raise NotAllowed(NO_NEW_KEY, name=thread.name)
        changed = replace(thread, key=thread.new_key, fingerprint=thread.new_fingerprint)
        return replace(changed, new_key=b"", new_fingerprint=""), True
    if how == "plain":
        return thread, False
    if not thread.key and (thread.came_sealed or thread.new_key):
        raise NotAllowed(NO_KEY, name=thread.name)
    return thread, bool(thread.key)


def _until(file: CaseFile, written: str) -> str:
    """The day until which they may answer (ISO 8601), which becomes the deadline of the case when that has none. Raises NotAllowed."""
    if not written:
        return ""
    day = day_to_come(file, written)
    if not file.row.deadline:
        file.row.deadline = day.isoformat()
        file.session.add(file.row)
        file.note("deadline-set", {"deadline": file.row.deadline})
    return day.isoformat()


def _kept(file: CaseFile, thread: Thread) -> Thread:
    """The thread as it is written down now."""
    if not thread.id:
        return correspondence.begin(file, thread)
    correspondence.keep(file, thread)
    return thread
