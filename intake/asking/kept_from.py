"""Wishes to keep a report from somebody that stand in a sentence, and not in a line of their own. Pure, bounded, and generous.

What is found here only ever withholds provisionally: two readers may bring somebody back who was not meant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from intake.asking.directive_lines import is_directive, names, only_value
from intake.reading.authorship import is_marked, without_marked
from store.team.folding import fold, words
from store.team.meant import is_just
from store.team.members import Member
from store.team.name_words import TITLES

_READ = 200_000
_LONGEST_SENTENCE = 400
_SENTENCE = re.compile(r"[^.!?\n]{1,400}(?:[.!?](?=\w)[^.!?\n]{0,400})?")
# Folded as names are: without accents, in Latin script. A verb of telling counts with a "not" before it, or behind it in German.
_TELL = (
    r"show|tell|share|forward|send|give|inform|involve|include|copy|cc|let|read|see|know|pass|disclose|reveal|mention|discuss|"
    r"mostr|muestr|ensen|digan|digas|cuent|cont[ae]|comparta|compartilh|partilh|envi|inform|reenvi|revel|involucr|inclu|"
    r"montr|dire|dites|partag|transmet|envoy|parle|communiqu|revele"
)
_KEEP = re.compile(
    rf"""\b(?:
      exclu(?:de|des|ding|ded|ir|ida|ido|yan|ya|re|ez|am|a)\b | exclusion | leave\b.{{0,40}}\bout\b | except\b | excepting\b |
      (?:keep|hide|withhold|conceal|kept|hidden|withheld)\b.{{0,60}}\b(?:from|private|away|out)\b | behind\b.{{0,40}}\bback\b | recuse |
      (?:any|every)(?:one|body)\ but\b | all\ but\b | other\ than\b |
      (?:not|\w{{1,6}}n\ t|never|dont|cannot|nobody|without|no|ne|nao|sin\ que|sans\ que|sem\ que|non|nie|niet)\b.{{0,40}}\b(?:{_TELL})\w* |
      not\ to\b | (?:excepto|salvo|menos|exceto|sauf|excepte|hormis|ocult|cache[rz]?|tranne|eccetto|oprocz|behalve)\w* |
      ausschlie\w* | ausser\b | (?:zeig|sag|schick|send|leit|teil|gib|gebt|geben|erfahr|wiss|weiss|seh|sieht|les|inform|einbezieh)\w*.{{0,60}}\bnicht\b |
      nicht\b.{{0,40}}\b(?:an|zeig|sag|schick|send|weiter|teil|erfahr|wiss|seh|les|inform|einbezieh)\w*
    )""",
    re.VERBOSE,
)
_KEEP_ARABIC = re.compile("استثن|استبعد|باستثناء|ما عدا|عدا|لا ت(?:خبر|رسل|شارك|طلع|ظهر|ري|عرض)|دون علم|بدون علم|إخفاء")
# The other way round, at the end of a sentence: "tell nobody but Ada", "only Ada may see this", "show it to Ada only".
_NOBODY = r"(?:no ?one|no ?body|anyone|anybody|any other|else|niemand\w{0,2}|keine[mnrs]?|sonst|nadie|ninguem|personne|ninguno)"
_BUT = r"(?:except|but|besides|other than|apart from|ausser|als|excepto|salvo|menos|mas que|exceto|alem de|a nao ser|sauf|hormis|d autre qu\w{0,2}|a part)"
_NOBODY_BUT = re.compile(rf"\b{_NOBODY}\b.{{0,60}}?\b{_BUT}\b(?P<names>.{{1,80}})")
_ONLY = r"(?:only|nur|ausschliesslich|solo|solamente|unicamente|somente|apenas|seulement|uniquement)"
_READER = (
    r"(?:may|can|should|must|to|darf|durfen|soll\w{0,2}|kann|puede\w?|debe\w?|pode\w?|deve\w?|peu\w{1,4}|doi\w{1,4})"
)
_ONLY_THEY = re.compile(
    rf"\b{_ONLY}\b(?P<names>.{{1,60}}?)\b{_READER}\b.{{0,40}}\b(?:{_TELL}|lesen|seh\w*|wiss\w*|erfahr\w*|le[ae]r|le[ae]n?|ver|vea|saber|sepa|lire|voir|savoir|get|have)\w*"
)
_TOLD_ONLY = re.compile(
    rf"\b(?:{_TELL}|zeig\w*|gebt?|sag\w*|schick\w*|send\w*|leit\w*)\b.{{0,60}}?\b{_ONLY}\b(?: (?:to|with|by|for|an|mit|a|al|con|ao|com|aux?|avec)\b)?(?P<names>.{{1,80}})"
)
_LEAVES = re.compile(rf"\b(?:{_ONLY}|{_BUT})\b")
_PLEASE = frozenset(
    "please thanks thank you bitte danke por favor gracias obrigado obrigada svp merci and und y e et or oder to with the".split()
)


def kept_from(text: str, members: Sequence[Member]) -> list[Member]:
    """The members whom a text, in a sentence of its own words, asks to keep it from; by any word of their names."""
    found: set[str] = set()
    own = without_marked(text[:_READ]).split("\n")
    text = "\n".join(line for line in own if not is_directive(line))  # what follows `Exclude:` is read as names
    for piece in _SENTENCE.findall(text):
        if only := _the_only_ones(piece, members):
            found |= {member.id for member in members if member.id not in only[0]}
        elif _asks(piece):
            said = set(words(piece))
            found |= {member.id for member in members if said & _words_of(member)}
    return [member for member in members if member.id in found]


def asks_to_be_kept(text: str) -> bool:
    """Whether a text, in a sentence of its own words, asks to be kept from anybody at all, whoever that is."""
    return any(map(_asks, _SENTENCE.findall(without_marked(text[:_READ]))))


def without_the_only_ones(text: str, members: Sequence[Member]) -> str:
    """A text less the names of those whom it lets know, where it says so: that is no reason to keep it from them.

    Named anywhere else, they are named. A quoted line stays as it is.
    """
    head, rest = text[:_READ], text[_READ:]
    return "\n".join(_less_names(line, members) for line in head.split("\n")) + rest


def _less_names(line: str, members: Sequence[Member]) -> str:
    if is_marked(line):
        return line
    if only := only_value(line):
        just = all(any(is_just(name, member) for member in members) for name in names(only))
        return "" if just else line
    return _SENTENCE.sub(lambda piece: _cut(piece[0], members), line) if _LEAVES.search(_plain(line, None)) else line


def _cut(piece: str, members: Sequence[Member]) -> str:
    found = _the_only_ones(piece, members) if piece.isascii() else None  # else folding may move what stands where
    return piece[: found[1]] + piece[found[2] :] if found else piece


def _the_only_ones(piece: str, members: Sequence[Member]) -> tuple[set[str], int, int] | None:
    """Whom alone a sentence lets know, and where it names them: in nothing but names, for who is named in anything more may be
    whom it is about."""
    folded = _plain(piece)
    for wish in (_NOBODY_BUT, _ONLY_THEY, _TOLD_ONLY):
        if found := wish.search(folded):
            said = set(words(found["names"])) - _PLEASE - TITLES
            meant = [member for member in members if said & _words_of(member)]
            if meant and all(any(word in _words_of(member) for member in meant) for word in said):
                return {member.id for member in meant}, *found.span("names")
    return None


def _asks(piece: str) -> bool:
    return _KEEP.search(_plain(piece)) is not None or _KEEP_ARABIC.search(piece) is not None


def _plain(piece: str, longest: int | None = _LONGEST_SENTENCE) -> str:
    return re.sub(r"['\u2019`]", " ", fold(piece[:longest]))


def _words_of(member: Member) -> set[str]:
    return {word for name in (member.name, *member.aliases) for word in words(name) if len(word) > 1}
