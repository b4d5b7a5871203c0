"""Single mails that a server does not give, or does not remove: all others come in, and none is fetched all the time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from sqlmodel import select

from desk.demo.mails import plain_mail
from intake.arrival import Envelope
from intake.doors.imap import Mailbox
from intake.doors.left import LeftMail
from intake.doors.poller import Poller, PollResult
from intake.doors.session import MailboxDown
from intake.receive import Receipt, Receiver
from store.kit.config import load
from store.kit.errors import ConfigError
from store.tables.models import CaseRow
from tests.conftest import Desk
from tests.intake.conftest import Configure
from tests.support.dovecot import Dovecot
from tests.support.mailboxes import box_passed, empty, mailbox, reports, wait_until
from tests.support.strange_imap import StrangeImap


@pytest.fixture
def strange() -> Iterator[StrangeImap]:
    server = StrangeImap(*reports(5))
    yield server
    server.close()


def desk_at(server: StrangeImap, mailbox_desk: Configure, **lines: object) -> Desk:
    return mailbox_desk(host="127.0.0.1", port=server.port, tls="none", **lines)


def kept(desk: Desk) -> Counter[str]:
    with desk.context.database.read() as session:
        names = session.exec(select(CaseRow.codename)).all()
    return Counter(desk.case(name)["messages"][0]["text"] for name in names)


def looks(desk: Desk) -> tuple[Poller, list[PollResult]]:
    context, found = desk.context, list[PollResult]()
    imap = context.config.desk[0].imap[0]
    return Poller(context.config, context.config.desk[0], imap, Receiver(context), found.append), found


EXPECTED = Counter({"report 0": 1, "report 2": 1, "report 3": 1, "report 4": 1})


@pytest.mark.parametrize("how", ["no", "bad", "nil", "missing", "empty", "garbage", "hang up"])
@pytest.mark.parametrize("at", ["at_size", "at_fetch"])
def test_a_mail_that_the_server_does_not_give(
    mailbox_desk: Configure, strange: StrangeImap, monkeypatch: pytest.MonkeyPatch, at: str, how: str
) -> None:
    if at == "at_size" and how in ("nil", "empty"):
        pytest.skip("a size is a number")
    monkeypatch.setattr("intake.doors.left._FIRST_SECONDS", 3600.0)
    getattr(strange, at)[2] = how
    desk = desk_at(strange, mailbox_desk)
    poller, found = looks(desk)
    assert poller.once() == box_passed(4, 1)
    assert [look.left for look in found] == [1]
    assert kept(desk) == EXPECTED
    assert list(strange.mails) == [2]
    asked = strange.fetched[2]
    assert asked <= 3
    assert poller.once().left == 1, "it is not forgotten"
    assert strange.fetched[2] == asked, "and not asked for again at once"
    getattr(strange, at).clear()
    assert empty(desk) == 1
    assert strange.mails == {}


def test_many_mails_over_which_the_server_hangs_up(mailbox_desk: Configure) -> None:
    server = StrangeImap(*reports(30))
    server.at_fetch |= dict.fromkeys(range(5, 17), "hang up")
    desk = desk_at(server, mailbox_desk)
    assert empty(desk) == 18
    assert sorted(server.mails) == list(range(5, 17))
    assert max(server.fetched.values()) <= 3
    server.close()


def test_the_watch_goes_on_behind_mails_over_which_the_server_hangs_up(mailbox_desk: Configure) -> None:
    server = StrangeImap(*reports(8))
    server.at_fetch |= dict.fromkeys((1, 2, 3), "hang up")
    server.at_removal[4] = "hang up"
    desk = desk_at(server, mailbox_desk)
    poller, _ = looks(desk)
    stopping = threading.Event()
    watch = threading.Thread(target=poller.run, args=(stopping,))
    watch.start()
    wait_until(lambda: list(server.mails) == [1, 2, 3, 4])
    stopping.set()
    watch.join(30)
    assert not watch.is_alive()


@pytest.mark.parametrize(
    ("capabilities", "after", "how"),
    [
        ("IMAP4rev1 UIDPLUS MOVE", "delete", "no"),
        ("IMAP4rev1", "delete", "stays"),
        ("IMAP4rev1 UIDPLUS", "delete", "hang up"),
        ("IMAP4rev1 UIDPLUS MOVE", "archive", "no"),
        ("IMAP4rev1 UIDPLUS MOVE", "archive", "hang up"),
        ("IMAP4rev1 UIDPLUS", "archive", "no"),
    ],
)
def test_a_mail_that_cannot_be_removed(mailbox_desk: Configure, capabilities: str, after: str, how: str) -> None:
    server = StrangeImap(*reports(5), capabilities=capabilities)
    server.at_removal[2] = how
    desk = desk_at(server, mailbox_desk, after=after)
    poller, _ = looks(desk)
    poller.once()
    assert kept(desk) == EXPECTED | Counter({"report 1": 1})
    for _ in range(3):
        poller.once()
    assert set(server.fetched.values()) == {1}, "what is kept is not fetched again"
    assert how == "hang up" or list(server.mails) == [2]
    server.at_removal.clear()
    empty(desk)
    assert server.mails == {}
    assert sum(kept(desk).values()) == 5
    assert len(server.archived) <= 6
    server.close()


def test_what_stays_in_the_folder_is_said_to_be_left() -> None:
    seconds = [0.0]
    left = LeftMail(lambda: seconds[0])
    left.number(1)
    left.see([1, 2])
    left.keep([1, 2], archive=False)
    for tries in range(3):
        assert left.count == 0, tries
        left.removing(left.to_remove(archive=False), refused=False)
        assert left.to_remove(archive=False) == [], "not before a pause"
        left.see([1])
        seconds[0] += 10
    assert left.count == 1
    left.number(2)
    assert left.in_batches([1]) == [1], "another numbering, another mail"


def test_a_folder_that_cannot_be_made(mailbox_desk: Configure, strange: StrangeImap) -> None:
    strange.folders.discard("Archive")
    strange.create_folders = False
    desk = desk_at(strange, mailbox_desk, after="archive")
    poller, _ = looks(desk)
    assert poller.once() == box_passed(5, 5)
    assert len(strange.mails) == 5
    assert sum(kept(desk).values()) == 5
    context = desk.context
    with pytest.raises(MailboxDown, match="archive folder cannot be made"):
        Mailbox(context.config, context.config.desk[0], context.config.desk[0].imap[0], None).open()
    strange.create_folders = True
    assert empty(desk) == 5, "known by their digests"
    assert strange.mails == {}
    assert sum(kept(desk).values()) == 5


def test_a_mailbox_that_may_only_be_read(mailbox_desk: Configure, strange: StrangeImap) -> None:
    strange.read_only = True
    desk = desk_at(strange, mailbox_desk)
    assert looks(desk)[0].once() == box_passed(5, 5)
    assert sum(kept(desk).values()) == 5


def test_a_large_mail_that_cannot_be_moved_away(mailbox_desk: Configure) -> None:
    server = StrangeImap(plain_mail("x" * 1_200_000), plain_mail("small"))
    server.folders.discard("Archive")
    server.create_folders = False
    desk = desk_at(server, mailbox_desk)
    desk.play.change_config('# size_limit = "25MB"', 'size_limit = "1MB"')
    poller, _ = looks(desk)
    assert poller.once() == box_passed(2, 1)
    poller.once()
    assert server.fetched == {1: 1, 2: 1}
    server.close()


def test_a_large_mail_in_a_folder_that_is_its_own_archive(mailbox_desk: Configure) -> None:
    server = StrangeImap(plain_mail("x" * 1_200_000), plain_mail("small"))
    desk = desk_at(server, mailbox_desk, archive_folder="inbox")
    desk.play.change_config('# size_limit = "25MB"', 'size_limit = "1MB"')
    assert looks(desk)[0].once() == box_passed(2, 1)
    assert (server.archived, list(server.mails)) == ([], [1]), "moved there, it would come again and again"
    server.close()
    desk.play.config.write_text(
        desk.play.config.read_text().replace('archive_folder = "inbox"', 'archive_folder = "inbox"\nafter = "archive"')
    )
    with pytest.raises(ConfigError, match="again and again"):
        load(desk.play.config)


def test_a_mail_that_comes_while_the_folder_is_looked_at_does_not_wait(
    mailbox_desk: Configure, strange: StrangeImap
) -> None:
    """A server tells of it with the answer to the search, once: IDLE does not say it again (RFC 3501 section 7.3.1)."""
    strange.arrives_after_search = [b"", plain_mail("just now")]
    strange.arrives_after_search[0] = plain_mail("even so")
    desk = desk_at(strange, mailbox_desk)
    assert empty(desk) == 7


@pytest.mark.parametrize("error", [RecursionError, MemoryError, OSError, ValueError, KeyError])
def test_a_mail_that_raises_does_not_stop_those_behind_it(
    mailbox_desk: Configure, dovecot: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    receive = Receiver.receive

    def raise_at_bad(self: Receiver, envelope: Envelope) -> list[Receipt]:
        if b"BAD" in envelope.raw:
            raise error
        return receive(self, envelope)

    monkeypatch.setattr(Receiver, "receive", raise_at_bad)
    desk = mailbox_desk()
    dovecot.put(user, plain_mail("BAD"), plain_mail("good"))
    box = mailbox(desk)
    box.open()
    assert box.take_all() == box_passed(1, 1)
    assert box.take_all() == box_passed(0, 1)
    box.close()
    assert kept(desk) == Counter({"good": 1})


def test_a_mail_whose_file_the_server_cannot_read(mailbox_desk: Configure, dovecot: Dovecot, user: str) -> None:
    desk = mailbox_desk()
    dovecot.put(user, *reports(3))
    files = sorted((dovecot.folder / "mail" / user / "Maildir").glob("*/*,S=*"))
    assert len(files) == 3
    files[1].chmod(0)
    poller, found = looks(desk)
    try:
        assert poller.once() == box_passed(2, 1)
    finally:
        files[1].chmod(0o600)
    assert [look.left for look in found] == [1]
    assert empty(desk) == 1
    assert sum(kept(desk).values()) == 3


def test_a_folder_on_a_disk_that_is_read_only(mailbox_desk: Configure, dovecot: Dovecot, user: str) -> None:
    desk = mailbox_desk(after="archive")
    dovecot.put(user, *reports(3))
    maildir = dovecot.folder / "mail" / user / "Maildir"
    folders = [maildir, maildir / "cur", maildir / "new", maildir / "tmp"]
    for folder in folders:
        folder.chmod(0o500)
    poller, _ = looks(desk)
    try:
        assert poller.once() == box_passed(3, 3)
    finally:
        for folder in folders:
            folder.chmod(0o700)
    assert sum(kept(desk).values()) == 3
    assert empty(desk) == 3
    assert (dovecot.count(user), dovecot.count(user, "Archive")) == (0, 3)
    assert sum(kept(desk).values()) == 3
