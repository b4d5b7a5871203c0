"""A desk at a moment: what leaves it when the clock says so."""

from __future__ import annotations

from datetime import UTC, datetime

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Delivered
from tests.conftest import Desk

MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(desk: Desk, moment: datetime) -> list[Delivered]:
    """What leaves the desk when it is that time."""
    desk.clock.now = moment
    desk.tick()
    return desk.mail_out(60)


def opened(desk: Desk, text: str = "Somebody shouted at me.", **options: str) -> str:
    name = desk.receive(plain_mail(text, **options)).codename
    desk.mail_out()
    return name


def subjects(mails: list[Delivered]) -> set[str]:
    return {str(item.headers["Subject"]) for item in mails}
