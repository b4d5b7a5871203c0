"""A case leaves as one sealed archive: whoever it is for opens it with gpg alone, and another desk takes it in."""

from __future__ import annotations

import base64
import email
import io
import json
import subprocess
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from desk.demo.mails import pgp_mime, plain_mail
from desk.demo.rehearsal import Delivered, Person
from tests.conftest import Desk, DeskMaker
from tests.support.talk import read, say, to, words

FILE = b"CANARY-FILE what I saw"


def ombud(desk: Desk, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return desk.play.command(*arguments)


def with_file(text: str) -> bytes:
    return (
        f"Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: text/plain\n\n{text}\n--m\nContent-Type: text/plain\n"
        'Content-Disposition: attachment; filename="what I saw.txt"\nContent-Transfer-Encoding: base64\n\n'
        f"{base64.b64encode(FILE).decode()}\n--m--\n"
    ).encode()


def signed_case(desk: Desk, sam: Person, text: str = "CANARY-REPORT it happened.") -> str:
    """A case of a report that was encrypted and signed, with a file; a member's signed words; its codename."""
    raw = pgp_mime(with_file(text), desk.play.desk_key, sam.keyring, sam.fingerprint, sender=sam.email)
    codename = desk.receive(raw, sender=sam.email).codename
    desk.mail_out()
    return codename


def exported(desk: Desk, codename: str, key: bytes, *more: str) -> bytes:
    folder = Path(tempfile.mkdtemp(dir=desk.play.folder.parent))
    (folder / "key.asc").write_bytes(key)
    done = ombud(desk, "case", "export", codename, str(folder / "case.pgp"), "--to", str(folder / "key.asc"), *more)
    assert done.returncode == 0, done.stderr
    assert (folder / "case.pgp").stat().st_mode & 0o777 == 0o600
    return (folder / "case.pgp").read_bytes()


def unpacked(sealed: bytes, person: Person) -> dict[str, bytes]:
    opened = person.keyring.decrypt(sealed)
    assert opened.plain is not None
    with tarfile.open(fileobj=io.BytesIO(opened.plain)) as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]


def gpg(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["gpg", "--batch", "--homedir", str(folder), *arguments], capture_output=True, check=False)


def test_a_lawyer_opens_it_and_checks_every_signature_with_gpg_alone(
    make_desk: DeskMaker, team: list[Person], sam: Person, stranger: Person, short_tmp: Path
) -> None:
    desk = make_desk()
    codename = signed_case(desk, sam)
    say(desk, team[0], "/propose removal", codename)
    say(desk, team[1], "/agree 1", codename)
    files = unpacked(exported(desk, codename, stranger.public_key), stranger)
    assert files["messages/1/files/1-what_I_saw.txt"] == FILE
    record = json.loads(files["record.json"])
    assert record["messages"][0]["text"] == "CANARY-REPORT it happened."
    assert {"case-opened", "proposed", "agreed"} <= {item["kind"] for item in json.loads(files["events.json"])}
    home = Path(tempfile.mkdtemp(dir=short_tmp))
    home.chmod(0o700)
    try:
        for name, octets in files.items():
            if name.startswith("keys/"):
                (home / "key.asc").write_bytes(octets)
                assert gpg(home, "--import", str(home / "key.asc")).returncode == 0
        (home / "key.asc").write_bytes(sam.public_key)  # it did not come with the report
        gpg(home, "--import", str(home / "key.asc"))
        signers = {"1": sam, "2": team[0], "3": team[1]}
        for number, signer in signers.items():
            (home / "signed.pgp").write_bytes(files[f"messages/{number}/signed-1.pgp"])
            checked = gpg(home, "--status-fd", "1", "--verify", str(home / "signed.pgp"))
            assert f"VALIDSIG {signer.fingerprint}".encode() in checked.stdout
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
    assert any(
        item["kind"] == "exported"
        for item in json.loads(unpacked(exported(desk, codename, stranger.public_key), stranger)["events.json"])
    )


def test_who_may_not_know_the_case_cannot_export_it(
    make_desk: DeskMaker, sam: Person, stranger: Person, short_tmp: Path
) -> None:
    desk = make_desk()
    codename = signed_case(desk, sam, "Exclude: bo\n\nIt happened.")
    key = short_tmp / "stranger.asc"
    key.write_bytes(stranger.public_key)
    refused = [
        ombud(desk, "case", "export", name, str(short_tmp / "x.pgp"), "--to", str(key), "--as", "bo")
        for name in (codename, "no-such")
    ]
    assert refused[0].stderr.replace(codename.encode(), b"X") == refused[1].stderr.replace(b"no-such", b"X")
    assert not (short_tmp / "x.pgp").exists()
    key.write_bytes(stranger.public_key + sam.public_key)
    assert (
        b"one public key" in ombud(desk, "case", "export", codename, str(short_tmp / "x.pgp"), "--to", str(key)).stderr
    )


def test_another_desk_takes_it_in_and_looks_for_its_own_members_first(
    make_desk: DeskMaker, team: list[Person], sam: Person, short_tmp: Path
) -> None:
    one, other = make_desk(), make_desk(team[:3])
    codename = signed_case(one, sam, "Exclude: Chidi\n\nCANARY-REPORT Bo Lindqvist saw it.")
    say(one, team[0], "/field when: Friday", codename)
    say(one, team[0], "/reply plain\nCANARY-REPLY we look into it.", codename)
    key = other.context.keyring.export(other.context.config.desk[0].fingerprint, armored=True)
    path = short_tmp / "case.pgp"
    path.write_bytes(exported(one, codename, key))
    done = ombud(other, "import", str(path), "--json")
    assert done.returncode == 0, done.stderr
    here = json.loads(done.stdout)["codename"]
    record = other.case(here)
    assert record["fields"]["when"] == "Friday"
    assert [item["author"] for item in record["messages"]][:1] == ["reporter"]
    assert "ada (elsewhere)" in {item["author"] for item in record["messages"]}
    assert {item["member"] for item in record["recused"]} == {"bo", "chidi"}
    other.clock.now = datetime.now(UTC)
    mails = other.mail_out()
    assert {item.recipient for item in mails} == {team[0].email}, "nobody outside hears of it"
    assert "CANARY-REPORT" in read(team[0], mails[0])
    shown = to(team[0], say(other, team[0], "/show", here))[0]
    assert "CANARY-REPLY" in shown
    got = say(other, team[0], "/show file 1", here)
    assert base64.b64encode(FILE).strip() in (team[0].opens(got[0].mail) or b"").replace(b"\r\n", b"").replace(
        b"\n", b""
    )
    assert "no file of that number" in words(to(team[0], say(other, team[0], "/show file 2", here))[0])
    again = ombud(other, "import", str(path), "--json")
    assert json.loads(again.stdout)["codename"] == here, "twice is once"


@pytest.mark.parametrize("what", ["nothing", "text", "tar", "json"])
def test_what_is_no_exported_case_is_refused_and_nothing_is_kept(
    make_desk: DeskMaker, what: str, short_tmp: Path
) -> None:
    desk = make_desk()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        if what == "json":
            entry = tarfile.TarInfo("case.json")
            said = json.dumps({"version": 1, "messages": [{"body": {}}], "facts": {}}).encode()
            entry.size = len(said)
            archive.addfile(entry, io.BytesIO(said))
        else:
            entry = tarfile.TarInfo("../../etc/x")
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(entry)
    plain = {"nothing": b"", "text": b"hello", "tar": out.getvalue(), "json": out.getvalue()}[what]
    here = desk.context.config.desk[0]
    path = short_tmp / f"{what}.pgp"
    path.write_bytes(desk.context.keyring.seal(plain, [here.fingerprint], None))
    done = ombud(desk, "import", str(path))
    assert done.returncode != 0
    assert b"no case that another desk exported" in done.stderr
    with desk.context.database.read() as session:
        assert session.connection().exec_driver_sql("SELECT COUNT(*) FROM cases").scalar() == 0


def test_one_file_of_a_case(make_desk: DeskMaker, sam: Person) -> None:
    desk = make_desk()
    codename = signed_case(desk, sam, "Exclude: bo\n\nIt happened.")
    assert ombud(desk, "case", "file", codename, "1").stdout == FILE
    assert b"no file of that number" in ombud(desk, "case", "file", codename, "2").stderr
    assert ombud(desk, "case", "file", codename, "1", "--as", "bo").stdout == b""
    assert desk.receive(plain_mail("x")).codename


def archive_in(person: Person, item: Delivered) -> bytes:
    """The archive that came with an answer."""
    inside = email.message_from_bytes(person.opens(item.mail) or b"")
    return next(
        bytes(part.get_payload(decode=True))
        for part in inside.walk()
        if (part.get_filename() or "").endswith(".tar.pgp")
    )


def test_a_reader_gets_it_by_mail_as_they_may_see_it(make_desk: DeskMaker, team: list[Person], sam: Person) -> None:
    """What is kept from that reader, or is about keeping the case from them, is not in their copy."""
    ada, bo, chidi, *_ = team
    desk = make_desk()
    codename = signed_case(desk, sam)
    hidden = desk.receive(plain_mail("Exclude: Chidi\n\nHIDDEN")).codename
    desk.mail_out()
    say(desk, ada, f"/link {hidden}", codename)
    say(desk, ada, "/recuse dana because", codename)
    say(desk, ada, "/recuse chidi CANARY-WHY", codename)  # a second one takes another reader's word
    (item,) = [item for item in say(desk, chidi, "/export", codename) if item.recipient == chidi.email]
    assert "The archive of" in words(read(chidi, item))
    files = unpacked(archive_in(chidi, item), chidi)
    assert files["messages/1/files/1-what_I_saw.txt"] == FILE
    everything = b"\n".join(files.values())
    assert hidden.encode() not in everything
    assert b"CANARY-WHY" not in everything
    events = json.loads(files["events.json"])
    assert not [one for one in events if one["kind"] in ("linked", "recusal-vote")]
    (item,) = [item for item in say(desk, bo, "/export", codename) if item.recipient == bo.email]
    kinds = {one["kind"] for one in json.loads(unpacked(archive_in(bo, item), bo)["events.json"])}
    assert {"linked", "recusal-vote", "exported"} <= kinds


def test_by_mail_it_is_sealed_to_the_key_that_came_with_the_order(
    make_desk: DeskMaker, team: list[Person], sam: Person, stranger: Person
) -> None:
    desk = make_desk()
    codename = signed_case(desk, sam)
    entity = (
        "Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: text/plain\n\n"
        f"/case {codename}\n/export\n\n--m\nContent-Type: application/pgp-keys\nContent-Disposition: attachment; filename=lawyer.asc\n\n"
        f"{stranger.public_key.decode()}\n--m--\n"
    ).encode()
    (item,) = [item for item in say(desk, team[0], "", codename, entity=entity) if item.recipient == team[0].email]
    assert "messages/1/mail.eml" in unpacked(archive_in(team[0], item), stranger)
    assert team[0].keyring.decrypt(archive_in(team[0], item)).plain is None


def test_what_stays_or_is_not_theirs_does_not_leave_by_mail(
    make_desk: DeskMaker, team: list[Person], sam: Person
) -> None:
    desk = make_desk()
    desk.play.change_config('# labels = ["green", "amber", "red"]', 'labels = ["red"]\nstays = ["red"]\n#')
    desk.reopen()
    codename = signed_case(desk, sam, "Exclude: bo\n\nIt happened.")
    refused, nothing = (to(team[1], say(desk, team[1], "/export", name))[0] for name in (codename, "no-such-case"))
    assert refused.replace(codename, "X") == nothing.replace("no-such-case", "X")
    say(desk, team[0], "/classify red", codename)
    assert "does not leave this desk" in words(to(team[0], say(desk, team[0], "/export", codename))[0])
