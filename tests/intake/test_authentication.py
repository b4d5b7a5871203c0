"""Who vouches for a mail: what a named server says, what is checked here, and what follows for who may be forged."""

from __future__ import annotations

import base64
import re
import subprocess
import time
from collections.abc import Iterator

import dkim
import pytest
from dkim import canonicalization
from nacl.signing import SigningKey

from desk.demo.mails import ciphertext, plain_mail, text_entity, text_of
from desk.demo.rehearsal import Delivered, Person
from intake.authentication.checks import Received, checked
from intake.authentication.hops import trusted_fields
from intake.authentication.lookups import Lookups
from intake.authentication.results import stated
from intake.reading.message import read_mail
from store.kit.errors import ConfigError
from store.kit.sections import SenderChecks
from tests.conftest import Desk, DeskMaker
from tests.support.dns_server import Names, name_server
from tests.support.talk import signed_mail

SAM = "sam@reporter.example"
OURS = "mx.desk.example"
RESULTS = f"Authentication-Results: {OURS};"
HOP_OF_OURS = f"Received: from lists.example by {OURS} (Postfix)\n"
FORGED = "did not vouch for this mail"
GLOBAL = "93.184.216.34"


def vouched(head: str, author: str = "reporter.example", trusted: tuple[str, ...] = (OURS,)) -> str | None:
    parsed = read_mail(plain_mail("x", sender=f"Sam <sam@{author}>", extra=head))
    told = stated(trusted_fields(parsed, trusted), trusted, author)
    return told.result if told else None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("dmarc=pass header.from=reporter.example", "pass"),
        ("dmarc=fail (p=NONE dis=NONE) header.from=reporter.example", "fail"),
        ("dkim=pass header.i=@reporter.example; spf=softfail smtp.mailfrom=x@reporter.example", "pass"),
        ("dkim=pass header.d=bulk.example; spf=pass smtp.mailfrom=x@bulk.example", "none"),
        ("dkim=pass header.d=bulk.example; dmarc=fail header.from=reporter.example", "fail"),
        ("dkim=fail (bad signature) header.d=reporter.example", "fail"),
        ("dkim=fail header.d=list.example; spf=none smtp.mailfrom=x@reporter.example", "none"),
        ("spf=fail smtp.mailfrom=sam@reporter.example", "fail"),
        ("spf=softfail smtp.mailfrom=sam@mail.reporter.example", "fail"),
        ("spf=fail smtp.mailfrom=sam@forwarder.example; dkim=none", "none"),
        ("dmarc=temperror header.from=reporter.example", "none"),
        ("dmarc=pass header.from=other.example", "fail"),
        ("none", "none"),
        ("dmarc=fail header.from=reporter.example (", "fail"),
        ("dmarc=pass (((((", "none"),
    ],
)
def test_what_a_named_server_says_counts(said: str, expected: str) -> None:
    assert vouched(f"{RESULTS} {said}\n") == expected


@pytest.mark.parametrize(
    "head",
    [
        "Authentication-Results: mx.elsewhere.example; dmarc=fail header.from=reporter.example\n",
        f"Authentication-Results: not-{OURS}; dmarc=fail header.from=reporter.example\n",
        f"X-Authentication-Results: {OURS}; dmarc=fail header.from=reporter.example\n",
    ],
)
def test_what_others_say_is_ignored(head: str) -> None:
    assert vouched(head) is None


def test_a_line_that_came_with_the_mail_cannot_outweigh_a_bad_word() -> None:
    real, slipped = (
        f"{RESULTS} dmarc=fail header.from=reporter.example\n",
        f"{RESULTS} dmarc=pass header.from=reporter.example\n",
    )
    assert vouched(real + slipped) == "fail"
    assert vouched(slipped + real) == "fail"


def test_what_stands_below_another_servers_line_is_not_theirs() -> None:
    ours = f"Received: from a.example by {OURS} (Postfix)\n"
    theirs = "Received: from b.example by out.reporter.example\n"
    failed = f"{RESULTS} dmarc=fail header.from=reporter.example\n"
    assert vouched(ours + theirs + failed) is None
    assert vouched("Received: by 2002:a05:6402 with SMTP id 1\n" + ours + failed + theirs) == "fail"
    assert vouched(f"Received: from {OURS} by imap.desk.example with LMTP\n{ours}{failed}{theirs}") == "fail"


def test_a_mail_that_a_named_server_passed_on_is_judged_by_what_that_one_saw(make_desk: DeskMaker) -> None:
    desk = make_desk()
    desk.play.change_config(f'trusted_authserv = ["{OURS}"]', f'trusted_authserv = ["{OURS}", "lists.example"]')
    ours = f"{RESULTS} spf=fail smtp.mailfrom=x@reporter.example; arc=%s; dmarc=fail header.from=reporter.example\n"
    seal = "ARC-Seal: i=1; a=rsa-sha256; d=%s; s=s; cv=none; b=x\n"
    said = "ARC-Authentication-Results: i=1; lists.example; dmarc=%s header.from=reporter.example\n"
    for arc, sealer, before, answered in (
        ("pass", "lists.example", "pass", True), ("pass", "lists.example", "fail", False),
        ("fail", "lists.example", "pass", False), ("pass", "evil.example", "pass", False),
    ):  # fmt: skip
        extra = ours % arc + HOP_OF_OURS + seal % sealer + said % before
        desk.receive(plain_mail(f"{arc} {sealer} {before}", extra=extra))
        assert (SAM in {mail.recipient for mail in desk.mail_out()}) is answered, (arc, sealer, before)
    # A line that the sender slipped in stands below that of the server.
    slipped = ours % "none" + ours % "pass" + HOP_OF_OURS + seal % "lists.example" + said % "pass"
    desk.receive(plain_mail("slipped in", extra=slipped))
    assert SAM not in {mail.recipient for mail in desk.mail_out()}


@pytest.mark.parametrize(
    ("trusted", "head", "expected"),
    [
        ("mx.google.com", "Received: by 2002:a05:6402:1 with SMTP id x\nReceived: from m.example by mx.google.com\nAuthentication-Results: mx.google.com;\n       dkim=pass header.i=@reporter.example header.s=s header.b=x;\n       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=reporter.example\n", "pass"),
        ("mx.microsoft.com", "Received: from A by B.prod.outlook.com\nAuthentication-Results: spf=fail (sender IP is 192.0.2.1)\n smtp.mailfrom=reporter.example; dkim=none (message not signed)\n header.d=none;dmarc=fail action=none\n header.from=reporter.example;compauth=fail reason=001\n", "fail"),
        ("messagingengine.com", "Authentication-Results: phl-mx-05.messagingengine.com;\n    bimi=skipped (DMARC did not pass);\n    dkim=none (no signatures found);\n    dmarc=none policy.published-domain-policy=none header.from=reporter.example;\n    spf=pass smtp.mailfrom=sam@reporter.example smtp.helo=x\n", "pass"),
    ],
)  # fmt: skip
def test_what_large_providers_write_is_read(trusted: str, head: str, expected: str) -> None:
    assert vouched(head, trusted=(trusted,)) == expected


KEY = SigningKey(b"k" * 32)
PUBLIC = f"v=DKIM1; k=ed25519; p={base64.b64encode(bytes(KEY.verify_key)).decode()}"
MAIL = plain_mail("It happened.", sender="Sam <sam@re-porter.example>").replace(b"\n", b"\r\n")


def dkim_signed(domain: str = "re-porter.example", raw: bytes = MAIL, **options: object) -> bytes:
    head = dkim.sign(
        raw, b"s1", domain.encode(), base64.b64encode(bytes(KEY)), signature_algorithm=b"ed25519-sha256", **options
    )
    return bytes(head) + raw


@pytest.fixture
def names() -> Iterator[Names]:
    with name_server() as server:
        server.add("s1._domainkey.re-porter.example", "TXT", PUBLIC)
        server.add("s1._domainkey.mail.re-porter.example", "TXT", PUBLIC)
        server.add("s1._domainkey.evil.example", "TXT", PUBLIC)
        server.add("re-porter.example", "TXT", "v=spf1 ip4:93.184.216.34 -all")
        yield server


def verdict(names: Names, raw: bytes, peer: str = "", seconds: float = 5, sender: str = "sam@re-porter.example") -> str:
    settings = SenderChecks(enabled=True, nameservers=("127.0.0.1",), port=names.port, seconds=seconds)
    return checked(Received(raw, sender, peer), "re-porter.example", (OURS,), Lookups(settings)).result


def test_a_signature_of_the_authors_domain_vouches(names: Names) -> None:
    assert verdict(names, dkim_signed()) == "pass"
    assert verdict(names, dkim_signed("mail.re-porter.example")) == "pass"
    assert verdict(names, dkim_signed().replace(b"It happened", b"I take it back")) == "fail"
    assert verdict(names, dkim_signed("evil.example")) == "none"
    assert verdict(names, MAIL) == "none"


def test_the_second_of_two_signatures_counts_as_well(names: Names) -> None:
    assert verdict(names, dkim_signed("evil.example", dkim_signed())) == "pass"


def test_a_signature_over_the_beginning_of_a_text_does_not_vouch(names: Names) -> None:
    assert verdict(names, dkim_signed(length=True) + b"And Bo was there as well.\r\n") == "none"


def test_a_domain_with_a_policy_disowns_what_nobody_signed_and_spf_does_not_know(names: Names) -> None:
    names.add("_dmarc.re-porter.example", "TXT", "v=DMARC1; p=reject; adkim=s")
    assert verdict(names, MAIL) == "none", "SPF could still vouch, and the client is not known"
    assert verdict(names, MAIL, GLOBAL) == "pass"
    assert verdict(names, MAIL, "8.8.8.8") == "fail"
    assert verdict(names, MAIL, "8.8.8.8", sender="x@evil.example") == "fail"
    assert verdict(names, dkim_signed("mail.re-porter.example"), "8.8.8.8", sender="x@evil.example") == "fail", (
        "adkim=s"
    )
    assert verdict(names, dkim_signed(), "8.8.8.8", sender="x@evil.example") == "pass"


def test_a_server_within_the_house_is_no_client_to_be_judged(names: Names) -> None:
    names.add("_dmarc.re-porter.example", "TXT", "v=DMARC1; p=reject")
    assert verdict(names, MAIL, "127.0.0.1") == "none"
    assert verdict(names, MAIL, "192.168.1.4") == "none"


def test_what_is_not_answered_is_no_result_and_ends_in_time(names: Names) -> None:
    names.silent = True
    begun = time.monotonic()
    assert verdict(names, dkim_signed(), "8.8.8.8", seconds=0.5) == "none"
    assert time.monotonic() - begun < 5


def rsa_key() -> tuple[bytes, str]:
    """A private key, and its record: ARC seals by RSA alone (RFC 8617 section 4.1.3)."""
    private = subprocess.run(["openssl", "genrsa", "-traditional", "2048"], check=True, capture_output=True).stdout
    public = subprocess.run(["openssl", "rsa", "-pubout"], check=True, capture_output=True, input=private).stdout
    return private, "v=DKIM1; k=rsa; p=" + b"".join(public.split(b"\n")[1:-2]).decode()


@pytest.mark.parametrize(
    "body", [b" " * 2_000_000, b"\t " * 1_000_000 + b"x", b"\r\n" * 500_000 + b"x", b" \r\n" * 500_000]
)
def test_no_text_makes_checking_a_signature_take_long(names: Names, body: bytes) -> None:
    head = dkim.sign(
        MAIL, b"s1", b"re-porter.example", base64.b64encode(bytes(KEY)), signature_algorithm=b"ed25519-sha256",
        canonicalize=(b"relaxed", b"relaxed"),
    )  # fmt: skip
    before = time.process_time()
    assert verdict(names, head + MAIL.partition(b"It happened")[0] + body) == "fail"
    assert time.process_time() - before < 10, "one in the square of the size would take hours"


@pytest.mark.parametrize("b", [b"A" * 500_000, b" " * 500_000 + b"!"])
def test_a_signature_or_key_of_unusual_length_is_none(names: Names, b: bytes) -> None:
    names.add("s1._domainkey.re-porter.example", "TXT", "v=DKIM1; k=rsa; p=" + base64.b64encode(bytes(3000)).decode())
    assert verdict(names, dkim_signed()) == "fail", "a key that nobody uses is no key"
    long = b"DKIM-Signature: v=1; a=rsa-sha256; d=re-porter.example; s=s1; h=from; bh=x; b=" + b + b"\r\n"
    assert verdict(names, long + MAIL) == "none"


def test_trailing_space_is_taken_as_the_library_takes_it() -> None:
    for text in (b"", b"a \t\r\nb  ", b" \r\n \r\n", b"a\r\n", b"a \n b\r\n", b"\t"):
        assert canonicalization.strip_trailing_whitespace(text) == re.sub(b"[\t ]+\r\n", b"\r\n", text)


def test_what_a_trusted_server_sealed_counts_when_another_passed_it_on(names: Names) -> None:
    def passed_on(raw: bytes, by: str, said: str) -> bytes:
        told = f"Authentication-Results: {by}; {said}\r\n".encode() + raw
        sealed = dkim.arc_sign(
            told, b"s1", by.encode(), private, by.encode(),
            include_headers=[b"from", b"subject", b"to"],
        )  # fmt: skip
        return b"".join(sealed) + raw

    private, public = rsa_key()
    names.add(f"s1._domainkey.{OURS}", "TXT", public)
    failed = passed_on(MAIL, OURS, "dmarc=fail header.from=re-porter.example")
    assert verdict(names, failed) == "fail"
    assert verdict(names, failed.replace(b"It happened", b"I take it back")) == "none"
    names.add("s1._domainkey.evil.example", "TXT", public)
    assert verdict(names, passed_on(MAIL, "evil.example", "dmarc=fail header.from=re-porter.example")) == "none"


def looking(desk: Desk, port: int, seconds: float = 5) -> Desk:
    """A desk that asks a name server itself."""
    lines = f'nameservers = ["127.0.0.1"]\nport = {port}\nseconds = {seconds}\nenabled = true'
    desk.play.change_config("[sender_checks]\nenabled = false", f"[sender_checks]\n{lines}")
    return desk


FAILED = f"{RESULTS} dmarc=fail (p=reject) header.from=reporter.example\n"


def text_of_notice(member: Person, mail: Delivered) -> str:
    found = ciphertext(mail.mail)
    opened = member.keyring.decrypt(found) if found else None
    return text_of(opened.plain) if opened and opened.plain else ""


def test_nobody_is_answered_whose_domain_disowns_the_mail(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    receipt = desk.receive(plain_mail("It happened.", extra=FAILED))
    mails = desk.mail_out()
    assert {mail.recipient for mail in mails} == {person.email for person in team}, "the team hears, and nobody else"
    text = text_of_notice(team[0], mails[0])
    assert f"reporter.example {FORGED}: it may be forged" in " ".join(text.split())
    assert desk.receive(plain_mail("The key, please.", extra=FAILED), "conduct+key@desk.example").outcome != "case"
    assert desk.mail_out() == []
    # A reader who knows better may answer.
    with desk.open_case(receipt.codename, team[0].id) as file:
        assert file.facts.answer_to == SAM


def test_what_is_not_checked_is_answered_as_before(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    other = "Authentication-Results: mx.elsewhere.example; dmarc=fail header.from=reporter.example\n"
    for extra in ("", other, f"{RESULTS} none\n", f"{RESULTS} dmarc=pass header.from=reporter.example\n"):
        desk.receive(plain_mail(f"It happened. {extra}", extra=extra))
        mails = desk.mail_out()
        assert SAM in {mail.recipient for mail in mails}
        assert not any(FORGED in text_of_notice(team[0], mail) for mail in mails if mail.recipient == team[0].email)


@pytest.mark.parametrize("signs", [False, True])
def test_a_forged_mail_on_a_case_is_doubtful_whatever_else_speaks_for_it(
    make_desk: DeskMaker, sam: Person, signs: bool
) -> None:
    desk = make_desk()

    def mail(text: str, extra: str = "") -> bytes:
        if not signs:
            return plain_mail(text, extra=extra)
        return signed_mail(sam, text_entity(text), "Sam <sam@reporter.example>", extra)

    receipt = desk.receive(mail("It happened."))
    (answer,) = [item for item in desk.mail_out() if item.recipient == SAM]
    token = str(answer.headers["Reply-To"]).rpartition("<")[2].rstrip(">")
    assert desk.receive(mail("There is more."), token).codename == receipt.codename
    forged = desk.receive(mail("Exclude: Ada\nI take it back.", extra=FAILED), token)
    assert forged.codename != receipt.codename
    assert desk.case(receipt.codename)["recused"] == []


def test_the_desk_can_look_itself(make_desk: DeskMaker, team: list[Person], names: Names) -> None:
    desk = looking(make_desk(), names.port, 0.5)
    desk.receive(dkim_signed())
    assert "sam@re-porter.example" in {mail.recipient for mail in desk.mail_out()}


@pytest.mark.parametrize("value", ['"mx desk"', '["a", ""]', "3"])
def test_a_server_that_is_none_is_refused_with_a_remedy(make_desk: DeskMaker, value: str) -> None:
    desk = make_desk()
    desk.play.change_config(f'trusted_authserv = ["{OURS}"]', f"trusted_authserv = {value}")
    with pytest.raises(ConfigError, match="trusted_authserv"):
        desk.context  # noqa: B018


def test_a_member_is_not_written_to_about_a_mail_that_somebody_forged(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    failed = f"{RESULTS} dmarc=fail header.from=team.example\n"
    name = desk.receive(plain_mail("It happened.")).codename
    desk.mail_out()
    forged = plain_mail("/state closed withdrawn", f"Re: [conduct] {name}", f"Ada <{team[0].email}>", extra=failed)
    desk.receive(forged, sender=team[0].email)
    assert desk.mail_out() == []
    assert desk.case(name)["state"] == "new"
