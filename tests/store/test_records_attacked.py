"""What an attacker found in records that move: archives that are hostile, reasons that leak, measures and hand-overs that forget."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest

from desk.care import export
from desk.commands import measures as measure_commands
from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person, roster_text
from store.cases.consistency import verify_recusals
from store.kit.errors import KeyProblem, NotAllowed, VaultError
from store.tables.models import ProposalWordRow
from store.tables.records import Body, Facts
from tests.conftest import Desk, DeskMaker
from tests.stories.test_export import exported, unpacked
from tests.support.talk import say, to, words


@pytest.fixture
def desk(make_desk: DeskMaker) -> Desk:
    return make_desk()


def reported(desk: Desk, text: str, sender: str = "Robin <robin@sander.example>") -> str:
    codename = desk.receive(plain_mail(text, sender=sender)).codename
    desk.mail_out()
    desk.clock.forward(minutes=1)
    return codename


def value(**changed: Any) -> dict[str, Any]:
    """A case as an archive has it."""
    at = "2026-01-01T00:00:00+00:00"
    body = Body(sender="R <r@x.example>", subject="s", text="It happened.").to_json() | changed.pop("body", {})
    message = {"direction": "in", "author": "reporter", "at": at, "body": body, "attachments": []} | changed.pop(
        "message", {}
    )
    facts = Facts(answer_to="r@x.example", address="r@x.example", reporters=("r@x.example",)).to_json() | changed.pop(
        "facts", {}
    )
    known = {
        "version": 1, "codename": "x-y", "received_at": at, "closed_at": None, "outcome": None, "fields": {}, "threads": [],
    }  # fmt: skip
    return {**known, "facts": facts, "messages": [message], **changed}


def packed(record: object, *more: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, octets in (
            ("case.json", json.dumps(record).encode()),
            ("messages/1/mail.eml", b"From: r@x.example\n\nIt happened.\n"),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(octets)
            archive.addfile(entry, io.BytesIO(octets))
        for entry, octets in more:
            archive.addfile(entry, io.BytesIO(octets))
    return out.getvalue()


def taken_in(desk: Desk, octets: bytes) -> str:
    here = desk.context.config.desk[0]
    codename = export.take_in(desk.context, here, desk.context.keyring.seal(octets, [here.fingerprint], None)).codename
    desk.tick()
    return codename


@pytest.mark.parametrize("option", ["--output={path}", "--status-file={path}", "../../x"])
def test_what_an_archive_calls_a_fingerprint_is_no_option(
    desk: Desk, stranger: Person, short_tmp: Path, option: str
) -> None:
    victim = Path(tempfile.mkdtemp(dir=short_tmp)) / "victim"
    victim.write_text("precious")
    said = {"signature": {"status": "valid", "fingerprint": option.format(path=victim), "made": 1, "doubt": ""}}
    codename = taken_in(desk, packed(value(body=said, facts={"reporter_fingerprint": option.format(path=victim)})))
    files = unpacked(exported(desk, codename, stranger.public_key), stranger)
    assert victim.read_text() == "precious"
    assert not [name for name in files if name.startswith("keys/")]


def test_nobody_signed_what_an_archive_says_was_signed(desk: Desk, team: list[Person]) -> None:
    said = {"signature": {"status": "valid", "fingerprint": team[1].fingerprint, "made": 1, "doubt": ""}}
    taken_in(desk, packed(value(body=said)))
    assert "valid signature" not in words("".join(to(team[0], desk.mail_out())))


NO_CASES: tuple[dict[str, Any], ...] = (
        {"closed_at": "garbage"}, {"closed_at": 5}, {"closed_at": True}, {"closed_at": "2020-01-01T00:00:00"}, {"closed_at": ["x"]},
        {"received_at": "soon"}, {"message": {"at": "2020-01-01T00:00:00"}}, {"message": {"direction": "sideways"}}, {"body": {"text": 5}},
        {"body": {"sender": None}}, {"message": {"attachments": [{"name": "a", "type": "b", "note": ""}]}}, {"messages": []}, {"version": 2},
)  # fmt: skip


def test_what_is_no_case_is_refused_and_nothing_is_kept(desk: Desk) -> None:
    for changed in NO_CASES:
        with pytest.raises(NotAllowed, match="no case that another desk exported"):
            taken_in(desk, packed(value(**changed)))
    assert desk.play.command("case", "list").stdout.decode().strip() == "There are no cases."


def test_a_sentence_of_an_archive_is_none_of_the_desks(desk: Desk, team: list[Person]) -> None:
    note = {"notes": [{"pattern": "{x:>200000000}", "values": {"x": ""}}, {"pattern": "{y.z}", "values": {}}]}
    codename = taken_in(desk, packed(value(body=note, facts={"no_reply_because": "CANARY"})))
    sent = to(team[0], desk.mail_out())
    assert sent
    assert len(sent[0]) < 20_000
    assert "CANARY" not in sent[0]
    assert codename


def test_what_an_archive_marks_as_a_programs_is_searched(desk: Desk) -> None:
    codename = taken_in(desk, packed(value(message={"author": "machine"}, body={"text": "Bo Lindqvist did it."})))
    assert [item["member"] for item in desk.case(codename)["recused"]] == ["bo"]


def test_names_of_files_break_no_header(desk: Desk, team: list[Person]) -> None:
    item = {"name": "a.txt\r\nBcc: eve@evil.example", "type": "text/plain\r\nX: y", "note": ""}
    entry = tarfile.TarInfo("messages/1/files/1-a")
    entry.size = 2
    taken_in(desk, packed(value(message={"attachments": [item]}), (entry, b"hi")))
    assert to(team[0], desk.mail_out())


@pytest.mark.parametrize("size", [0o1000 * 2**20, -512])
def test_an_archive_of_a_false_size_ends(desk: Desk, size: int) -> None:
    octets = bytearray(packed(value()))
    header = tarfile.TarInfo("messages/1/files/1-x")
    header.size = max(size, 0)
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    if size < 0:
        block[124:136] = b"\xff" * 10 + (2**16 + size).to_bytes(2, "big")
        block[148:156] = b"        "
        block[148:156] = f"{sum(block[:512]):06o}\0 ".encode()
    end = len(octets.rstrip(b"\0")) // 512 * 512 + 512
    # Some versions of Python refuse such an entry, some see the end of the archive in it: nothing of it is taken in.
    with contextlib.suppress(NotAllowed):
        codename = taken_in(desk, bytes(octets[:end] + block + b"\0" * 1024))
        assert desk.case(codename)["messages"][0]["attachments"] == []


def test_why_one_steps_back_is_in_no_archive(desk: Desk, team: list[Person], stranger: Person) -> None:
    file = desk.play.folder / "roster.toml"
    file.write_text(file.read_text().replace('role = "responder"', 'role = "lead"', 1))
    desk.tick()
    codename = reported(desk, "It happened.")
    say(desk, team[2], "/recuse me tell ada: CANARY-WHY", codename)
    files = unpacked(exported(desk, codename, stranger.public_key, "--as", "dana"), stranger)
    everything = b"\n".join(files.values())
    assert b"CANARY-WHY" not in everything
    for name, octets in files.items():
        if name.endswith(".pgp") and name.startswith("messages"):
            assert b"CANARY" not in octets
    assert b"conflict-told" not in everything


@pytest.mark.parametrize(
    "written",
    [
        "/recuse me tell ada, bo - CANARY",
        "/recuse chidi tell ada - CANARY",
        "/recuse me to tell ada: CANARY",
        "/recuse me tell CANARY",
    ],
)
def test_a_slip_tells_nobody(desk: Desk, team: list[Person], written: str) -> None:
    codename = reported(desk, "It happened.")
    sent = say(desk, team[2], written, codename)
    assert {item.recipient for item in sent} == {team[2].email}
    assert "with a colon behind the names" in words(to(team[2], sent)[0])


def test_a_lead_who_was_not_looked_for_yet_is_not_told(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk(team[:4])
    codename = reported(desk, "It was Eun-ji Park.")
    file = desk.play.folder / "roster.toml"
    (desk.play.folder / "keys" / "eunji.asc").write_bytes(team[4].public_key)
    file.write_text(file.read_text() + "\n" + roster_text([team[4]], {"eunji": "lead"}))
    sent = say(desk, team[2], "/recuse me tell eunji: we are friends", codename)
    assert team[4].email not in {item.recipient for item in sent if "friends" in "".join(to(team[4], [item]))}


def test_who_is_named_by_a_measure_does_not_read_the_case(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk, "It happened.")
    say(desk, team[0], "/state decided", codename)
    sent = say(desk, team[0], "/measure Bo Lindqvist: stays away", codename)
    assert team[1].email not in {item.recipient for item in sent}
    assert [item["member"] for item in desk.case(codename)["recused"]] == ["bo"]


@pytest.mark.parametrize("wish", ["Exclude: Dana Reyes", "Only: Ada, Bo"])
def test_a_measure_remembers_from_whom_the_reporter_kept_the_case(
    make_desk: DeskMaker, team: list[Person], wish: str
) -> None:
    desk = make_desk(team[:3])
    desk.play.change_config("# retention_days = 730", "retention_days = 1 #")
    desk.reopen()
    codename = reported(desk, f"{wish}\n\nIt happened.")
    say(desk, team[0], "/state decided\n/measure Morgan Vale: stays away", codename)
    say(desk, team[0], "/state closed warning", codename)
    desk.play.command("case", "destroy", codename, "--yes")
    file = desk.play.folder / "roster.toml"
    (desk.play.folder / "keys" / "dana.asc").write_bytes(team[3].public_key)
    file.write_text(file.read_text() + "\n" + roster_text([team[3]]))
    desk.tick()
    desk.tick()
    assert "Morgan" in desk.play.command("measures", "list", "--as", "ada").stdout.decode()
    assert "Morgan" not in desk.play.command("measures", "list", "--as", "dana").stdout.decode()


def test_together_is_together_for_measures_as_well(desk: Desk, team: list[Person]) -> None:
    desk.play.change_config("# decide = { removal = 3, warning = 2 }", "decide = { warning = 2 } #")
    desk.reopen()
    codename = reported(desk, "It happened.")
    refused = say(desk, team[0], "/state decided\n/measure Morgan Vale: removed for ever", codename)
    assert "decides together" in words(to(team[0], refused)[0])
    say(desk, team[0], "/propose warning", codename)
    say(desk, team[1], "/agree 1", codename)
    assert "kept as the measure" in words(
        to(team[0], say(desk, team[0], "/state decided\n/measure Morgan Vale: warned", codename))[0]
    )


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("/measure Morgan Vale: stays away until 2027-12-31 from our events", "at the very end"),
        ("/propose removal until 2027-12-24 because", "right after the outcome"),
    ],
)
def test_a_day_that_would_not_be_one_is_said(desk: Desk, team: list[Person], line: str, where: str) -> None:
    codename = reported(desk, "It happened.")
    say(desk, team[0], "/state decided", codename)
    assert where in words(to(team[0], say(desk, team[0], line, codename))[0])


def test_who_left_the_roster_and_who_joins_later_are_kept_from_it_at_the_other_desk(
    desks: Desk, team: list[Person]
) -> None:
    ada, bo, chidi, dana, *_ = team
    folder = desks.play.folder
    (folder / "board.toml").write_text(roster_text([bo, chidi]))
    desks.tick()
    codename = reported(desks, "CANARY it happened.")
    say(desks, chidi, "/recuse me", codename)
    say(desks, dana, "/recuse me", codename)
    roster = folder / "roster.toml"
    roster.write_text(roster_text([item for item in team if item is not chidi]))
    desks.tick()
    say(desks, ada, "/handover board", codename)
    desks.tick()
    there = [item for item in desks.mail_out() if "[board]" in item.headers["Subject"]]
    assert {item.recipient for item in there} == {bo.email}
    (folder / "board.toml").write_text(roster_text([bo, chidi, dana]))
    desks.tick()
    desks.tick()
    assert dana.email not in {item.recipient for item in desks.mail_out() if "CANARY" in "".join(to(dana, [item]))}


def test_what_is_dictated_goes_to_the_desk_that_it_was_written_to(desks: Desk, team: list[Person]) -> None:
    from tests.support.talk import member_mail

    raw = member_mail(desks.play, team[1], "/new Robin\n\nCANARY they told me.", subject="talk")
    desks.receive(raw, "board@desk.example", sender=team[1].email)
    assert not [text for person in team for text in to(person, desks.mail_out()) if "CANARY" in text]


def test_who_writes_down_a_talk_reads_it_whatever_the_teller_asked_before(desk: Desk, team: list[Person]) -> None:
    reported(desk, "Exclude: Bo\n\nIt happened.", "Robin Sander <robin@sander.example>")
    known = say(desk, team[1], "/new Robin <robin@sander.example>\n\nThey told me more.")
    unknown = say(desk, team[1], "/new Kim <kim@ode.example>\n\nThey told me something.")
    assert len(to(team[1], known)) == len(to(team[1], unknown)) > 0


def test_a_word_that_nobody_said_is_seen(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk, "It happened.")
    say(desk, team[0], "/propose removal", codename)
    with desk.context.database.write() as session:
        verify_recusals(session, desk.context.vault)
        proposal, case = session.connection().exec_driver_sql("SELECT id, case_id FROM proposals").one()
        session.add(
            ProposalWordRow(
                proposal_id=proposal,
                case_id=case,
                member="bo",
                word="agree",
                signer="X" * 40,
                at="2026-01-01T00:00:00.000000Z",
            )
        )
    with desk.context.database.read() as session, pytest.raises(VaultError):
        verify_recusals(session, desk.context.vault)


def test_an_archive_for_a_reader_tells_of_no_case_that_is_not_theirs(
    desk: Desk, team: list[Person], stranger: Person
) -> None:
    codename, hidden = (
        reported(desk, "It happened."),
        reported(desk, "Exclude: Bo\n\nIt happened too.", "Kim <kim@ode.example>"),
    )
    say(desk, team[0], f"/link {hidden}", codename)
    files = unpacked(exported(desk, codename, stranger.public_key, "--as", "bo"), stranger)
    assert hidden.encode() not in b"\n".join(files.values())
    for octets in files.values():
        assert b"/link" not in octets


def test_a_list_is_bounded_in_rows() -> None:
    with pytest.raises(NotAllowed, match="more than"):
        measure_commands._rows(b"\n" * 200_000)
    out = io.StringIO()
    csv.writer(out).writerows([["Morgan", "Vale"]] * 1000)
    assert len(measure_commands._rows(out.getvalue().encode())) == 1000


def test_a_reason_to_end_something_is_kept(desk: Desk, team: list[Person], stranger: Person) -> None:
    codename = reported(desk, "It happened.")
    say(desk, team[0], "/propose removal because CANARY-FIRST", codename)
    say(desk, team[1], "/object 1 CANARY-OBJECTION", codename)
    say(desk, team[0], "/withdraw 1 CANARY-REASON", codename)
    events = json.loads(unpacked(exported(desk, codename, stranger.public_key), stranger)["events.json"])
    kept = {item["kind"]: item["detail"] for item in events}
    assert kept["proposed"]["reason"] == "because CANARY-FIRST"
    assert kept["reason-given"] == {"number": 1, "reason": "CANARY-OBJECTION"}
    assert kept["proposal-withdrawn"] == {"number": 1, "reason": "CANARY-REASON"}


def test_nothing_but_a_fingerprint_is_given_to_gpg(desk: Desk) -> None:
    for wrong in ("--output=x", "ada", "", "A" * 39, "=Ada"):
        with pytest.raises(KeyProblem):
            desk.context.keyring.export(wrong, armored=True)
