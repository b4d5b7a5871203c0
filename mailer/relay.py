"""The relay: the mail server that takes our mail, over a connection that is kept open while there is work."""

from __future__ import annotations

import contextlib
import smtplib
import time

from mailer.transaction import hand_over
from store.config import Config
from store.secrets import bearer_response, client_tls, fetch_token, read_secret

_KEEP_OPEN_SECONDS = 20.0
_MAILS_PER_CONNECTION = 100
_TOO_LARGE = 552  # RFC 1870 section 6.1


class RelayDown(Exception):
    """The relay cannot be used now, whoever the mail is for. The text says why, without addresses."""


class NotTaken(Exception):
    """The relay did not take one mail. `final` when it said that trying again is of no use (5xx)."""

    def __init__(self, reason: str, *, final: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final


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
        options = [] if recipient.isascii() else ["SMTPUTF8", "BODY=8BITMIME"]
        if options and not connection.has_extn("smtputf8"):
            raise NotTaken("the relay cannot take an address with such letters (SMTPUTF8)", final=True)
        try:
            hand_over(connection, sender, recipient, mail, options)
            self._used = time.monotonic()
            self._count += 1
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()), (451, b""))[0]
            raise NotTaken(f"the mail server answered {code} to the address", final=500 <= code < 600) from None
        except smtplib.SMTPDataError as error:
            raise NotTaken(
                f"the mail server answered {error.smtp_code} to the mail", final=500 <= error.smtp_code < 600
            ) from None
        except smtplib.SMTPResponseException as error:
            if error.smtp_code == _TOO_LARGE:  # said to its announced size; other mails may well pass
                raise NotTaken("the mail server answered 552 to the size of the mail", final=True) from None
            self.close()
            raise RelayDown(f"the relay answered {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            self.close()
            raise RelayDown(f"the connection to the relay failed ({type(error).__name__})") from None

    def check(self) -> None:
        """Connect and log in. Raises RelayDown."""
        self._open()

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
        except smtplib.SMTPResponseException as error:
            raise RelayDown(f"the relay answered {error.smtp_code} at login") from None
        except (smtplib.SMTPException, OSError) as error:
            raise RelayDown(f"the relay cannot be reached ({type(error).__name__})") from None
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
            connection.login(relay.user, read_secret(self._config, relay.password_file))
            return
        token = fetch_token(self._config, relay.token_command)
        response = bearer_response(relay.token_mechanism, relay.user, token, relay.host, relay.port).decode()
        # After a refusal the server sends its reason as a challenge, which an empty line ends (RFC 7628 section 3.2.3).
        connection.auth(relay.token_mechanism, lambda challenge=None: response if challenge is None else "")
