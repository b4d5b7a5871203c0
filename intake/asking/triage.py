"""What a mail is, who must not know of it, and whether its author is written to. Pure."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Literal

from intake.asking.directives import ReporterRequest
from intake.asking.recused import SearchedMail, is_one_of, who_is_recused
from intake.reading.message import Mail, Parsed, children, content_type, header, header_values
from store.kit.addresses import bare
from store.kit.sentences import marked
from store.tables.records import Recusal
from store.team.members import Member, Roster

Kind = Literal["report", "machine", "reply-by-machine"]

logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)  # what it says may hold a piece of the mail

_LIST_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w.-]{1,255}")
_LIST_ID = re.compile(r"<([\w-]{1,64}\.[\w.-]{1,255})>")


@dataclass(frozen=True)
class Triage:
    """What triage found.

    `searched`: all of it was searched for members; `unseen` were named where no text was read. `secret`: it asks to be kept from somebody. `beside_only`: as in `Withheld`. `circular`: it went to many, by a list or in bulk. `undelivered`: it says that another mail could not be delivered for good. `answer_to` is where the team may write, `address` where it could if the author had not asked for silence.
    `machine` is mail that a program may have sent on a person's behalf (a form, a list): it becomes a case, but
    is never answered. `reply-by-machine` is a bounce, a receipt or an absence note: kept, and the team not woken.
    """

    kind: Kind
    recusals: tuple[Recusal, ...]
    unmatched: tuple[str, ...]
    reply_to: str
    no_reply_because: str
    answer_to: str = ""
    address: str = ""
    undelivered: bool = False
    circular: bool = False
    searched: bool = True
    unseen: tuple[Member, ...] = ()
    secret: bool = False
    beside_only: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Reception:
    """What a desk knows of a mail besides its octets: who sent it, what its address asks for, and who is at the desk.

    `sender` is the envelope's: None when unknown (a mailbox), empty for the null sender (RFC 5321 section 4.5.5).
    `is_own` says whether an address is one of the desk's; `disowned`: the domain of the author does not vouch for the mail.
    """

    sender: str | None
    asked: ReporterRequest
    roster: Roster
    is_own: Callable[[str], bool]
    disowned: bool = False


# Of Exchange, and of programs that answer by themselves and wrote so before RFC 3834.
_OF_AUTOMATIC_REPLIES = ("X-Autoreply", "X-Autorespond", "X-Failed-Recipients", "X-MS-Exchange-Inbox-Rules-Loop")


def sort(parsed: Parsed, said: SearchedMail, by: Reception) -> Triage:
    """Sort an opened mail."""
    mail, kind = parsed.mail, what_kind(parsed, by.sender)
    undelivered = kind == "reply-by-machine" and is_failure(parsed)
    circular, asked = went_to_many(parsed, by.is_own), by.asked
    found = who_is_recused(said, by.sender, asked, by.roster)
    recusals, unmatched = found.recusals, found.unmatched
    withheld = {item.member for item in recusals}
    mail = _without_lists(parsed)
    reply_to, because = reply_address(mail, kind, by, withheld)
    # A program's mail is never answered by this one, but a person may write to whom it names: a web form's visitor.
    by_hand = replace(by, asked=replace(asked, quiet=False), disowned=False)
    address = reply_address(mail, "report", by_hand, withheld)[0]
    if kind == "reply-by-machine":
        return Triage(kind, recusals, unmatched, reply_to, because, undelivered=undelivered, circular=circular)
    return Triage(
        kind, recusals, unmatched, reply_to, because, "" if asked.quiet else address, address, undelivered, circular,
        searched=found.whole, unseen=found.unseen, secret=found.secret, beside_only=found.beside_only,
    )  # fmt: skip


def is_failure(mail: Parsed) -> bool:
    """Whether a mail says that another one could not be delivered for good (RFC 3464 section 2.3.3), in whichever words."""
    statuses = [part for part in children(mail.root) if content_type(part) == "message/delivery-status"]
    if statuses:
        return any(header(block, "Action").lower() == "failed" for status in statuses for block in children(status))
    from flufl.bounce import scan_message  # few mails need it

    try:
        return bool(scan_message(mail.root))
    except MemoryError:
        raise
    except Exception:  # the library stumbles over what is no such mail
        return False


def went_to_many(mail: Parsed, is_own: Callable[[str], bool]) -> bool:
    """Whether a mail came by a list or in bulk, as newsletters do (RFC 2369, RFC 2919). A list in front of a desk is none."""
    lists = header_values(mail.root, "List-Id", "List-Post", "List-Unsubscribe", "Mailing-List")
    if not lists and header(mail.root, "Precedence").lower() not in ("bulk", "list", "junk"):
        return False
    own = [address for value in lists for address in _LIST_ADDRESS.findall(value) if is_own(address)]
    # The identifier of the list conduct@example.org is conduct.example.org.
    by_id = [identifier.replace(".", "@", 1) for value in lists for identifier in _LIST_ID.findall(value)]
    return not own and not any(map(is_own, by_id))


def what_kind(mail: Parsed, sender: str | None) -> Kind:
    """Whether a person wrote, a program on somebody's behalf, or a program in answer (RFC 3834, RFC 3464, RFC 8098)."""
    root = mail.root
    auto = header(root, "Auto-Submitted").lower()
    if auto.startswith("auto-replied") or content_type(root) == "multipart/report":
        return "reply-by-machine"
    if any(header(root, name) for name in _OF_AUTOMATIC_REPLIES):
        return "reply-by-machine"
    daemon = any(re.match(r"(mailer-daemon|postmaster)@", item.address, re.IGNORECASE) for item in mail.mail.sender)
    if sender == "" and daemon:
        return "reply-by-machine"
    lists = header_values(root, "List-Id", "List-Post", "List-Unsubscribe", "Mailing-List", "X-Loop")
    bulk = header(root, "Precedence").lower() in ("bulk", "list", "junk", "auto_reply")
    # Who asks for no receipts alone may well be a person (MS-OXCMAIL section 2.1.3.2.20).
    suppressed = bool(
        {"all", "oof", "autoreply"} & set(re.split(r"[\s,;]+", header(root, "X-Auto-Response-Suppress").lower()))
    )
    if (auto and auto != "no") or lists or bulk or suppressed or sender == "" or daemon:
        return "machine"
    return "report"


def _without_lists(parsed: Parsed) -> Mail:
    """The header less a list's own address in `Reply-To`: whoever answers would write to everybody on the list."""
    values = header_values(parsed.root, "List-Post", "Mailing-List", "List-Id", "X-Loop", "X-BeenThere")
    lists = {bare(address) for value in values for address in _LIST_ADDRESS.findall(value)}
    lists |= {bare(found.replace(".", "@", 1)) for value in values for found in _LIST_ID.findall(value)}
    return replace(
        parsed.mail, reply_to=tuple(item for item in parsed.mail.reply_to if bare(item.address) not in lists)
    )


def reply_address(mail: Mail, kind: Kind, by: Reception, recused: Collection[str]) -> tuple[str, str]:
    """Where an acknowledgement may go, or an empty address and why none may."""
    if kind != "report":
        return "", marked("it was sent by a program or a mailing list")
    if by.asked.quiet:
        return "", marked("they asked not to be contacted")
    if by.disowned:
        return "", marked("its author's domain did not vouch for it, and the address may be somebody else's")
    # The desk itself among those to answer is nobody to ask, and the same mailbox twice is one.
    candidates = list({bare(item.address): item for item in mail.reply_to if not by.is_own(item.address)}.values())
    candidates = candidates or list({bare(item.address): item for item in mail.sender}.values())
    if len(candidates) != 1:
        return "", marked("the mail doesn't say who wrote it") if not candidates else marked(
            "the mail names several senders"
        )
    address = candidates[0].address
    if by.is_own(address):
        return "", marked("the sender's address is the desk's own")
    if any(is_one_of(member, [address]) for member in by.roster.members if member.id in recused):
        return "", marked("the case is withheld from the sender")
    return address, ""
