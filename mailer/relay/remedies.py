"""Why the relay cannot be reached, and what to do, in words that a volunteer can act on. Pure."""

from __future__ import annotations

import smtplib
import socket
import ssl

from mailer.relay.refusals import spoken, wants_login
from store.kit.sections import RelaySettings

_LOGIN = "Check relay.user and its password or token."
_PORTS = "Check relay.port and relay.tls: 'tls' is mostly 465, 'starttls' 587."


def not_reached(error: Exception, relay: RelaySettings) -> str:
    """What kept us from connecting and logging in. Names the host, never an address of a person."""
    away = error.__context__ if isinstance(error, smtplib.SMTPServerDisconnected) else error
    if isinstance(away, OSError) and not isinstance(away, smtplib.SMTPException):
        return f"the relay cannot be reached: {_why(away, relay)}"
    return _refused(error)


def _why(error: OSError, relay: RelaySettings) -> str:
    where = f"{relay.host}, port {relay.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}). Check relay.host, or set relay.ca_file."
    if isinstance(error, ssl.SSLError):
        return f"{where} does not speak TLS in this way. {_PORTS}"
    if isinstance(error, socket.gaierror):
        return f"there is no server of the name {relay.host}, or names cannot be looked up now. Check relay.host."
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at {where}. Check relay.host and relay.port, and whether the mail server runs."
    if isinstance(error, TimeoutError):
        return (
            f"{where} did not answer within {relay.seconds:g} seconds. Check relay.port and relay.tls, and firewalls."
        )
    what = (error.strerror or type(error).__name__).lower()
    return f"{what} ({where}). Check the network, relay.host and relay.port."


def _refused(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "the relay does not offer STARTTLS, or no login that is known here. Check relay.tls and relay.port."
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the relay refused the login ({spoken(error.smtp_code, error.smtp_error)}). {_LOGIN}"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return f"the relay cannot be reached: it hung up. {_PORTS}"
    if isinstance(error, smtplib.SMTPResponseException):
        return (
            f"the relay answered {spoken(error.smtp_code, error.smtp_error)} to our greeting. {_hint(error)}".rstrip()
        )
    return f"the connection to the relay failed ({type(error).__name__}). It is tried again."


def takes_nobody(code: int, text: bytes | str) -> str:
    """A relay that refuses whomever it is asked about."""
    hint = f" {_LOGIN}" if wants_login(code, text) else ""
    return f"the relay takes our mail for nobody (it answered {spoken(code, text)}).{hint}"


def takes_nothing_from_us(sender: str, code: int, text: bytes | str) -> str:
    """A relay that refuses our sender; the null sender (RFC 5321 section 4.5.5) is that of what nobody is to answer."""
    if not sender:
        return f"the relay refuses mail with an empty sender (it answered {spoken(code, text)}). Have it take that: RFC 5321 wants it."
    hint = f" {_LOGIN} It may take mail only from the address that logs in." if wants_login(code, text) else ""
    return f"the relay takes no mail from the desk's address (it answered {spoken(code, text)}).{hint}"


def _hint(error: smtplib.SMTPResponseException) -> str:
    return _LOGIN if wants_login(error.smtp_code, error.smtp_error) else ""
