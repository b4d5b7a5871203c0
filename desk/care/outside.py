"""How a desk's address looks from outside: `ombud check --outside`. Asks DNS and the web server of the address; reads no case."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import dns.exception
import dns.resolver
import requests

from desk.care.machine import Finding
from desk.care.publish import wkd_hash
from intake.authentication.lookups import resolver_of
from store.kit.clock import Clock, system_clock
from store.kit.config import Config, Desk
from store.kit.errors import ConfigError
from store.openpgp.keyring import Keyring, open_keyring

_SECONDS = 10
_CLOCK_SLACK = timedelta(minutes=5)
_MISSING = "What this takes is not installed: pip install 'ombud[outside]'."
_REMEDIES = {
    "MX": "Without it no mail from outside arrives. Publish MX records that name your mail server.",
    "SPF": "Publish a TXT record such as 'v=spf1 mx -all' that names the relay, or notices end in spam folders.",
    "DMARC": "Publish _dmarc with 'v=DMARC1; p=quarantine', once SPF and DKIM pass, so that nobody can write in the desk's name.",
    "MTA-STS": "Optional: it keeps others from reading mail to the desk on its way. See RFC 8461, or ask your provider.",
}


def examine(config: Config, clock: Clock = system_clock) -> Iterator[Finding]:
    """The findings for each domain and key of the desks. Raises ConfigError where the library for it is missing."""
    try:
        import checkdmarc  # noqa: F401
    except ImportError:
        raise ConfigError(_MISSING) from None
    resolver = resolver_of(config.sender_checks)
    resolver.lifetime = _SECONDS
    keyring = open_keyring(config)
    for domain in dict.fromkeys(
        address.rpartition("@")[2].lower() for desk in config.desk for address in desk.addresses
    ):
        yield from _published(domain, resolver)
        yield _clock(domain, clock())
    for desk in config.desk:
        yield _dkim(desk, resolver)
        for address in desk.addresses:
            yield _directory(desk, address, keyring)


def _published(domain: str, resolver: dns.resolver.Resolver) -> Iterator[Finding]:
    """What DNS says of a domain, each as the library judges it."""
    from checkdmarc.dmarc import check_dmarc
    from checkdmarc.mta_sts import check_mta_sts
    from checkdmarc.smtp import check_mx
    from checkdmarc.spf import check_spf

    mx: Mapping[str, Any] = _asked(check_mx, domain, resolver)
    hosts = [str(host.get("hostname", "")) for host in mx.get("hosts", ())]
    if hosts:
        yield _judged("MX", domain, {**mx, "valid": True}, ", ".join(hosts))
    else:
        yield Finding(f"MX of {domain}", "failure", f"{mx.get('error') or 'there is none'}. {_REMEDIES['MX']}")
    spf = _asked(check_spf, domain, resolver)
    yield _judged("SPF", domain, spf, str(spf.get("record", "")))
    dmarc = _asked(check_dmarc, domain, resolver)
    yield _judged("DMARC", domain, dmarc, str(dmarc.get("record", "")))
    yield _judged("MTA-STS", domain, _asked(check_mta_sts, domain, resolver), "there is a policy", missing="ok")
    for host in hosts:
        yield _dane(host, resolver)


def _asked(check: Any, domain: str, resolver: dns.resolver.Resolver) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = check(domain, resolver=resolver, timeout=_SECONDS)
    except Exception as error:  # a library that meets whatever DNS holds
        return {"valid": False, "error": f"could not be looked up ({type(error).__name__})", "warnings": []}
    return found


def _judged(what: str, domain: str, found: Mapping[str, Any], good: str, missing: str = "warning") -> Finding:
    name = f"{what} of {domain}"
    if not found.get("valid"):
        said = " ".join(str(found.get("error") or "there is none").split()).rstrip(".")
        level = "warning" if missing == "warning" else "ok"
        return Finding(name, level, f"{said}. {_REMEDIES[what]}")  # type: ignore[arg-type]  # one of two words
    warnings = [" ".join(str(item).split()) for item in found.get("warnings", ())]
    if warnings:
        said = "; ".join(item.rstrip(".") for item in warnings)
        return Finding(name, "warning", f"{said}. Have whoever runs the domain's DNS correct it.")
    return Finding(name, "ok", good)


def _dkim(desk: Desk, resolver: dns.resolver.Resolver) -> Finding:
    """Whether the key with which the relay signs is published."""
    from dkim import DKIMException, load_pk_from_dns

    domain, name = desk.address.rpartition("@")[2], f"DKIM of {desk.id}"
    if not desk.dkim_selector:
        return Finding(
            name, "ok", "not looked at. Give the selector of the relay (s= in DKIM-Signature) in dkim_selector."
        )
    where = f"{desk.dkim_selector}._domainkey.{domain}"

    def ask(_name: bytes, timeout: float = 5) -> bytes | None:  # noqa: ARG001 (the library's signature)
        found = resolver.resolve(where, "TXT", raise_on_no_answer=False)
        return next((b"".join(item.strings) for item in found), None)

    try:
        load_pk_from_dns(where.encode() + b".", dnsfunc=ask)
    except (DKIMException, dns.exception.DNSException, ValueError) as error:
        remedy = "Publish the key with which the relay signs, or correct dkim_selector; unsigned notices end in spam folders."
        return Finding(name, "warning", f"{where}: no key that can be used ({type(error).__name__}). {remedy}")
    return Finding(name, "ok", where)


def _dane(host: str, resolver: dns.resolver.Resolver) -> Finding:
    """Whether a mail server's certificate is the one that TLSA records name (RFC 7672), where there are any."""
    name = f"DANE of {host}"
    try:
        records = list(resolver.resolve(f"_25._tcp.{host}", "TLSA", raise_on_no_answer=False))
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        records = []
    except dns.exception.DNSException as error:
        return Finding(name, "warning", f"could not be looked up ({type(error).__name__}). Try it again.")
    if not records:
        return Finding(name, "ok", "not published. Optional: it proves the certificate of your mail server (RFC 7672).")
    try:
        with smtplib.SMTP(host, 25, timeout=_SECONDS) as server:
            server.starttls(context=ssl._create_unverified_context())  # noqa: S323, SLF001, RUF100 - it is compared below
            certificate = server.sock.getpeercert(True) or b""  # type: ignore[union-attr]
    except (OSError, smtplib.SMTPException) as error:
        return Finding(name, "warning", f"its certificate cannot be seen from here ({type(error).__name__}).")
    if any(
        tlsa_fits(int(item.usage), int(item.selector), int(item.mtype), bytes(item.cert), certificate)
        for item in records
    ):
        return Finding(name, "ok", "the certificate is the published one")
    remedy = "Publish TLSA records of the certificate in use: servers that know DANE send nothing to the desk now."
    return Finding(name, "failure", f"no TLSA record fits the certificate. {remedy}")


def tlsa_fits(usage: int, selector: int, matching: int, expected: bytes, certificate: bytes) -> bool:
    """Whether a TLSA record (RFC 6698 section 2.1) names a server's certificate. Those that name an issuer (usage 0, 2) are
    not compared, and taken to fit."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if usage in (0, 2):
        return True
    chosen = certificate
    if selector == 1:
        try:
            key = x509.load_der_x509_certificate(certificate).public_key()
        except ValueError:
            return False
        chosen = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    made = {0: chosen, 1: hashlib.sha256(chosen).digest(), 2: hashlib.sha512(chosen).digest()}
    return made.get(matching) == expected


def _directory(desk: Desk, address: str, keyring: Keyring) -> Finding:
    """Whether the Web Key Directory of an address has the desk's key, as it is now."""
    name = f"WKD of {address}"
    found = next(filter(None, map(_fetched, directory_urls(address))), None)
    if found is None:
        remedy = "Mail programs do not find the key by themselves. Write it with 'ombud key wkd FOLDER' into the web server's."
        return Finding(name, "warning", f"no key is found. {remedy}")
    keys = keyring.read_key_data(found)
    own = next((key for key in keyring.public_keys([desk.fingerprint])), None)
    if len(keys) != 1 or keys[0].fingerprint != desk.fingerprint:
        return Finding(
            name,
            "failure",
            "ANOTHER key is published than the desk's: people may encrypt to somebody else. Replace it with 'ombud key wkd'.",
        )
    if keys[0].trouble or (own is not None and keys[0].expires != own.expires):
        return Finding(
            name,
            "failure",
            "the published key is not the desk's as it is now (another expiry, or unusable). Write it anew with 'ombud key wkd'.",
        )
    return Finding(name, "ok", "the desk's key")


def directory_urls(address: str) -> Sequence[str]:
    """Where the key of an address lies: by the advanced, then by the direct method (draft-koch-openpgp-webkey-service)."""
    local, _, domain = address.rpartition("@")
    domain, end = domain.lower(), f"{wkd_hash(local)}?l={local}"
    return (
        f"https://openpgpkey.{domain}/.well-known/openpgpkey/{domain}/hu/{end}",
        f"https://{domain}/.well-known/openpgpkey/hu/{end}",
    )


def _fetched(url: str) -> bytes | None:
    with suppress(requests.RequestException):
        answer = requests.get(url, timeout=_SECONDS, stream=True)
        if answer.status_code == requests.codes.ok:
            return bytes(answer.raw.read(1_000_000, decode_content=True))
    return None


def _clock(domain: str, now: datetime) -> Finding:
    """Whether this machine's clock agrees with a web server's: signatures and deadlines go by it."""
    for url in (f"https://{domain}/", f"https://openpgpkey.{domain}/"):
        with suppress(requests.RequestException, TypeError, ValueError):
            told = parsedate_to_datetime(requests.head(url, timeout=_SECONDS).headers["Date"])
            if abs(told.astimezone(UTC) - now) > _CLOCK_SLACK:
                return Finding(
                    "clock outside", "failure", f"is {abs(told - now)} off from that of {domain}. Have it set by NTP."
                )
            return Finding("clock outside", "ok", f"agrees with that of {domain}")
    return Finding("clock outside", "ok", f"not compared: no web server answers at {domain}")
