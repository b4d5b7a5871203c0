"""What an attacker found in letters, consents and answers: each way in which a name, a word or a reader got lost."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from store.kit.cleaning import cleaned
from tests.conftest import Desk, DeskMaker
from tests.stories.test_hearing import KIM, MORGAN, REPORT, answer, reported, sent_to, with_file, write
from tests.support import documents
from tests.support.talk import headers, say, to, words


@pytest.fixture
def desk(make_desk: DeskMaker) -> Desk:
    return make_desk()


def leaves(
    desk: Desk, member: Person, codename: str, line: str, text: str, address: str = MORGAN, **options: object
) -> bool:
    """Whether a letter goes out."""
    return address in {item.recipient for item in write(desk, member, codename, line, text, **options)}


def hear(desk: Desk, member: Person, codename: str) -> None:
    assert leaves(desk, member, codename, f"Morgan Vale <{MORGAN}> as reported", "What happened?")


def test_a_consent_ends_under_whichever_form_it_is_taken_back(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk)
    hear(desk, team[0], codename)
    forms = ("reporter", "Robin Sander", "robin@sander.example")
    for number, (given, taken) in enumerate((given, taken) for given in forms for taken in forms):
        desk.clock.forward(minutes=1)
        say(desk, team[0], f"/consent {given} to be named\n\n{number}", codename)
        assert desk.case(codename)["may_be_named"] == ["reporter"]
        say(desk, team[0], f"/consent {taken} not to be named\n\n{number}", codename)
        assert desk.case(codename)["may_be_named"] == []
    say(desk, team[0], "/consent Robin Sander to be named", codename)
    assert leaves(desk, team[0], codename, "Morgan Vale", "Robin Sander told us of it.")
    say(desk, team[0], "/consent reporter not to be named", codename)
    assert not leaves(desk, team[0], codename, "Morgan Vale", "Robin Sander says so still.")
    assert not leaves(desk, team[0], codename, "Morgan Vale", f"They say: {REPORT}")


def test_a_consent_can_be_taken_back_when_the_record_calls_them_otherwise_by_now(
    desk: Desk, team: list[Person]
) -> None:
    codename = reported(desk)
    hear(desk, team[0], codename)
    say(desk, team[0], "/field harmed: Lee Harm\n/consent Lee Harm to be named", codename)
    say(desk, team[0], "/field harmed: Lee Harm, Ann Bell", codename)
    say(desk, team[0], "/field harmed: Lee Harmon", codename)
    assert "nothing was done" not in to(team[0], say(desk, team[0], "/consent Lee Harm not to be named", codename))[0]
    assert desk.case(codename)["may_be_named"] == []


@pytest.mark.parametrize("teller", ["Robin Sander", "Robin Sander <r2d2@mail.example>"])
def test_who_told_it_by_word_of_mouth_is_protected_by_name(desk: Desk, team: list[Person], teller: str) -> None:
    said = "".join(to(team[0], say(desk, team[0], f"/new {teller}\n\nThey were shouted at.")))
    codename = words(said).partition("a case of its own: ")[2].split()[0]
    desk.clock.forward(minutes=1)
    hear(desk, team[0], codename)
    assert not leaves(desk, team[0], codename, "Morgan Vale", "Robin Sander told us that you shouted.")
    assert not leaves(desk, team[0], codename, "Morgan Vale", "Robin told us that you shouted.")


@pytest.mark.parametrize("called", ["Bo Lindqvist", "Lindqvist", "Bo"])
def test_a_member_is_not_written_to_at_a_private_address(desk: Desk, team: list[Person], called: str) -> None:
    excluded = reported(desk, f"Exclude: Bo Lindqvist\n\n{REPORT}")
    line = f"{called} <bo.private@mail.example> as reported"
    for draft in ("", " draft"):
        mails = write(desk, team[0], excluded, line + draft, "What happened?")
        assert "nothing was done" in to(team[0], mails)[0]
    other = reported(desk, "Something else happened.", "Kim Ode <kim@ode.example>")
    assert "Add 'draft'" in words(to(team[0], write(desk, team[0], other, line, "What happened?"))[0])
    mails = write(desk, team[0], other, f"{line} draft", "What happened?")
    assert team[1].email not in {item.recipient for item in mails}
    assert "bo" in {item["member"] for item in desk.case(other)["recused"]}


def test_whom_the_reporter_wants_to_be_kept_out_takes_two_to_be_heard(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk, f"Exclude: Morgan Vale\n\n{REPORT}")
    line = f"Morgan Vale <{MORGAN}> as reported"
    assert not leaves(desk, team[0], codename, line, "What happened?")
    assert not leaves(desk, team[0], codename, f"{line} draft", "What happened?")
    assert MORGAN in {item.recipient for item in say(desk, team[1], "/send 1", codename)}


def test_a_program_takes_no_reader_off_a_case_behind_the_others_backs(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk)
    mails = write(desk, team[0], codename, f"Morgan Vale <{MORGAN}> as reported", "What happened?")
    address = str(headers(sent_to(mails, MORGAN))["Reply-To"] or headers(sent_to(mails, MORGAN))["From"])
    address = address.partition("<")[2].rstrip(">") or address
    text = "Ask Ada Quist, Bo Lindqvist, Chidi Okafor or Dana Reyes."
    raw = plain_mail(text, "Automatic reply", "eve@evil.example", extra="Auto-Submitted: auto-replied\n")
    desk.receive(raw, address, sender="eve@evil.example")
    desk.mail_out()
    assert desk.case(codename)["recused"] == []
    assert text not in "".join(item["text"] for item in desk.case(codename)["messages"])


def test_an_answer_that_looks_like_a_programs_is_read_as_theirs(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk)
    mails = write(desk, team[0], codename, f"Morgan Vale <{MORGAN}> as reported", "What happened?")
    head = headers(sent_to(mails, MORGAN))
    raw = plain_mail(
        "I was not there.",
        "Re: A message",
        MORGAN,
        extra=f"In-Reply-To: {head['Message-ID']}\nX-MS-Exchange-Inbox-Rules-Loop: {MORGAN}\n",
    )
    address = str(head["Reply-To"]).partition("<")[2].rstrip(">")
    desk.receive(raw, address, sender=MORGAN)
    assert "I was not there." in to(team[1], desk.mail_out())[0]


@pytest.mark.parametrize("name", ["scan by Ada.png", "ada-scan.png", "Scan-Quist.png"])
def test_a_file_bears_no_members_name(desk: Desk, team: list[Person], name: str) -> None:
    codename = reported(desk)
    hear(desk, team[0], codename)
    assert not leaves(
        desk,
        team[0],
        codename,
        "Morgan Vale",
        "",
        entity=with_file("/write Morgan Vale\n\nLook.", codename, name, picture(), "image/png"),
    )


def test_a_members_first_name_in_small_letters_is_one(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk)
    hear(desk, team[0], codename)
    assert not leaves(desk, team[0], codename, "Morgan Vale", "Do you think that chidi is unfair?")
    assert not leaves(desk, team[0], codename, "Morgan Vale", "We talked to Chi\u00addi.")


def test_no_token_and_no_name_of_a_case_leaves(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk)
    mails = write(desk, team[0], codename, f"Kim Ode <{KIM}> as witness", "Did you see it?")
    token = str(headers(sent_to(mails, KIM))["Reply-To"])
    hear(desk, team[0], codename)
    for text in (
        f"Write to {token} please.",
        f"It is {codename.replace('-', chr(0x2011))}.",
        f"It is {codename.replace('-', ' ')}.",
    ):
        assert not leaves(desk, team[0], codename, "Morgan Vale", text)


def test_the_teams_question_can_be_asked_of_two_who_quote_it(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk)
    question = "Please tell us what you saw at the stage on that evening, and who else was there."
    mail = sent_to(write(desk, team[0], codename, f"Kim Ode <{KIM}> as witness", question), KIM)
    answer(desk, mail, f"> {question}\nNothing.", f"Kim Ode <{KIM}>")
    assert leaves(desk, team[0], codename, "Ann Bell <ann@bell.example> as witness", question, "ann@bell.example")
    assert not leaves(desk, team[0], codename, "Ann Bell", f"They say: {REPORT}", "ann@bell.example")


def test_a_mistyped_address_can_be_corrected_until_somebody_answered(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk)
    assert leaves(
        desk, team[0], codename, "Kim Ode <kmi@witness.example> as witness", "Did you see it?", "kmi@witness.example"
    )
    mails = write(desk, team[0], codename, f"Kim Ode <{KIM}> as witness", "Did you see it?")
    answer(desk, sent_to(mails, KIM), "Yes.", f"Kim Ode <{KIM}>")
    assert not leaves(desk, team[0], codename, "Kim Ode <other@witness.example>", "And then?", "other@witness.example")


def test_nobody_is_made_the_reported_person_afterwards(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk)
    hear(desk, team[0], codename)
    assert leaves(desk, team[0], codename, f"Kim Ode <{KIM}> as reported", "What happened?", KIM)
    assert leaves(desk, team[0], codename, f"Kim Ode <{KIM}> as witness", "You are a witness.", KIM)
    assert not leaves(desk, team[0], codename, "Morgan Vale", "Kim Ode saw you.")
    assert not leaves(desk, team[0], codename, f"Kim Ode <{KIM}> as reported", "After all.", KIM)


def test_a_draft_is_searched_again_with_what_stood_in_its_files(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk)
    hear(desk, team[0], codename)
    desk.clock.forward(minutes=1)
    entity = with_file(
        "/write Morgan Vale draft\n\nLook.", codename, "note.txt", b"Lee Harm told us all.", "text/plain"
    )
    say(desk, team[0], "", codename, entity=entity)
    say(desk, team[0], "/field harmed: Lee Harm", codename)
    assert MORGAN not in {item.recipient for item in say(desk, team[1], "/send 1", codename)}


def test_a_file_for_the_reporter_does_not_bring_them_what_a_witness_said(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk)
    mail = sent_to(write(desk, team[0], codename, f"Kim Ode <{KIM}> as witness", "Did you see it?"), KIM)
    said = "It was very loud and everybody turned around to look at them."
    answer(desk, mail, said, f"Kim Ode <{KIM}>")
    sent = say(
        desk,
        team[0],
        "",
        codename,
        entity=with_file("/reply\nLook.", codename, "notes.txt", said.encode(), "text/plain"),
    )
    assert "robin@sander.example" not in {item.recipient for item in sent}


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(out, "PNG")
    return out.getvalue()


def test_what_is_transparent_has_no_colours_left() -> None:
    picture = Image.new("RGBA", (2, 1), (1, 2, 3, 0))
    picture.putpixel((1, 0), (9, 9, 9, 255))
    out = io.BytesIO()
    picture.save(out, "PNG")
    _, octets = cleaned("a.png", out.getvalue())
    made = Image.open(io.BytesIO(octets)).convert("RGBA")
    assert made.getpixel((0, 0)) == (255, 255, 255, 255)
    assert made.getpixel((1, 0)) == (9, 9, 9, 255)


def test_a_reporter_at_hello_does_not_make_greetings_impossible(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk, sender="hello@sander.example")
    assert leaves(desk, team[0], codename, f"Morgan Vale <{MORGAN}> as reported", "Hello, what happened?")


def test_how_to_reach_the_reporter_is_no_secret_of_the_desk_to_give_away(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk)
    say(desk, team[0], "/field contact: Zelda Fitz, zelda.fitz@mail.example", codename)
    hear(desk, team[0], codename)
    assert not leaves(desk, team[0], codename, "Morgan Vale", "Zelda Fitz told us.")
    assert not leaves(desk, team[0], codename, "Morgan Vale", "Write to zelda.fitz@mail.example.")


def test_what_the_reporter_wrote_in_a_document_is_not_repeated(desk: Desk, team: list[Person]) -> None:
    pdf = documents.pdf("They shouted at me behind the stage on Friday evening in front of everybody.")
    raw = with_file("See the file.", "x", "report.pdf", pdf, "application/pdf")
    head = b"From: Robin Sander <robin@sander.example>\nTo: conduct@desk.example\nMessage-ID: <d1@sander.example>\nMIME-Version: 1.0\n"
    codename = desk.receive(head + raw).codename
    desk.mail_out()
    hear(desk, team[0], codename)
    said = "They shouted at me behind the stage on Friday evening."
    assert not leaves(desk, team[0], codename, "Morgan Vale", f"We heard: {said}")
    assert leaves(desk, team[0], codename, "Morgan Vale", "We heard that somebody was shouted at.")
    sent = say(desk, team[0], f"/reply\nYou wrote: {said}", codename)
    assert "robin@sander.example" in {item.recipient for item in sent}
