"""The relay: the mail server that takes our mail, over a connection that is kept open while there is work."""

from __future__ import annotations

import base64
import contextlib
import smtplib
import time
from collections.abc import Sequence

from mailer.relay import remedies
from mailer.relay.refusals import NotTaken, RelayDown, refused, witnesses
from mailer.relay.transaction import Answer, hand_over
from store.kit.addresses import to_ascii
from store.kit.config import Config
from store.kit.secrets import bearer_response, client_tls, fetch_token, read_secret

_KEEP_OPEN_SECONDS = 20.0
_MAILS_PER_CONNECTION = 100
_TOO_LARGE = 552  # RFC 1870 section 6.1
_LOGGED_IN = (235, 503)  # the second: already

__all__ = ["NotTaken", "Relay", "RelayDown"]


class Relay:
    """One connection to the relay; each worker has its own."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._connection: smtplib.SMTP | None = None
        self._used = 0.0
        self._count = 0

    def send(self, sender: str, recipient: str, mail: bytes) -> None:
        """Hand over one mail for one recipient. `sender` is the envelope's, empty for the null sender.

        Raises RelayDown or NotTaken; when neither, the relay has the mail.
        """
        connection = self._open()
        sender, recipient, options = _as_they_travel(connection, sender, recipient)
        try:
            hand_over(connection, sender, recipient, mail, options)
            self._used = time.monotonic()
            self._count += 1
        except smtplib.SMTPRecipientsRefused as error:
            raise refused(*next(iter(error.recipients.values()), (451, b"")), "address") from None
        except smtplib.SMTPDataError as error:
            raise refused(error.smtp_code, error.smtp_error, "mail") from None
        except smtplib.SMTPSenderRefused as error:
            if error.smtp_code == _TOO_LARGE:  # said to its announced size; other mails may well pass
                raise NotTaken(
                    "the mail server answered 552 to the size of the mail", final=True, certain=True
                ) from None
            if options and 500 <= error.smtp_code < 600:  # it may be the letters of this one address
                raise refused(error.smtp_code, error.smtp_error, "address") from None
            self.close()
            raise RelayDown(remedies.takes_nothing_from_us(sender, error.smtp_code, error.smtp_error)) from None
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            self.close()
            raise RelayDown(remedies.not_reached(error, self._config.relay)) from None

    def takes_mail(self, sender: str, recipients: Sequence[str]) -> bool | None:
        """Whether the relay takes mail of a sender for any of these; None when it does not say now. No mail is sent."""
        try:
            answers = self._ask(self._open(), sender, recipients)
        except RelayDown:
            return None
        except (smtplib.SMTPException, OSError, UnicodeError):
            self.close()
            return None
        codes = [code for code, _ in answers]
        if len(codes) > 1 and codes[-1] < 300:
            return True
        return False if all(code >= 500 for code in codes[1:] or codes) else None

    def check(self, members: Sequence[str] = ()) -> None:
        """Connect, log in, and ask for each desk whether its mail is taken, for the operator or a member. No mail is sent.

        `members` are addresses of some. Raises RelayDown, and ConfigError for a secret that cannot be read.
        """
        operator = self._config.operator.address
        for desk in self._config.desk:
            asked = witnesses("", (operator, *members), desk.addresses)
            try:
                first, *rest = self._ask(self._open(), desk.address, asked)
            except (smtplib.SMTPException, OSError, UnicodeError) as error:
                self.close()
                raise RelayDown(remedies.not_reached(error, self._config.relay)) from None
            if first[0] >= 300:
                raise RelayDown(remedies.takes_nothing_from_us(desk.address, *first))
            if rest and rest[-1][0] >= 300:
                raise RelayDown(remedies.takes_nobody(*rest[-1]))

    @staticmethod
    def _ask(connection: smtplib.SMTP, sender: str, recipients: Sequence[str]) -> list[Answer]:
        """The answers to the sender, then to each recipient until one is taken; then it is taken back (RFC 5321 section 4.1.1.5)."""
        answers: list[Answer] = [connection.mail(to_ascii(sender))]
        if answers[0][0] < 300:
            for recipient in map(to_ascii, recipients):
                if recipient.isascii():
                    answers.append(connection.rcpt(recipient))
                    if answers[-1][0] < 300:
                        break
        connection.rset()
        return answers

    def close(self) -> None:
        """End the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                connection.close()

    def quit_if_idle(self) -> None:
        """Say goodbye when there was no work for a while."""
        if self._connection is not None and time.monotonic() - self._used > _KEEP_OPEN_SECONDS:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                self._connection.quit()
            self._connection = None

    def _open(self) -> smtplib.SMTP:
        if self._connection is not None and self._connection.sock is not None:  # a refusal with 421 ends it
            if self._count < _MAILS_PER_CONNECTION and time.monotonic() - self._used < _KEEP_OPEN_SECONDS:
                return self._connection
            self.close()
        try:
            self._connection = self._connect()
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise RelayDown(remedies.not_reached(error, self._config.relay)) from None
        self._used, self._count = time.monotonic(), 0
        return self._connection

    def _connect(self) -> smtplib.SMTP:
        relay = self._config.relay
        context = client_tls(self._config, relay.ca_file, "relay.ca_file") if relay.tls != "none" else None
        hello = relay.hello or None
        connection: smtplib.SMTP
        if relay.tls == "tls":
            connection = smtplib.SMTP_SSL(relay.host, relay.port, hello, timeout=relay.seconds, context=context)
        else:
            connection = smtplib.SMTP(relay.host, relay.port, hello, timeout=relay.seconds)
        try:
            if relay.tls == "starttls":
                connection.starttls(context=context)
            connection.ehlo_or_helo_if_needed()
            if relay.user:
                self._login(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _login(self, connection: smtplib.SMTP) -> None:
        relay = self._config.relay
        if relay.password_file is not None:
            _log_in(connection, relay.user, read_secret(self._config, relay.password_file))
            return
        token = fetch_token(self._config, relay.token_command)
        response = bearer_response(relay.token_mechanism, relay.user, token, relay.host, relay.port).decode()
        # After a refusal the server sends its reason as a challenge, which an empty line ends (RFC 7628 section 3.2.3).
        connection.auth(relay.token_mechanism, lambda challenge=None: response if challenge is None else "")


def _as_they_travel(connection: smtplib.SMTP, sender: str, recipient: str) -> tuple[str, str, list[str]]:
    """Sender and recipient as the relay takes them, and what is asked for with MAIL FROM. Raises NotTaken."""
    sender, recipient = to_ascii(sender), to_ascii(recipient)
    if sender.isascii() and recipient.isascii():
        return sender, recipient, []
    if not connection.has_extn("smtputf8"):
        reason = "the relay cannot take an address with such letters (SMTPUTF8)"
        raise NotTaken(reason, final=True, certain=True)
    return sender, recipient, ["SMTPUTF8", "BODY=8BITMIME"]


def _log_in(connection: smtplib.SMTP, user: str, password: str) -> None:
    """Log in by password. smtplib takes ASCII alone; what is beyond goes in UTF-8 (RFC 4616), by PLAIN or LOGIN.

    Raises as `smtplib.SMTP.login`.
    """
    if user.isascii() and password.isascii():
        connection.login(user, password)
        return
    offered = connection.esmtp_features.get("auth", "").upper().split()
    if "PLAIN" in offered:
        code, said = connection.docmd("AUTH", "PLAIN " + _base64(f"\0{user}\0{password}"))
    elif "LOGIN" in offered:
        code, said = connection.docmd("AUTH", f"LOGIN {_base64(user)}")
        if code == 334:
            code, said = connection.docmd(_base64(password))
    else:
        raise smtplib.SMTPNotSupportedError
    if code not in _LOGGED_IN:
        raise smtplib.SMTPAuthenticationError(code, said)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
