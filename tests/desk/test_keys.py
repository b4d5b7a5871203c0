"""Keys of the team and of the desk: shown, renewed, replaced, published; and a roster that must be signed."""

from __future__ import annotations

import base64
import html
import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from desk.care.publish import wkd_hash
from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Delivered, Person, make_person
from store.kit.errors import RosterError
from store.team.roster import check_keys
from tests.conftest import Desk
from tests.support.talk import member_mail, read, say, words
from tests.support.users import unprivileged


def run(desk: Desk, *arguments: str) -> tuple[int, str]:
    done = desk.play.command("key", *arguments)
    return done.returncode, (done.stdout + done.stderr).decode()


def with_key(desk: Desk, member: Person, key: bytes, text: str = "/key\n") -> list[Delivered]:
    """A member's mail with a key attached, signed by the one that the desk knows."""
    encoded = base64.encodebytes(key).decode()
    entity = (
        "Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: text/plain\n\n"
        + text
        + "\n--m\nContent-Type: "
        'application/pgp-keys\nContent-Disposition: attachment; filename="k.asc"\nContent-Transfer-Encoding: base64\n\n'
        + encoded
        + "\n--m--\n"
    ).encode()
    return say(desk, member, "", entity=entity)


@pytest.fixture
def ada(desk: Desk, team: list[Person], short_tmp: Path) -> Person:
    """A member whose key may be changed by a test: on the roster in the place of the usual one."""
    person = make_person(short_tmp / f"k{id(desk)}", "ada", "Ada Quist")
    desk.play.set_team([person, *team[1:]])
    return person


def test_keys_are_listed_with_their_ends(desk: Desk, ada: Person) -> None:
    ada.keyring.extend(ada.fingerprint, (datetime.now(UTC) + timedelta(days=20)).date())
    (desk.play.folder / "keys/ada.asc").write_bytes(ada.public_key)
    lines = {line["owner"]: line for line in json.loads(run(desk, "list", "--json")[1])}
    assert lines["the desk"]["until"] is None
    assert lines["ada"]["state"] == "ok"
    assert lines["ada"]["until"] == (datetime.now(UTC) + timedelta(days=20)).date().isoformat()


def test_a_renewed_key_is_added_and_another_one_is_not(
    desk: Desk, ada: Person, stranger: Person, tmp_path: Path
) -> None:
    run(desk, "list")
    file = tmp_path / "ada.asc"
    ada.keyring.extend(ada.fingerprint, (datetime.now(UTC) + timedelta(days=400)).date())
    file.write_bytes(ada.public_key)
    assert run(desk, "add", str(file)) == (0, "The key of ada is in place.\n")
    assert json.loads(run(desk, "list", "--json")[1])[1]["until"] is not None
    file.write_bytes(stranger.public_key)
    code, said = run(desk, "add", str(file))
    assert code == 1
    assert "change 'fingerprint' in the roster first" in said
    assert run(desk, "add", str(tmp_path / "none"))[0] == 1


def test_what_is_wrong_with_a_key_is_said_of_that(
    desk: Desk, ada: Person, team: list[Person], tmp_path: Path, expired: bytes
) -> None:
    """To the operator who adds it, to the member who mails it, and of the roster."""
    home = ["gpg", "--homedir", str(ada.keyring.home), "--armor", "--export-secret-keys", ada.fingerprint]
    secret = subprocess.run(home, capture_output=True, check=True).stdout
    file = tmp_path / "key.asc"
    for key, said in (
        (expired, "This key has expired."),
        (secret, "This is a secret key: it must not leave its owner."),
        (ada.public_key + team[1].public_key, "There are 2 keys in this."),
        (b"ssh-ed25519 AAAA", "This is no OpenPGP key that can be read here."),
    ):
        file.write_bytes(key)
        code, answer = run(desk, "add", str(file))
        assert code == 1
        assert said in answer
        (mail,) = [item for item in with_key(desk, ada, key) if item.recipient == ada.email]
        if key is not secret and b"ssh" not in key:
            assert said in words(read(ada, mail))
    renewed = desk.play.command("key", "add", "-", stdin=ada.public_key)
    assert renewed.stdout == b"The key of ada is in place.\n"
    (desk.play.folder / "keys/ada.asc").chmod(0)
    roster = desk.context.roster(desk.context.config.desk[0])
    with unprivileged(), pytest.raises(RosterError, match="permission denied"):
        check_keys(roster, "", Path("roster.toml"), desk.play.folder / "keys", ada.keyring)


def test_the_desks_key_is_extended_and_exported(desk: Desk, sam: Person) -> None:
    assert run(desk, "extend", "2090-01-31")[0] == 0
    assert json.loads(run(desk, "list", "--json")[1])[0]["until"] == "2090-01-31"
    key = run(desk, "export")[1].encode()
    (found,) = sam.keyring.read_key_data(key)
    assert found.can_encrypt
    assert run(desk, "extend", "never")[0] == 0
    assert json.loads(run(desk, "list", "--json")[1])[0]["until"] is None
    assert run(desk, "extend", "soon")[0] == 1
    assert run(desk, "extend", "2001-01-01")[0] == 1


def test_the_desks_key_is_replaced_and_what_is_sealed_to_the_old_one_still_opens(
    desk: Desk, team: list[Person], sam: Person
) -> None:
    from desk.demo.mails import pgp_mime, text_entity

    old = desk.play.desk_key
    kept = desk.receive(plain_mail("Before.")).codename
    desk.mail_out()
    code, said = run(desk, "rotate")
    assert code == 0, said
    desk.reopen()
    assert desk.context.config.desk[0].fingerprint != desk.play.made.fingerprint
    assert desk.case(kept)["messages"][0]["text"] == "Before."
    late = desk.receive(pgp_mime(text_entity("To the old key."), old, sam.keyring)).codename
    assert desk.case(late)["messages"][0]["text"] == "To the old key."
    mails = [item for item in desk.mail_out(60) if item.recipient == team[0].email]
    assert any("To the old key." in read(team[0], item) for item in mails)
    desk.clock.forward(minutes=1)
    mails += [item for item in desk.mail_out(60) if item.recipient == team[0].email]
    (told,) = [item for item in mails if "[conduct] key" in str(item.headers["Subject"])]
    spaced = read(team[0], told).replace(" ", "")
    assert desk.context.config.desk[0].fingerprint in spaced


def test_a_web_key_directory_and_a_page_to_print(desk: Desk, tmp_path: Path, sam: Person) -> None:
    assert wkd_hash("Joe.Doe") == "iy9q119eutrkn8s1mk4r39qejnbu3n5q"  # the example of the draft
    code, said = run(desk, "wkd", str(tmp_path))
    assert code == 0, said
    name = wkd_hash("conduct")
    for path in (f"desk.example/hu/{name}", f"hu/{name}"):
        (found,) = sam.keyring.read_key_data((tmp_path / ".well-known/openpgpkey" / path).read_bytes())
        assert found.fingerprint == desk.play.made.fingerprint
        assert found.addresses == ("conduct@desk.example",)
    assert (tmp_path / ".well-known/openpgpkey/desk.example/policy").exists()
    page = (tmp_path / "conduct-key.html").read_text()
    assert desk.play.made.fingerprint[:4] in page
    assert "<svg" in page
    assert "The QR code holds the fingerprint" in page
    link = re.search(r'<a href="data:application/pgp-keys;base64,([A-Za-z0-9+/=]+)" download="conduct.asc">', page)
    assert link is not None
    for material in (base64.b64decode(link[1]), html.unescape(page).encode()):
        (key,) = sam.keyring.read_key_data(material)
        assert key.fingerprint == desk.play.made.fingerprint


def test_a_member_renews_their_key_by_mail(desk: Desk, ada: Person, stranger: Person) -> None:
    desk.tick()
    ada.keyring.extend(ada.fingerprint, (datetime.now(UTC) + timedelta(days=30)).date())
    (answer,) = with_key(desk, ada, ada.public_key)
    assert f"From now on we encrypt everything for you to {ada.fingerprint}" in words(read(ada, answer))
    assert (desk.play.folder / "keys/ada.asc").read_bytes() == ada.public_key
    fresh = Person("ada", "Ada Quist", ada.email, ada.keyring, ada.keyring.create("Ada Quist", ada.email))
    desk.clock.forward(minutes=1)
    sent = with_key(desk, ada, fresh.public_key)
    assert any(fresh.fingerprint in read(ada, item) for item in sent)
    assert fresh.fingerprint in (desk.play.folder / "roster.toml").read_text()
    desk.tick()
    note = [item for item in desk.mail_out() if "replaced" in str(item.headers["Subject"])]
    assert [item.recipient for item in note] == [ada.email], "told in plain, in case that it was not them"
    desk.receive(plain_mail("x"))
    sealed = [item for item in desk.mail_out() if item.recipient == ada.email]
    assert len(sealed) == 1
    # The old key counts no more; the new one does.
    codename = desk.receive(plain_mail("y", sender="kim@other.example")).codename
    desk.receive(member_mail(desk.play, ada, "/hold", codename), sender=ada.email)
    assert desk.case(codename)["on_hold"] is False
    assert "--- Cases ---" in read(fresh, say(desk, fresh, "/cases")[-1])


def test_what_is_no_usable_key_changes_nothing(desk: Desk, ada: Person, team: list[Person]) -> None:
    desk.tick()
    before = (desk.play.folder / "roster.toml").read_text()
    for key in (b"no key", ada.public_key + team[1].public_key):
        (answer,) = with_key(desk, ada, key)
        assert "nothing was done" in read(ada, answer)
        desk.clock.forward(seconds=1)
    # Another member's key is not one's own: two members with one fingerprint are refused, and nothing is kept.
    (answer,) = with_key(desk, ada, team[1].public_key)
    assert "nothing was done" in read(ada, answer)
    assert (desk.play.folder / "roster.toml").read_text() == before


def test_who_asks_for_the_key_gets_it_and_does_not_wake_the_team(desk: Desk, team: list[Person]) -> None:
    receipt = desk.receive(plain_mail("Your key please!"), "conduct+key@desk.example")
    assert receipt.outcome == "automatic"
    (answer,) = desk.mail_out()
    assert answer.recipient == "sam@reporter.example"
    assert b"BEGIN PGP PUBLIC KEY" in answer.mail or b"conduct-key.asc" in answer.mail
    told = desk.receive(plain_mail("I was hurt. " * 40, sender="kim@other.example"), "conduct+key@desk.example")
    assert told.outcome == "case", "a report that went to the wrong address is a report"
    assert len(desk.mail_out()) == len(team) + 1


def test_a_key_that_stops_working_is_noticed_before_a_case_needs_it(desk: Desk, ada: Person) -> None:
    desk.play.change_config('# digest = "weekly@09:00" ', 'digest = "off" ')
    desk.tick()
    short = (datetime.now(UTC) + timedelta(days=1)).date()
    ada.keyring.extend(ada.fingerprint, short)
    desk.context.keyring._gnupg._run(["--import"], ada.public_key)
    desk.context.keyring._gnupg._run(["--batch", "--yes", "--delete-keys", ada.fingerprint], b"")
    desk.clock.forward(days=1)
    desk.tick()
    (note,) = [item for item in desk.mail_out() if item.recipient == ada.email]
    assert str(note.headers["Subject"]) == "Your OpenPGP key needs your attention"
    assert "could not encrypt to you today" in note.mail.decode()
    desk.clock.forward(days=1)
    desk.tick()
    assert [item for item in desk.mail_out() if item.recipient == ada.email] == [], "once a week"


def test_a_roster_that_must_be_signed(desk: Desk, team: list[Person], stranger: Person) -> None:
    desk.play.change_config("# require_signed_roster = false ", "require_signed_roster = true ")
    roster = desk.play.folder / "roster.toml"
    desk.play.set_team(team, {"chidi": "lead"})
    chidi = team[2]

    def sign(by: Person) -> None:
        made, _ = by.keyring.sign(roster.read_bytes(), by.fingerprint)
        (desk.play.folder / "roster.toml.asc").write_bytes(made)

    def in_force() -> list[str]:
        return [member.id for member in desk.context.roster(desk.context.config.desk[0]).members]

    assert in_force() == []
    sign(chidi)
    assert in_force() == [person.id for person in team]
    desk.tick()
    desk.play.set_team(team[:4], {"chidi": "lead"})
    assert len(in_force()) == 5, "the signature is that of the roster before"
    sign(team[0])
    assert len(in_force()) == 5, "Ada is no lead"
    sign(stranger)
    assert len(in_force()) == 5
    desk.reopen()
    assert len(in_force()) == 5, "also over a restart"
    sign(chidi)
    assert len(in_force()) == 4
    # Who makes themself a lead in a new file is none by the last good one.
    desk.tick()
    desk.play.set_team(team, {"ada": "lead"})
    sign(team[0])
    assert len(in_force()) == 4


def test_a_revoked_user_id_does_not_stop_a_key(desk: Desk, ada: Person) -> None:
    ada.keyring._gnupg._run(["--quick-add-uid", ada.fingerprint, "Old <old@team.example>"], b"")
    ada.keyring._gnupg._run(["--quick-revoke-uid", ada.fingerprint, "Old <old@team.example>"], b"")
    (desk.play.folder / "keys/ada.asc").write_bytes(ada.public_key)
    assert desk.play.command("roster", "check").returncode == 0
    desk.receive(plain_mail("x"))
    assert [item.recipient for item in desk.mail_out()].count(ada.email) == 1


def test_a_file_with_two_certificates_is_refused_whichever_of_them_expired(desk: Desk, ada: Person) -> None:
    other = ada.keyring.create("Ada Quist", ada.email)
    ada.keyring.extend(other, (datetime.now(UTC) + timedelta(days=1)).date())
    both = ada.public_key + ada.keyring.export(other, armored=True)
    (desk.play.folder / "keys/ada.asc").write_bytes(both)
    done = desk.play.command("roster", "check")
    assert done.returncode == 1
    assert f"holds more than one key; keep only {ada.fingerprint}" in done.stderr.decode()
