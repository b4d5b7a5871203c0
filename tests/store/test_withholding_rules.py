"""Who may withhold a case from whom, and bring them back: each rule by itself, called as the commands call them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlmodel import col, select, update

from desk.demo.mails import plain_mail
from store.cases import recusals, withholding
from store.cases.case_file import CaseFile
from store.cases.lookup import screened_in, screened_text
from store.kit.errors import NotAllowed
from store.tables.models import NoticeRow, RecusalRow, VoteRow
from store.tables.records import Recusal, Source, Wishes
from tests.conftest import Desk, DeskMaker
from tests.support.case_files import Open, events, new_case, opener

ALL = ("ada", "bo", "chidi", "dana", "eunji")


@pytest.fixture(scope="module")
def desk(make_desk_of_module: DeskMaker) -> Desk:
    return make_desk_of_module()


@pytest.fixture
def name(desk: Desk) -> str:
    return new_case(desk)


@pytest.fixture
def by(desk: Desk, name: str) -> Iterator[Open]:
    """The case, or another one, opened for somebody to act on it; written when the next one is opened."""
    yield from opener(desk, name)


def votes(file: CaseFile) -> set[tuple[str, str]]:
    file.session.flush()
    found = file.session.exec(select(VoteRow).where(VoteRow.case_id == file.row.id))
    return {(row.member, row.voter) for row in found}


def withheld(file: CaseFile) -> dict[str, str]:
    file.session.flush()
    found = file.session.exec(
        select(RecusalRow).where(RecusalRow.case_id == file.row.id, col(RecusalRow.ended).is_(None))
    )
    return {row.member: row.source for row in found}


def notices(file: CaseFile, kind: str) -> list[NoticeRow]:
    file.session.flush()
    return list(file.session.exec(select(NoticeRow).where(NoticeRow.case_id == file.row.id, NoticeRow.kind == kind)))


def all_told(file: CaseFile) -> None:
    """As if every notice of the case had been sent."""
    file.session.exec(update(NoticeRow).where(col(NoticeRow.case_id) == file.row.id).values(done=1))


def is_looked_at_again(file: CaseFile) -> bool:
    """Whether who reads is asked again for the notices of the case."""
    file.session.flush()
    file.session.expire_all()
    return all(not row.done for row in notices(file, "report"))


# Writing down.


def test_a_recusal_is_written_once_with_who_and_why(by: Open) -> None:
    file = by("ada")
    all_told(file)
    asked = [Recusal("bo", "reader"), Recusal("chidi", "named")]
    assert recusals.recuse(file, asked, "They are friends.") == asked
    assert is_looked_at_again(file)
    assert withheld(file) == {"bo": "reader", "chidi": "named"}
    (row, _) = file.session.exec(
        select(RecusalRow).where(RecusalRow.case_id == file.row.id).order_by(RecusalRow.member)
    )
    assert (row.by, row.since[:10]) == ("ada", str(file.at.date()))
    assert events(file, "recused", "reason-given") == [
        ("recused", {"member": "bo", "source": "reader"}),
        ("reason-given", {"member": "bo", "reason": "They are friends."}),
        ("recused", {"member": "chidi", "source": "named"}),
        ("reason-given", {"member": "chidi", "reason": "They are friends."}),
    ]
    all_told(file)
    assert recusals.recuse(file, asked) == []
    assert recusals.recuse(file, []) == []
    assert not is_looked_at_again(file), "nothing is new"
    assert len(events(file, "recused", "recusal-confirmed", "reason-given")) == 4


@pytest.mark.parametrize(
    ("before", "after", "stays"),
    [
        ("named", "reporter", "reporter"), ("named", "self", "self"), ("reader", "reporter", "reporter"), ("reader", "operator", "operator"),
        ("operator", "reporter", "reporter"), ("self", "operator", "self"), ("reporter", "named", "reporter"), ("reporter", "operator", "reporter"),
        ("named", "first-name", "named"), ("named", "reader", "named"),
    ],
)  # fmt: skip
def test_the_stronger_reason_stays(by: Open, before: Source, after: Source, stays: Source) -> None:
    recusals.recuse(by("ada"), [Recusal("bo", before)])
    file = by("chidi")
    assert recusals.recuse(file, [Recusal("bo", after)], "why") == []
    assert withheld(file) == {"bo": stays}
    (row,) = file.session.exec(select(RecusalRow).where(RecusalRow.case_id == file.row.id))
    stronger = stays == after
    assert row.by == ("chidi" if stronger else "ada")
    assert events(file, "recusal-confirmed") == (
        [("recusal-confirmed", {"member": "bo", "source": after})] if stronger else []
    )
    assert len(events(file, "reason-given")) == stronger


def test_who_comes_back_has_no_votes_left_and_who_goes_neither(by: Open) -> None:
    recusals.recuse(by("ada"), [Recusal("bo", "named"), Recusal("chidi", "named")])
    withholding.vote(by("ada"), "bo")
    withholding.vote(by("dana"), "chidi")
    withholding.vote(by("dana"), "eunji")
    file = by("dana")
    all_told(file)
    recusals.reinstate(file, "bo")
    assert is_looked_at_again(file)
    assert withheld(file) == {"chidi": "named"}
    assert votes(file) == {("chidi", "dana"), ("eunji", "dana")}
    assert events(file, "reinstated") == [("reinstated", {"member": "bo"})]
    ended = file.session.exec(
        select(RecusalRow.ended).where(RecusalRow.case_id == file.row.id, RecusalRow.member == "bo")
    ).one()
    assert ended is not None
    assert ended[:10] == str(file.at.date())
    recusals.recuse(file, [Recusal("eunji", "reader")])
    assert votes(file) == {("chidi", "dana")}, "the vote that they go has done its work"


def test_votes_are_forgotten_by_what_they_are_on(by: Open) -> None:
    for what in (":guest pat 1", ":guest pat 2", ":guest pa", ":erase"):
        withholding.vote(by("ada"), what)
    file = by("ada")
    recusals.forget_votes(file, ":guest pat")
    assert len(votes(file)) == 4, "not without being told so"
    recusals.forget_votes(file, ":guest pat ", prefix=True)
    assert votes(file) == {(":guest pa", "ada"), (":erase", "ada")}
    recusals.forget_votes(file, ":erase")
    assert votes(file) == {(":guest pa", "ada")}


def test_votes_of_another_case_stay(desk: Desk, by: Open, name: str) -> None:
    other = desk.receive(plain_mail("Another thing.", sender="kim@reporter.example")).codename
    withholding.vote(by("ada", other), "bo")
    recusals.forget_votes(by("ada"), "bo")
    assert votes(by("ada", other)) == {("bo", "ada")}


def test_an_ended_recusal_still_counts_as_withheld(by: Open) -> None:
    assert not recusals.has_withheld(by("ada"))
    recusals.recuse(by("ada"), [Recusal("ada", "self")])
    assert not recusals.has_withheld(by("ada"))
    recusals.recuse(by("bo"), [Recusal("chidi", "reader")])
    assert not recusals.has_withheld(by("ada"))
    assert recusals.has_withheld(by("bo"))
    recusals.reinstate(by("dana"), "chidi")
    assert recusals.has_withheld(by("bo"))


def test_a_wish_of_whom_nobody_is_sure_is_a_doubtful_one() -> None:
    found = [Recusal("ada", "reporter"), Recusal("bo", "named")]
    assert recusals.doubted(found) == (Recusal("ada", "doubtful"), Recusal("bo", "named"))
    assert all(item.provisional for item in recusals.doubted(found))


def test_the_same_person_under_another_id_is_recused_from_the_same(desk: Desk, by: Open) -> None:
    other, gone = (desk.receive(plain_mail(text, sender="kim@reporter.example")).codename for text in ("One.", "Two."))
    ended = by("operator", gone)
    recusals.recuse(ended, [Recusal("bo", "reporter")])
    ended.row.wrapped_key = None  # its key is forgotten: there is nothing to be kept from anybody
    elsewhere = by("operator", other)
    recusals.recuse(elsewhere, [Recusal("bo", "reporter")])
    elsewhere.row.desk, board = "board", elsewhere.row.id  # whose 'bo' may be somebody else
    recusals.recuse(by("ada"), [Recusal("bo", "reporter"), Recusal("chidi", "named"), Recusal("dana", "named")])
    recusals.reinstate(by("ada"), "dana")
    file = by("operator")
    for member in ("bo", "dana"):
        recusals.recuse_alike(file.session, file.by, member, f"{member}2")
    assert withheld(file) == {"bo": "reporter", "chidi": "named", "bo2": "reporter"}
    file.session.flush()
    everywhere = file.session.exec(select(RecusalRow.case_id).where(RecusalRow.member == "bo2")).all()
    assert file.row.id in everywhere
    assert board not in everywhere


# By hand.


def test_only_a_member_can_be_recused_by_hand(by: Open) -> None:
    for actor in ("operator", "ada"):
        with pytest.raises(NotAllowed, match="no member 'nobody'"):
            withholding.recuse_by_hand(by(actor), "nobody")


@pytest.mark.parametrize(
    ("actor", "member", "source"), [("operator", "bo", "operator"), ("bo", "bo", "self"), ("ada", "bo", "reader")]
)
def test_whose_word_it_is(by: Open, actor: str, member: str, source: str) -> None:
    file = by(actor)
    assert withholding.recuse_by_hand(file, member, "why") == 0
    assert withheld(file) == {member: source}
    assert events(file, "reason-given") == [("reason-given", {"member": member, "reason": "why"})]
    assert events(file, "recusal-vote") == []


def test_a_second_one_takes_another_reader_and_the_operator_hears_once(by: Open) -> None:
    withholding.recuse_by_hand(by("ada"), "bo")
    assert withholding.recuse_by_hand(by("ada"), "chidi", "why") == 1
    file = by("ada")
    assert withheld(file) == {"bo": "reader"}
    assert events(file, "recusal-vote") == [("recusal-vote", {"member": "chidi"})]
    assert len(notices(file, "consent-waits")) == 1
    assert withholding.recuse_by_hand(by("ada"), "chidi") == 1, "one reader twice is one"
    assert len(notices(by("ada"), "consent-waits")) == 1
    assert withholding.recuse_by_hand(by("ada"), "bo") == 0, "that is so already"
    assert withholding.recuse_by_hand(by("dana"), "chidi") == 0
    assert withheld(by("ada")) == {"bo": "reader", "chidi": "reader"}
    assert events(by("ada"), "reason-given") == [], "nobody gave one who was the last"


def test_two_others_have_to_be_left(by: Open) -> None:
    for gone in ("dana", "eunji"):
        withholding.recuse_by_hand(by("operator"), gone)
    file = by("ada")
    assert [reader.id for reader in file.own_readers] == ["ada", "bo", "chidi"]
    assert withholding.few_others(file, {"ada", "bo"})
    assert withholding.few_others(file, {"ada", "bo", "eunji"})
    assert not withholding.few_others(file, {"ada"})
    assert withholding.recuse_by_hand(file, "bo") == 1, "chidi alone would be left"
    assert withheld(by("chidi")) == {"dana": "operator", "eunji": "operator"}
    assert withholding.recuse_by_hand(by("chidi"), "bo") == 0, "that is the second word"
    assert withheld(by("chidi"))["bo"] == "reader"
    assert withholding.recuse_by_hand(by("chidi"), "chidi") == 0, "stepping back takes nobody's word"


# Bringing back.


def test_nobody_is_brought_back_who_is_not_away(by: Open, name: str) -> None:
    with pytest.raises(NotAllowed, match=f"'bo' is not recused from {name}"):
        withholding.reinstate(by("ada"), "bo")
    recusals.recuse(by("ada"), [Recusal("bo", "named")])
    recusals.reinstate(by("ada"), "bo")
    with pytest.raises(NotAllowed, match="is not recused from"):
        withholding.reinstate(by("ada"), "bo")


@pytest.mark.parametrize("actor", ["operator", "ada", "bo"])
def test_what_the_reporter_asked_for_nobody_undoes(by: Open, actor: str) -> None:
    recusals.recuse(by("ada"), [Recusal("chidi", "named"), Recusal("bo", "reporter")])
    with pytest.raises(NotAllowed, match="The reporter asked to keep"):
        withholding.reinstate(by(actor), "bo")
    assert votes(by("ada")) == set()


def test_it_takes_two_readers_neither_of_them_the_member(by: Open) -> None:
    recusals.recuse(by("operator"), [Recusal("bo", "named")])
    with pytest.raises(NotAllowed, match="let yourself back in"):
        withholding.reinstate(by("bo"), "bo")
    assert withholding.reinstate(by("ada"), "bo") == 1
    assert withholding.reinstate(by("ada"), "bo") == 1
    assert withheld(by("ada")) == {"bo": "named"}
    assert withholding.reinstate(by("chidi"), "bo") == 0
    file = by("ada")
    assert withheld(file) == {}
    assert events(file, "reinstatement-vote") == [("reinstatement-vote", {"member": "bo"})] * 3


def test_a_vote_of_who_is_no_reader_any_more_does_not_count(by: Open) -> None:
    recusals.recuse(by("operator"), [Recusal("bo", "named")])
    withholding.reinstate(by("ada"), "bo")
    recusals.recuse(by("ada"), [Recusal("ada", "self")])
    assert withholding.reinstate(by("chidi"), "bo") == 1
    assert withholding.vote(by("ada"), "bo") == 1, "one who left does not count for themselves either"


@pytest.mark.parametrize(
    ("source", "left", "may"),
    [
        ("operator", ALL, True), ("operator", ("ada",), True), ("self", ALL, False), ("self", ("ada",), False),
        ("named", ALL, False), ("named", ("ada", "chidi"), False), ("named", ("ada",), True), ("reader", ALL, False), ("reader", (), True),
    ],
)  # fmt: skip
def test_the_operator_undoes_their_own_and_what_would_be_stuck(
    by: Open, source: Source, left: tuple[str, ...], may: bool
) -> None:
    recusals.recuse(by("operator"), [Recusal("bo", source)])
    recusals.recuse(by("operator"), [Recusal(item, "reporter") for item in ALL if item not in (*left, "bo")])
    if may:
        assert withholding.reinstate(by("operator"), "bo") == 0
    else:
        with pytest.raises(NotAllowed, match="Two readers of the case must agree"):
            withholding.reinstate(by("operator"), "bo")
    assert ("bo" not in withheld(by("operator"))) is may


# What else takes two.


def test_two_different_readers_and_only_those_who_are_meant(desk: Desk, by: Open) -> None:
    other = desk.receive(plain_mail("A third thing.", sender="zed@reporter.example")).codename
    withholding.vote_of_two(by("chidi", other), ":x")
    assert withholding.vote_of_two(by("ada"), ":x") == 1
    assert withholding.vote_of_two(by("ada"), ":x") == 1
    assert withholding.vote_of_two(by("bo"), ":y") == 1, "on something else"
    file = by("bo")
    assert withholding.vote_of_two(file, ":x") == 0
    assert withholding.vote_of_two(file, ":x", {"ada", "bo"}) == 0
    assert withholding.vote_of_two(file, ":x", {"ada", "chidi"}) == 1
    assert withholding.vote_of_two(file, ":x", set()) == 2
    assert events(file, "vote")[:2] == [("vote", {"member": ":x"})] * 2


@pytest.mark.parametrize(("left", "may"), [(ALL, False), (("ada", "bo"), False), (("ada",), True), ((), True)])
def test_the_operator_alone_where_there_are_not_two(by: Open, left: tuple[str, ...], may: bool) -> None:
    recusals.recuse(by("operator"), [Recusal(item, "reporter") for item in ALL if item not in left])
    if may:
        assert withholding.vote_of_two(by("operator"), ":x") == 0
    else:
        with pytest.raises(NotAllowed, match="Two readers of the case must agree"):
            withholding.vote_of_two(by("operator"), ":x")
    assert votes(by("operator")) == set()


# The look for members.


def test_another_copy_excludes_and_readers_hear_it(by: Open) -> None:
    file = by("operator")
    withholding.recuse_for_copy(file, [Recusal("bo", "reporter")], Wishes(excluded=("Bo", "Zelda")))
    assert withheld(file) == {"bo": "reporter"}
    assert file.facts.wishes.excluded == ("Bo", "Zelda")
    (note,) = [item for item in file.messages() if item.direction == "note"]
    assert [(item.verb, item.subject) for item in note.body.done] == [("recuse", "bo")]
    assert note.author == "desk"
    assert [item.subject_id for item in notices(file, "note")] == [note.id]
    withholding.recuse_for_copy(file, [Recusal("bo", "reporter")], Wishes(excluded=("Kim",)))
    assert set(file.facts.wishes.excluded) == {"Bo", "Zelda", "Kim"}, "what was asked for stays"
    assert len(notices(file, "note")) == 1, "nothing to tell"


def test_only_who_was_looked_for_in_every_message_was_looked_for(by: Open) -> None:
    file = by("operator")
    file.row.screened = screened_text({"ada": "A", "bo": "B", "chidi": "C"})
    withholding.narrow_screened(file, {"ada": "A", "bo": "OTHER", "dana": "D"})
    by("operator")
    assert screened_in(by("operator").row) == {"ada": "A"}


def test_after_a_look_everybody_was_looked_for_and_who_was_found_is_told_of(by: Open) -> None:
    file = by("operator")
    everybody = {member.id: member.identity for member in file.roster.members}
    file.row.screened = screened_text({"ada": everybody["ada"]})
    all_told(file)
    withholding.note_screening(file, [Recusal("bo", "named")])
    assert is_looked_at_again(file)
    assert screened_in(file.row) == everybody
    assert withheld(file) == {"bo": "named"}
    assert len(notices(file, "note")) == 1
    all_told(file)
    withholding.note_screening(file, [Recusal("bo", "named")])
    assert not is_looked_at_again(file), "nobody is new"
    file.row.screened = screened_text({**everybody, "ada": "as she was known before"})
    withholding.note_screening(file, [])
    assert is_looked_at_again(file), "she may be sent it only now"
    assert len(notices(file, "note")) == 1


def test_a_closed_case_is_sent_to_nobody_who_comes_later(by: Open) -> None:
    file = by("operator")
    file.row.state, file.row.screened = "closed", "{}"
    all_told(file)
    withholding.note_screening(file, [])
    assert not is_looked_at_again(file)
    assert len(screened_in(file.row)) == len(ALL)
