"""One mail handed over in one SMTP transaction, pipelined where the server takes that (RFC 2920).

`smtplib` waits for the answer to each command. With five readers that is thirty times the way to the relay and back; here
it is twelve.
"""

from __future__ import annotations

import contextlib
import smtplib
from collections.abc import Sequence
from functools import lru_cache

_READY, _TAKEN = 354, 250
_CLOSING = 421

Answer = tuple[int, bytes]


def hand_over(connection: smtplib.SMTP, sender: str, recipient: str, mail: bytes, options: Sequence[str] = ()) -> None:
    """Hand over a mail (with CRLF as line ends) for one recipient; `options` are added to MAIL FROM.

    Raises as `smtplib.SMTP.sendmail`: SMTPSenderRefused, SMTPRecipientsRefused, SMTPDataError, SMTPServerDisconnected.
    """
    if not connection.has_extn("pipelining"):
        connection.sendmail(sender, [recipient], mail, mail_options=options)
        return
    size = [f"size={len(mail)}"] if connection.has_extn("size") else []
    commands = [
        " ".join((f"MAIL FROM:{_path(sender)}", *size, *options)),
        f"RCPT TO:{_path(recipient)}",
        "DATA",
    ]
    if any(end in command for command in commands for end in "\r\n"):
        raise ValueError("an address that holds a line end")
    connection.send("".join(f"{command}\r\n" for command in commands).encode())
    from_answer, to_answer, data_answer = (connection.getreply() for _ in commands)
    if refusal := _refusal(sender, recipient, from_answer, to_answer, data_answer):
        _leave(connection, data_answer)
        raise refusal
    connection.send(_dotted(mail))
    taken = connection.getreply()
    if taken[0] != _TAKEN:
        _leave(connection, taken)
        raise smtplib.SMTPDataError(*taken)


@lru_cache(maxsize=100)
def _path(address: str) -> str:
    """An address in angle brackets (RFC 5321 section 4.1.2), as smtplib writes it."""
    return smtplib.quoteaddr(address)


def _refusal(
    sender: str, recipient: str, from_answer: Answer, to_answer: Answer, data_answer: Answer
) -> smtplib.SMTPException | None:
    """What the answers to the three commands come to; the first refusal is the one that counts."""
    if from_answer[0] != _TAKEN:
        return smtplib.SMTPSenderRefused(*from_answer, sender)
    if to_answer[0] not in (_TAKEN, 251):
        return smtplib.SMTPRecipientsRefused({recipient: to_answer})
    if data_answer[0] != _READY:
        return smtplib.SMTPDataError(*data_answer)
    return None


def _leave(connection: smtplib.SMTP, last: Answer) -> None:
    """Get ready for the next mail. A server that waits for a mail without recipient gets an empty one (RFC 2920 section 3.1)."""
    if last[0] == _CLOSING:
        connection.close()
        return
    with contextlib.suppress(smtplib.SMTPServerDisconnected):  # what it said before counts
        if last[0] == _READY:
            connection.send(b".\r\n")
            connection.getreply()
        connection.rset()


def _dotted(mail: bytes) -> bytes:
    """A mail as it travels: with the dots of RFC 5321 section 4.5.2, and its end."""
    lines = mail.replace(b"\n.", b"\n..")
    return b"".join((b"." * lines.startswith(b"."), lines, b"" if lines.endswith(b"\r\n") else b"\r\n", b".\r\n"))
