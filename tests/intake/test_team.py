"""A member's word on a case: what makes it count, what it is answered when it does not, and how mail programs shape it."""

from __future__ import annotations

import pytest

from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Delivered, Person
from store.cases import lookup, threads
from tests.conftest import Desk
from tests.support.talk import failed_delivery, headers, member_mail, read, say, signed_mail, to, words

NOTHING = "We did nothing with your mail and did not keep it, because:"


@pytest.fixture
def name(desk: Desk) -> str:
    """A case that everybody reads."""
    codename = desk.receive(plain_mail("Somebody shouted at me.")).codename
    desk.mail_out()
    return codename


def refusal(desk: Desk, member: Person, mails: list[Delivered]) -> str:
    """The one answer that nothing was done, as the member reads it; nobody else hears of it."""
    (item,) = mails
    assert item.recipient == member.email
    text = read(member, item)
    assert NOTHING in text
    return words(text)


def team_token(desk: Desk, codename: str) -> str:

    with desk.context.database.read() as session:
        row = lookup.find_row(session, codename)
    assert row is not None
    return threads.token(desk.context.vault, row.handle, "team")


def test_a_note_reaches_every_other_reader_with_its_author_and_its_files(
    desk: Desk, team: list[Person], name: str
) -> None:
    entity = (
        f"Content-Type: multipart/mixed; boundary=m\nSubject: Re: [Conduct Team] {name}: new report\n\n--m\n"
        "Content-Type: text/plain; charset=utf-8\n\nSee what Zoë sent.\n--m\nContent-Type: image/png\n"
        'Content-Disposition: attachment; filename="pic.png"\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n--m--\n'
    ).encode()
    sent = say(desk, team[0], "", name, entity=entity)
    assert [item.recipient for item in sent] == [person.email for person in team[1:]], "no answer: it just works"
    for person in team[1:]:
        (text,) = to(person, sent)
        assert text.startswith(f"[Conduct Team] {name}: a note by Ada Quist")
        assert "See what Zoë sent." in text
        assert b"pic.png" in (person.opens(next(item for item in sent if item.recipient == person.email).mail) or b"")
    assert [item["author"] for item in desk.case(name)["messages"]] == ["reporter", "ada"]


@pytest.mark.parametrize("sealed", [True, False])
def test_a_mail_that_is_not_signed_does_not_count(desk: Desk, team: list[Person], name: str, sealed: bool) -> None:
    mail = member_mail(desk.play, team[0], "/state closed warning", name, sign=False, sealed=sealed)
    ours = str(headers(desk.play.sink.to(team[0].email)[0])["Message-ID"])
    mail = mail.replace(b"MIME-Version", b"In-Reply-To: " + ours.encode() + b"\nMIME-Version", 1)
    assert desk.receive(mail).outcome == "refused"
    assert "It is not signed." in refusal(desk, team[0], desk.mail_out())
    assert desk.case(name)["state"] == "new"
    assert len(desk.case(name)["messages"]) == 1


def test_a_signature_by_another_key_does_not_count(desk: Desk, team: list[Person], stranger: Person, name: str) -> None:
    ada = team[0]
    address = f"conduct+{team_token(desk, name)}@desk.example"
    forged = Person(ada.id, ada.name, ada.email, stranger.keyring, stranger.fingerprint)
    desk.receive(member_mail(desk.play, forged, "/state closed warning", name), address)
    assert "signed by another key than the roster has for you" in refusal(desk, ada, desk.mail_out())
    # Another reader's key, under Ada's name: it is Bo's word, and told as his.
    bo_as_ada = Person(ada.id, ada.name, ada.email, team[1].keyring, team[1].fingerprint)
    sent = say(desk, bo_as_ada, "/assign me", name)
    assert "a note by Bo Lindqvist" in to(ada, sent)[0]
    assert desk.case(name)["assignee"] == "bo"


def test_a_changed_text_does_not_count(desk: Desk, team: list[Person], name: str) -> None:
    mail = member_mail(desk.play, team[0], "/state investigating", name, sealed=False)
    address = f"conduct+{team_token(desk, name)}@desk.example"
    desk.receive(mail.replace(b"investigating", b"acknowledged"), address, sender=team[0].email)
    assert "Its signature is not valid" in refusal(desk, team[0], desk.mail_out())


def test_an_old_signature_does_not_count(desk: Desk, team: list[Person], name: str) -> None:
    desk.clock.forward(hours=73)
    assert "older than 72 hours" in refusal(desk, team[0], say(desk, team[0], "/state decided", name))
    desk.clock.forward(hours=-75)
    assert "dated in the future" in refusal(desk, team[0], say(desk, team[0], "/state decided", name))


def test_a_replay_does_nothing(desk: Desk, team: list[Person], name: str) -> None:
    mail = member_mail(desk.play, team[0], "/state decided", name)
    assert desk.receive(mail).outcome == "thread"
    desk.mail_out()
    assert desk.receive(mail).outcome == "duplicate"
    assert desk.mail_out() == []
    say(desk, team[1], "/state investigating", name)
    # The same signed part, sealed anew by whoever could read it.
    again = mail.replace(b"Message-ID: <", b"Message-ID: <x", 1)
    assert desk.receive(again).outcome == "refused"
    assert "The same signed text came before" in refusal(desk, team[0], desk.mail_out())
    assert desk.case(name)["state"] == "investigating"


def test_what_was_refused_cannot_be_replayed_when_it_would_pass(desk: Desk, team: list[Person], name: str) -> None:
    mail = member_mail(desk.play, team[0], "/reinstate bo", name)
    desk.receive(mail)
    assert "'bo' is not recused" in refusal(desk, team[0], desk.mail_out())
    desk.play.command("case", "recuse", name, "bo", "--by", "dana")
    desk.clock.forward(minutes=1)
    desk.mail_out()
    desk.receive(mail.replace(b"Message-ID: <", b"Message-ID: <x", 1))
    assert "came before" in refusal(desk, team[0], desk.mail_out())
    assert not any(item["verb"] == "vote" for message in desk.case(name)["messages"] for item in message["done"])


def test_a_mail_signed_for_one_case_is_not_for_another(desk: Desk, team: list[Person], name: str) -> None:
    other = desk.receive(plain_mail("Another.", sender="kim@other.example")).codename
    desk.mail_out()
    mail = member_mail(desk.play, team[0], "/state closed warning", name)
    address = f"conduct+{team_token(desk, other)}@desk.example"
    receipt = desk.receive(mail, address, sender=team[0].email)
    assert receipt.codename == name, "the signed part decides"
    assert desk.case(other)["state"] == "new"
    unsaid = member_mail(desk.play, team[0], "/state closed warning")
    desk.mail_out()
    desk.receive(unsaid, address, sender=team[0].email)
    assert "does not say which case" in refusal(desk, team[0], desk.mail_out())
    both = member_mail(desk.play, team[0], f"/state closed warning\n\n> ({team_token(desk, other)})", name)
    desk.receive(both, sender=team[0].email)
    assert "mentions several cases" in refusal(desk, team[0], desk.mail_out())
    assert desk.case(other)["state"] == "new"


@pytest.mark.parametrize("way", ["subject", "quote", "line", "protected address"])
def test_ways_to_say_within_the_signed_part_which_case_is_meant(
    desk: Desk, team: list[Person], name: str, way: str
) -> None:
    token = team_token(desk, name)
    quote = f"\n\nOn Friday the desk wrote:\n> Case: x ({token})\n"
    text = {"line": f"/case {name}\n/state decided", "quote": f"/state decided{quote}"}.get(way, "/state decided")
    entity = None
    if way == "protected address":
        entity = (
            f"Content-Type: text/plain; protected-headers=v1\nTo: <conduct+{token}@desk.example>\n\n{text}\n".encode()
        )
    desk.receive(member_mail(desk.play, team[0], text, name if way == "subject" else "", entity=entity))
    assert desk.case(name)["state"] == "decided"


def test_a_mail_signed_for_somebody_else_is_not_for_the_desk(desk: Desk, team: list[Person], name: str) -> None:
    """Whoever gets a signed mail can seal it anew: to the desk, for example."""
    entity = (
        f"Content-Type: text/plain; protected-headers=v1\nSubject: Re: [Conduct Team] {name}: new report\n"
        f"To: Bo <{team[1].email}>\n\nBetween us: I think it is Chidi's fault.\n"
    ).encode()
    desk.receive(member_mail(desk.play, team[0], "", entity=entity))
    assert "addressed to somebody else" in refusal(desk, team[0], desk.mail_out())


def test_somebody_elses_signed_part_does_not_pass_for_the_first_signers(
    desk: Desk, team: list[Person], stranger: Person, name: str
) -> None:
    good = signed_mail(
        team[0], text_entity("A note.", f"Re: [Conduct Team] {name}: new report"), "Ada <ada@team.example>"
    )
    bad = signed_mail(stranger, text_entity("/state closed warning"), "x@y")
    parts = [b"Content-Type" + mail.split(b"Content-Type", 1)[1] for mail in (good, bad.replace(b"s1", b"s2"))]
    mail = (
        b"From: Ada <ada@team.example>\nTo: conduct@desk.example\nSubject: x\nMIME-Version: 1.0\n"
        b"Content-Type: multipart/mixed; boundary=o\n\n--o\n" + parts[0] + b"\n--o\n" + parts[1] + b"\n--o--\n"
    )
    desk.receive(mail, sender=team[0].email)
    messages = desk.case(name)["messages"]
    assert [item["text"] for item in messages[1:]] == ["A note."]
    assert desk.case(name)["state"] == "new"


def test_files_that_are_not_signed_are_not_the_members(desk: Desk, team: list[Person], name: str) -> None:
    signed = signed_mail(team[0], text_entity("A note.", f"Re: [Conduct Team] {name}: new report"), "x")
    part = b"Content-Type" + signed.split(b"Content-Type", 1)[1]
    mail = (
        b"From: Ada <ada@team.example>\nTo: conduct@desk.example\nSubject: x\nMIME-Version: 1.0\n"
        b"Content-Type: multipart/mixed; boundary=o\n\n--o\n" + part + b"\n--o\nContent-Type: application/pdf\n"
        b'Content-Disposition: attachment; filename="evil.pdf"\n\nx\n--o--\n'
    )
    desk.receive(mail, sender=team[0].email)
    assert desk.case(name)["messages"][1]["attachments"] == []


def test_a_mail_in_plain_counts_and_is_answered_with_a_warning(desk: Desk, team: list[Person], name: str) -> None:
    sent = say(desk, team[0], "A note.", name, sealed=False)
    (answer,) = to(team[0], sent)
    assert "WARNING: your mail was not encrypted" in answer
    assert len(sent) == 5


def test_to_who_may_not_know_every_answer_is_that_of_no_case(desk: Desk, team: list[Person], name: str) -> None:
    bo = team[1]
    ours = str(headers(desk.play.sink.to(bo.email)[0])["Message-ID"])
    desk.play.command("case", "recuse", name, "bo")
    desk.clock.forward(minutes=1)
    desk.mail_out()
    answers = set()
    for case, token, extra in (
        (name, team_token(desk, name), f"In-Reply-To: {ours}\n"),
        ("no-such", "t-" + "a" * 24, "In-Reply-To: <none@desk.example>\n"),
    ):
        for text, subject in (
            ("A note.", case), ("/state closed warning", case), ("/foo", case), ("/show", case), ("/reply\nHi", case),
            ("/reinstate me", case), (f"/case {case}\n/show", ""), (f"/show\n\n> {token}", ""), ("/recuse me", case),
            ("", case),
        ):  # fmt: skip
            mail = member_mail(desk.play, bo, text, subject, extra=extra)
            receipt = desk.receive(mail, f"conduct+{token}@desk.example", sender=bo.email)
            assert (receipt.outcome, receipt.codename) == ("refused", "")
            (item,) = desk.mail_out()
            opened = bo.opens(item.mail)
            assert opened is not None
            answers.add((item.recipient, str(item.headers["Subject"]), len(item.mail) // 64, read(bo, item)))
    assert len(answers) == 1
    (answer,) = answers
    assert "There is no such case." in answer[3]
    assert name not in answer[3]
    assert len(desk.case(name)["messages"]) == 2
    assert "There are none." in to(bo, say(desk, bo, "/cases"))[0]


def test_a_term_that_is_over_ends_it_all(desk: Desk, team: list[Person], name: str) -> None:
    roster = desk.play.folder / "roster.toml"
    text = roster.read_text().replace("until = 2099-12-31", "until = 2021-01-01", 1)
    roster.write_text(text)
    assert "There is no such case." in refusal(desk, team[0], say(desk, team[0], "A note.", name))
    assert "There is no such case." in refusal(desk, team[0], say(desk, team[0], "/cases"))
    assert "There is no such case." in refusal(desk, team[0], say(desk, team[0], "/help"))


def test_links_are_only_for_who_knows_both(desk: Desk, team: list[Person], name: str) -> None:
    other = desk.receive(plain_mail("Exclude: Bo\n\nAnother.", sender="kim@other.example")).codename
    desk.mail_out()
    sent = say(desk, team[0], f"/link {other}\n\nThe same evening.", name)
    assert f"linked with {other}" in to(team[2], sent)[0]
    (bos,) = to(team[1], sent)
    assert other not in bos
    assert "linked" not in bos
    assert "The same evening." in bos
    assert desk.case(name, "bo")["links"] == []
    assert desk.case(name, "dana")["links"] == [other]
    assert other not in to(team[1], say(desk, team[1], "/show", name))[0]
    wrong = refusal(desk, team[1], say(desk, team[1], f"/link {other}", name))
    assert wrong.replace(other, "X") == refusal(desk, team[1], say(desk, team[1], "/link no-such", name)).replace(
        "no-such", "X"
    )


def test_two_reports_on_one_person_are_noticed_and_nobody_recused_learns_of_it(desk: Desk, team: list[Person]) -> None:
    first = desk.receive(plain_mail("Who: José Müller (@jmueller)\n\nHe did it.")).codename
    desk.mail_out()
    second = desk.receive(plain_mail("Exclude: Bo\n\nA man did it.", sender="kim@other.example")).codename
    desk.mail_out()
    sent = say(desk, team[0], "/field reported: muller JOSE", second)
    told = {person.id: to(person, sent) for person in team}
    assert told["bo"] == []
    for member in ("chidi", "dana", "eunji"):
        pattern = [text for text in told[member] if "concerns the same person" in text]
        assert len(pattern) == 1, "once, and not for each of the two"
        assert first in pattern[0]
        assert second in pattern[0]
    assert first not in to(team[0], say(desk, team[0], "/show", second))[0].replace(second, "")
    again = say(desk, team[0], "/field reported: @jmueller", second)
    assert not any("concerns the same" in text for person in team for text in to(person, again)), "once is enough"


def test_who_reads_only_one_of_two_is_sent_to_the_lead(desk: Desk, team: list[Person]) -> None:
    """A reader of one case who is not recused from the other, but does not read it: an alternate who stepped in."""
    desk.play.change_config("# quorum = 2 ", "quorum = 4 ")
    desk.play.set_team(team, {"dana": "alternate", "eunji": "alternate", "chidi": "lead"})
    first = desk.receive(plain_mail("Who: Rude Person\n\nHe did it.")).codename  # ada bo chidi, and dana
    second = desk.receive(plain_mail("Exclude: Ada\n\nWho: Rude Person", sender="kim@other.example")).codename
    sent = desk.mail_out(40)
    patterns = {person.id: [text for text in to(person, sent) if "concerns the same person" in text] for person in team}
    assert patterns["ada"] == []
    assert all(first in patterns[member][0] and second in patterns[member][0] for member in ("bo", "chidi", "dana"))
    (vague,) = patterns["eunji"]
    assert first not in vague
    assert "Ask the lead" in vague


def test_a_reply_names_nobody_and_carries_no_notice(desk: Desk, team: list[Person], name: str) -> None:
    token = team_token(desk, name)
    for text, why in (
        ("Best wishes,\nAda", "a team member's name (Ada Quist)"),
        ("Ask Bo Lindqvist.", "a team member's name (Bo Lindqvist)"),
        ("Write to dana@team.example.", "a team member's name (Dana Reyes)"),
        (f"See {name}.", "contains a piece of a notice"),
        (f"Case: ({token})", "contains a piece of a notice"),
        ("", "The reply has no text"),
        ("> only a quote", "The reply has no text"),
    ):
        assert why in refusal(desk, team[0], say(desk, team[0], f"/reply\n{text}", name)), text
    quoted = (
        "/reply\nDear Sam,\n\nthank you. We will look at it.\n\nOn Friday, Conduct Team wrote:\n"
        f"> Who is on this case: Ada Quist, Bo Lindqvist\n> {token}\n-- \nAda Quist\n+1 555 0100\n"
    )
    sent = say(desk, team[0], quoted, name)
    (reply,) = [item for item in sent if item.recipient == "sam@reporter.example"]
    said = read(team[0], reply)
    assert said == "Your message\nDear Sam,\n\nthank you. We will look at it.\n\nConduct Team"
    for trace in (b"Ada", b"Quist", b"ada@", name.encode(), b"555 0100"):
        assert trace not in reply.mail, trace
    assert reply.headers["Auto-Submitted"] is None
    assert "without their name" in to(team[1], sent)[0]


def test_files_go_with_a_reply_but_never_the_members_key(desk: Desk, team: list[Person], name: str) -> None:
    key = team[0].public_key.decode()
    entity = (
        f"Content-Type: multipart/mixed; boundary=m\nSubject: Re: [Conduct Team] {name}: new report\n\n--m\n"
        "Content-Type: text/plain; charset=utf-8\n\n/reply\nPlease read.\n--m\nContent-Type: application/pdf\n"
        'Content-Disposition: attachment; filename="advice.pdf"\n\nPDF\n--m\nContent-Type: application/pgp-keys\n'
        f'Content-Disposition: attachment; filename="OpenPGP_0x1.asc"\n\n{key}\n--m--\n'
    ).encode()
    sent = say(desk, team[0], "", name, entity=entity)
    (reply,) = [item for item in sent if item.recipient == "sam@reporter.example"]
    assert b"advice.pdf" in reply.mail
    assert b"OpenPGP_0x1" not in reply.mail
    assert b"PUBLIC KEY" not in reply.mail


def test_a_reply_to_who_wrote_sealed_does_not_go_in_plain_by_itself(
    desk: Desk, team: list[Person], sam: Person
) -> None:
    name = desk.receive(pgp_mime(text_entity("Sealed."), desk.play.desk_key, sam.keyring)).codename
    desk.mail_out()
    assert "a reply would go out unencrypted" in refusal(desk, team[0], say(desk, team[0], "/reply\nHello.", name))
    sent = say(desk, team[0], "/reply plain\nHello.", name)
    assert "Hello." in read(sam, next(item for item in sent if item.recipient == "sam@reporter.example"))


def test_an_absence_note_of_a_member_is_neither_answered_nor_a_reason_to_recuse(
    desk: Desk, team: list[Person], name: str
) -> None:
    ours = str(headers(desk.play.sink.to(team[1].email)[0])["Message-ID"])
    extra = f"In-Reply-To: {ours}\nAuto-Submitted: auto-replied\n"
    away = plain_mail("I am away.", f"Re: [conduct] {name}", f"Bo <{team[1].email}>", extra=extra)
    assert desk.receive(away, sender="").outcome == "automatic"
    assert desk.mail_out() == []
    record = desk.case(name)
    assert record["recused"] == []
    assert [message["author"] for message in record["messages"]] == ["reporter", "machine"]


def test_that_a_reader_cannot_be_reached_is_told_to_the_others(desk: Desk, team: list[Person], name: str) -> None:
    ours = str(headers(desk.play.sink.to(team[1].email)[0])["Message-ID"])
    assert desk.receive(failed_delivery(ours, team[1].email), sender="").outcome == "automatic"
    sent = desk.mail_out()
    assert [item.recipient for item in sent] == [person.email for person in team if person.id != "bo"]
    assert "to Bo Lindqvist: their mail server refused it" in words(to(team[0], sent)[0])
