"""The yearly figures: what may be shown, and that nobody can work out what may not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from desk.care.figures import BAND, FEW, Figures, ends, published
from desk.care.transparency import chart
from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from tests.conftest import Desk
from tests.support.talk import say, to

World = tuple[tuple[int, ...], tuple[int, ...]]
Look = tuple[tuple[str, ...] | None, ...]


def test_nobody_can_work_out_a_small_number() -> None:
    """Somebody who knows the rule and sees two tables of the same cases goes through all cases that would look so."""
    for sizes in ((1, 2), (2, 2), (1, 3)):
        worlds: dict[Look, set[World]] = {}
        for total in range(22):
            for one in _splits(total, sizes[0]):
                for other in _splits(total, sizes[1]):
                    shown = published([one, other])
                    worlds.setdefault(tuple(shown), set()).add((one, other))
        for look, possible in worlds.items():
            for table, shown_table in enumerate(look):
                for cell, value in enumerate(shown_table or ()):
                    # Near the edge of what was tried, worlds are missing.
                    if value == FEW and max(sum(world[0]) for world in possible) < 17:
                        found = {world[table][cell] for world in possible}
                        assert found == set(range(BAND)), (look, table, cell, found)


def _splits(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _splits(total - first, parts - 1):
            yield (first, *rest)


@given(st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=6), min_size=1, max_size=4))
def test_what_is_shown_holds_no_exact_number(tables: list[list[int]]) -> None:
    for counts, shown in zip(tables, published(tables), strict=True):
        for count, value in zip(counts, shown or (), strict=False):
            assert value == FEW if count < BAND else int(value.split("-")[0]) <= count <= int(value.split("-")[1])
            assert ends(value)[0] <= count <= ends(value)[1]


def test_the_report_is_written_as_a_page_and_as_markdown(desk: Desk, tmp_path: Path) -> None:
    names = [
        desk.receive(plain_mail(f"CANARY {number}", sender=f"r{number}@other.example")).codename for number in range(17)
    ]
    for name in names[:2]:
        desk.play.command("case", "state", name, "closed", "warning")
    desk.play.command("case", "destroy", names[0], "--yes")
    year = desk.clock.now.year
    done = desk.play.command("report", "--from", f"{year}-01-01", "--to", f"{year}-12-31", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr.decode()
    page, text = (next(tmp_path.glob(f"*.{suffix}")).read_text() for suffix in ("html", "md"))
    for shown in (page, text):
        assert all(title in shown for title in ("Reports by month", "How reports reached us", "Where cases stand now"))
        assert "unencrypted" in shown
        assert "CANARY" not in shown
        assert not any(name in shown for name in names)
    assert "| closed | <5 |" in text
    assert "| open | 15-19 |" in text
    assert "<svg" in page
    charts = re.findall(r"!\[.*\]\((.+)\)", text)
    assert charts
    assert all("<svg" in (tmp_path / chart).read_text() for chart in charts)
    assert not re.search(r"(src|href)=[\"']?http", page), "nothing comes from elsewhere"
    wrong = desk.play.command("report", "--from", "2026-02-01", "--to", "2026-01-01", "--out", str(tmp_path))
    assert (wrong.returncode, b"is before" in wrong.stderr) == (1, True)
    assert desk.play.command("report", "--from", "soon", "--to", "2026-01-01").returncode == 1


def test_bars_show_the_range_and_look_like_no_exact_number() -> None:
    """Every bar has a light part, as wide for each number, from the least that it may be to the most."""
    drawn = chart(Figures("x", (("few", "<5"), ("some", "5-9"), ("more", "15-19"))))
    widths = re.findall(
        r'<rect x="[\d.]+" y="[\d.]+" rx="0" ry="0" width="([\d.]+)" height="[\d.]+" class="rect', drawn
    )
    dark, light = [float(width) for width in widths[:2]], [float(width) for width in widths[2:]]
    assert (len(light), len({round(width, 6) for width in light})) == (3, 1)
    assert [round(width / light[0], 2) for width in dark] == [15 / 4, 5 / 4]
    assert all(shown in drawn for shown in ("at least", "at most", "&lt;5", "5-9", "15-19"))


def test_a_digest_can_be_looked_at(desk: Desk) -> None:
    name = desk.receive(plain_mail("Exclude: Bo\n\nx")).codename
    assert name in desk.play.command("digest", "preview", "--as", "ada").stdout.decode()
    assert name not in desk.play.command("digest", "preview", "--as", "bo").stdout.decode()
    assert desk.play.command("digest", "preview", "--as", "nobody").returncode == 1


def test_a_released_summary_of_a_closed_case_stands_in_the_report(
    desk: Desk, team: list[Person], tmp_path: Path
) -> None:
    told = [
        desk.receive(plain_mail(f"CANARY {name}", sender=f"{name}@other.example")).codename
        for name in ("one", "two", "three")
    ]
    desk.mail_out()
    said = ("apples", "pears", "plums")
    for codename, word in zip(told, said, strict=True):
        desk.clock.forward(minutes=1)
        say(desk, team[0], f"/statement for the year\n\nSomebody was advised, {word}.", codename)
    for codename in told[:2]:
        desk.clock.forward(minutes=1)
        say(desk, team[1], "/send 1", codename)
    say(desk, team[1], "/state closed advice", told[0])
    say(desk, team[1], "/state closed advice", told[2])
    assert (
        "nothing was done" in to(team[0], say(desk, team[0], "/statement for the year\n\n" + "long " * 200, told[0]))[0]
    )
    year = desk.clock.now.year
    done = desk.play.command("report", "--from", f"{year}-01-01", "--to", f"{year}-12-31", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr.decode()
    for suffix in ("html", "md"):
        text = next(tmp_path.glob(f"*.{suffix}")).read_text()
        assert "Somebody was advised, apples." in text, "released, and closed"
        assert "advised, pears." not in text, "open still"
        assert "advised, plums." not in text, "not released"
        assert "CANARY" not in text
