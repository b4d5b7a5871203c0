"""What is taken out of a case is gone from everything that the desk holds of it; it takes two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from store.cases.redaction import TAKEN_OUT, Passage
from store.kit.errors import NoSuchCase, NotAllowed
from tests.conftest import Desk, DeskMaker
from tests.support.talk import say, to, words

SECRET = "my number is 0171 CANARY 42"


@pytest.fixture
def desk(make_desk: DeskMaker) -> Desk:
    return make_desk()


def reported(desk: Desk, text: str = f"It happened on Friday;\n{SECRET}\nand I am afraid.") -> str:
    codename = desk.receive(plain_mail(text, sender="Robin <robin@sander.example>")).codename
    desk.mail_out()
    desk.clock.forward(minutes=1)
    return codename


def everything(desk: Desk, codename: str) -> str:
    """All that the desk holds of a case, opened: what a stranger with its keys would find."""
    from sqlmodel import select

    from store.cases import content, lookup
    from store.tables.models import AnswerRow, EventRow

    vault = desk.context.vault
    with desk.context.database.read() as session:
        row = lookup.find_row(session, codename)
        assert row is not None
        box = content.box_of(vault, row)
        found = [str(content.fields(vault, row)), str(content.facts(vault, row))]
        for message in content.messages(session, vault, row.id):
            found.append(str(message.body.to_json()))
            found.append(content.raw_message(session, vault, row, message.id).decode("utf-8", "replace"))
            found += [
                item.data.decode("utf-8", "replace")
                for item in content.attachment_contents(session, vault, row, message)
            ]
        for event in session.exec(select(EventRow).where(EventRow.case_id == row.id)):
            if event.detail_sealed:
                found.append(str(box.open_json(event.detail_sealed, "events", "detail", str(event.seq))))
        for answer in session.exec(select(AnswerRow).where(AnswerRow.case_id == row.id)):
            found.append(str(box.open_json(answer.content_sealed, "answers", "content", answer.id)))
    return "\n".join(found)


def test_two_take_it_out_of_everything_and_nobody_alone(desk: Desk, team: list[Person]) -> None:
    ada, bo, *_ = team
    codename = reported(desk)
    say(desk, ada, f"/field circumstances: she said {SECRET}", codename)
    say(desk, bo, f"I called her:\n> {SECRET.replace(' CANARY', chr(10) + '> CANARY')}\nno answer", codename)
    mails = say(desk, ada, "/redact my number is ... CANARY 42", codename)
    assert "wants this to be taken out of the case: my number is ... CANARY 42" in words(to(bo, mails)[0])
    assert "CANARY" in everything(desk, codename)
    assert "nothing was done" not in to(ada, mails)[0]
    done = say(desk, bo, "/redact 1", codename)
    assert "number 1 is taken out of the case" in words(to(ada, done)[0])
    left = everything(desk, codename)
    assert "CANARY" not in left
    assert "0171" not in left
    assert "It happened on Friday" in left
    assert "and I am afraid." in left
    shown = to(ada, say(desk, ada, "/show", codename))[0]
    assert TAKEN_OUT in shown
    assert "CANARY" not in shown
    assert desk.case(codename)["fields"]["circumstances"] == f"she said {TAKEN_OUT}"


def test_the_chain_keeps_digests_and_verifies(desk: Desk, team: list[Person]) -> None:
    from store.tables import audit

    ada, bo, *_ = team
    codename = reported(desk)
    say(desk, ada, f"/redact {SECRET}", codename)
    say(desk, bo, f"/redact {SECRET}", codename)  # the same words are the same wish
    assert "CANARY" not in everything(desk, codename)
    with desk.context.database.read() as session:
        audit.verify(session, desk.context.vault)
    assert "'before':" in everything(desk, codename)


def test_one_reader_twice_is_one(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk)
    say(desk, team[0], f"/redact {SECRET}", codename)
    desk.clock.forward(minutes=1)
    say(desk, team[0], "/redact 1", codename)
    assert "CANARY" in everything(desk, codename)


@pytest.mark.parametrize(
    "wrong", ["/redact", "/redact xy", "/redact words that stand nowhere", "/redact 7", "/redact file 3"]
)
def test_what_is_not_there_is_not_taken_out(desk: Desk, team: list[Person], wrong: str) -> None:
    codename = reported(desk)
    assert "nothing was done" in to(team[0], say(desk, team[0], wrong, codename))[0]


def test_a_file_is_taken_out(desk: Desk, team: list[Person]) -> None:
    raw = (
        b"From: robin@sander.example\nTo: conduct@desk.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n\n--m\n\n"
        b"See the file.\n--m\nContent-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\nCANARY in a file\n--m--\n"
    )
    codename = desk.receive(raw).codename
    desk.mail_out()
    say(desk, team[0], "/redact file 1", codename)
    say(desk, team[1], "/redact 1", codename)
    left = everything(desk, codename)
    assert "CANARY" not in left
    assert "See the file." in left


def test_who_joins_is_looked_for_in_what_is_gone(desk: Desk, team: list[Person]) -> None:
    """Dana is named in what is taken out, serves again later, and must not read it because it is gone."""
    ada, bo, _, dana, *_ = team
    file = desk.play.folder / "roster.toml"
    whole = file.read_text()
    parts = whole.split("[[member]]")
    file.write_text("[[member]]".join(part for part in parts if f'id = "{dana.id}"' not in part))
    desk.tick()
    desk.mail_out()
    name = dana.name.split()[-1]
    codename = reported(desk, f"It happened. My neighbour {name} CANARY saw it, and nobody else did.")
    say(desk, ada, f"/redact neighbour {name} ... saw it", codename)
    say(desk, bo, "/redact 1", codename)
    assert name not in everything(desk, codename)
    file.write_text(whole)
    desk.tick()
    desk.tick()
    sent = desk.mail_out()
    assert not [item for item in to(dana, sent) if codename in item]
    assert dana.id in {item["member"] for item in desk.case(codename)["recused"]}


SEPARATORS = st.sampled_from([" ", "\n", "\n> ", "  \n>> "])


@given(
    st.lists(st.sampled_from(["red", "blue", "green", "a", "42"]), min_size=2, max_size=6),
    st.lists(SEPARATORS, min_size=6, max_size=6),
)
def test_words_are_found_however_they_are_wrapped(found: list[str], between: list[str]) -> None:
    passage = Passage("begin " + " ".join(found) + " end")
    text = "before begin" + "".join(sep + word for word, sep in zip(found, between, strict=False)) + " end after"
    left = passage.taken_out(text)
    assert left == f"before {TAKEN_OUT} after"
    assert passage.taken_out(left) == left


@given(st.text(alphabet="ab .\n>", max_size=200))
def test_nothing_is_left_between_the_ends_and_nothing_else_is_lost(text: str) -> None:
    passage = Passage("aaa ... bbb")
    left = passage.taken_out(text)
    assert left.replace(TAKEN_OUT, "").strip() in text or TAKEN_OUT in left
    if TAKEN_OUT not in left:
        assert left == text


def test_a_passage_has_to_be_more_than_a_letter() -> None:
    for written in ("", "ab", "... end", "begin ..."):
        with pytest.raises(NotAllowed):
            Passage(written)


def test_a_closed_case_is_erased_by_two_after_a_week_unless_it_is_held(desk: Desk, team: list[Person]) -> None:
    ada, bo, chidi, *_ = team
    held, gone = reported(desk), reported(desk, "Another one, by somebody else.")
    for codename in (held, gone):
        assert "is not closed" in words(to(ada, say(desk, ada, "/erase", codename))[0])
        say(desk, ada, "/state closed no-action", codename)
        desk.clock.forward(minutes=1)
        say(desk, ada, "/erase she asked for it", codename)
        say(desk, ada, "/erase", codename)
        mails = say(desk, bo, "/erase", codename)
        assert "the case will be destroyed on" in words(to(chidi, mails)[0])
    say(desk, chidi, "/hold not yet", held)
    desk.clock.forward(days=6)
    desk.tick()
    assert desk.case(gone)["state"] == "closed"
    desk.clock.forward(days=2)
    desk.tick()
    with pytest.raises(NoSuchCase):
        desk.case(gone)
    assert desk.case(held)["state"] == "closed"
