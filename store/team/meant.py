"""Whom a reporter means by what stands after `Exclude:` or `Only:`. Pure, and generous.

One word of a name will do, a near spelling, another script, an initial. All of it is compared folded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract_iter

from store.kit.addresses import same_mailbox
from store.team.folding import WORD, fold, near, words
from store.team.members import Member
from store.team.name_words import TITLES


def who_is_meant(asked: str, members: Iterable[Member]) -> list[Member]:
    """Every member whom a reporter may mean by a name, nickname, handle, id or address."""
    return [member for member in members if _means(asked.strip(), member)]


def who_may_be_meant(asked: str, members: Iterable[Member]) -> list[Member]:
    """Every member of whose name any word turns up in what was asked, such as in "Bo (my ex)" or "that Bo from work"."""
    wanted = [word for word in dict.fromkeys(words(asked)) if len(word) > 1]
    return [
        member
        for member in members
        if any(_has_near(wanted, part) for name in (member.name, member.id, *member.aliases) for part in words(name))
    ]


def is_just(asked: str, member: Member) -> bool:
    """Whether what was asked is a name of a member, or a part of one, and nothing else; a title may stand before it."""
    said = {word for word in words(asked) if word not in TITLES}
    forms = (member.name, member.id, member.email, *member.aliases)
    return bool(said) and said <= {word for form in forms for word in words(form)}


def _has_near(wanted: Sequence[str], part: str) -> bool:
    """Whether one of many words is near to a part of a name. The distances are taken in one go: there may be 100,000."""
    alike = extract_iter(part, wanted, scorer=OSA.distance, processor=None, score_cutoff=2)
    return any(near(word, part) for word, _, _ in alike)


def _means(asked: str, member: Member) -> bool:
    bare = fold(asked).strip(" <>\"'.,;:()[]").removeprefix("mailto:").removeprefix("@")
    address = fold(member.email)
    if not bare:
        return False
    if "@" in bare:
        found = re.findall(r"[^\s<>@,;:\"()\[\]]+@[^\s<>@,;:\"()\[\]]+", bare)
        if any(same_mailbox(item, address) for item in found):
            return True
        bare = re.sub(r"\S+@\S+", " ", bare).strip()
    wanted = WORD.findall(bare)
    if not wanted:
        return False
    forms = [member.name, member.id, *member.aliases, address.partition("@")[0]]
    return any(_same_person(wanted, words(form)) for form in forms)


def _same_person(wanted: Sequence[str], form: Sequence[str]) -> bool:
    """One word may be any word of the form; several must agree with it, whichever of the two says more."""
    if not form:
        return False
    if near("".join(wanted), "".join(form)):
        return True
    if len(wanted) == 1:
        return any(near(wanted[0], word) for word in form if len(word) > 1)
    spelled_out = [word for word in wanted if len(word) > 1]
    if spelled_out and all(
        any(near(word, part) or (len(word) == 1 and part[0] == word) for part in form) for word in wanted
    ):
        return True
    return len(form) > 1 and all(any(near(word, part) for word in wanted) for part in form)
