"""Reports by the form while the service is killed, and very many of them at once: none is lost, and each receipt opens."""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import requests

from desk.demo.rehearsal import free_port
from tests.bench.prove import figure
from tests.conftest import Desk, DeskMaker
from tests.support.web import sealed_fields, send, wait_until

KILLS = int(os.environ.get("FORM_KILLS", "2"))
FORMS = int(os.environ.get("FORMS", "12"))
AT_A_TIME = 20
Fields = dict[str, Any]


def with_form(desk: Desk, settings: str = "") -> str:
    """Have the service of a desk serve the form; where."""
    port = free_port()
    lines = f'listen = "127.0.0.1:{port}"\nwork = 0\nper_hour = 100000\n{settings}'
    desk.play.change_config('# listen = "127.0.0.1:8025"', lines)
    desk.reopen()
    return f"http://127.0.0.1:{port}"


def start(desk: Desk, site: str) -> None:
    """Start the service, and wait for the form."""

    def answers() -> bool:
        try:
            return requests.get(f"{site}/conduct/challenge", timeout=2).ok
        except requests.RequestException:
            return False

    desk.play.start()
    wait_until(answers)


def kept(site: str, fields: Fields) -> bool:
    """Send a report; whether the desk said that it keeps it."""
    try:
        return send(site, "sealed", fields)[0] == 200
    except (requests.RequestException, ValueError, KeyError):
        return False


def opens(site: str, fields: Fields) -> bool:
    """Whether its receipt opens."""
    return bool(send(site, "open", {"lookup": fields["lookup"]})[1]["found"])


def test_killed_while_reports_come_in_nothing_that_was_kept_is_lost(make_desk: DeskMaker) -> None:
    desk = make_desk()
    site = with_form(desk)
    chance = random.Random(KILLS)
    reports, unsure, confirmed = list[Fields](), 0, 0
    start(desk, site)
    for number in range(KILLS):
        some = [sealed_fields(desk, f"round {number} report {item}") for item in range(4)]
        reports += some
        with ThreadPoolExecutor(4) as crowd:
            sent = [crowd.submit(kept, site, fields) for fields in some]
            time.sleep(chance.uniform(0.01, 0.4))
            desk.play.stop(signal.SIGKILL)
        start(desk, site)
        for fields, answer in zip(some, sent, strict=True):
            confirmed += answer.result()
            unsure += not answer.result()
            assert answer.result() or kept(site, fields), "sent again, it is kept"
        with ThreadPoolExecutor(4) as crowd:
            assert all(crowd.map(partial(opens, site), some)), "a report was kept, and its receipt opens nothing"
    desk.play.stop()
    with desk.context.database.read() as session:
        cases = session.connection().exec_driver_sql("SELECT COUNT(*) FROM cases").scalar()
        letterboxes = session.connection().exec_driver_sql("SELECT COUNT(*) FROM letterboxes").scalar()
    assert (cases, letterboxes) == (len(reports), len(reports)), "each of them once"
    figure(f"reports by the form over {KILLS} kills", f"{confirmed} confirmed, {unsure} sent again, 0 lost")


def test_very_many_at_a_time_and_none_is_lost(make_desk: DeskMaker) -> None:
    desk = make_desk()
    site = with_form(desk, "connections = 100")
    reports = [sealed_fields(desk, f"report {number}") for number in range(FORMS)]
    start(desk, site)
    took = []

    def one(fields: Fields) -> None:
        began = time.monotonic()
        assert kept(site, fields)
        took.append(time.monotonic() - began)

    began = time.monotonic()
    with ThreadPoolExecutor(AT_A_TIME) as crowd:
        list(crowd.map(one, reports))
    whole = time.monotonic() - began
    assert all(opens(site, fields) for fields in reports[:: max(1, FORMS // 4)])
    desk.play.stop()
    with desk.context.database.read() as session:
        assert session.connection().exec_driver_sql("SELECT COUNT(*) FROM cases").scalar() == FORMS
    middle, late = statistics.median(took), sorted(took)[int(len(took) * 0.95) - 1]
    figure(
        f"{FORMS} reports by the form, {AT_A_TIME} at a time",
        f"0 lost, {FORMS / whole:.0f} a second, median {middle:.2f} s, 95 % within {late:.2f} s",
    )
