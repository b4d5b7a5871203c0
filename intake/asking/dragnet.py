"""The second look for members in a mail: through all of its octets, in every plausible decoding, and trusting no parser.

Whoever is named where the structured reading did not see it is withheld all the same. One automaton looks for the words of all names,
as each charset in use writes them; around a hit the same rules decide as for a text that was read. Pure, and linear.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from ahocorasick_rs import BytesAhoCorasick

from intake.asking.directives import from_text
from intake.asking.excluded import perhaps_excluded
from intake.asking.kept_from import kept_from, without_the_only_ones
from intake.reading.decodings import Decodings, View
from store.team.folding import fold, words
from store.team.members import Member
from store.team.names import is_greeting, who_may_be_named

# Those in which a name with letters beyond ASCII may stand; what is ASCII is the same in all of them.
_CHARSETS = (
    "utf-8", "utf-16-le", "utf-16-be", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "iso8859-2",
    "iso8859-3", "iso8859-4", "iso8859-5", "iso8859-6", "iso8859-10", "iso8859-13", "iso8859-14", "iso8859-16", "koi8-r", "koi8-u", "cp437",
    "cp850", "cp852", "cp866", "mac-roman", "mac-cyrillic", "mac-latin2", "cp874", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "johab",
    "utf-7",
)  # fmt: skip
_READ_AS = ("utf-8", "cp1252", "cp1250", "cp1251")
_SHORTEST, _SHORTEST_JOINED = 2, 8
_LONGEST_WINDOW = 400
_MOST_HITS, _OFTEN = 400, 100
_PIECE, _OVERLAP = 1_000_000, 200
_NOT_ALNUM = bytes(number for number in range(128) if not chr(number).isalnum())
_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789")
_CONTROLS = re.compile(rb"[\x01-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_NEAR, _TELLING = 24, 5
_APART = re.compile(rb"[\s@]")
_ASCII_TEXT = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_CODED = re.compile(r"=[0-9a-fA-F]{2}|=$|[*_]", re.MULTILINE)
_MARKS = re.compile(r"^[>| ]+", re.MULTILINE)
_TAG = re.compile(r"<[^<>]*>")


@dataclass
class Caught:
    """Whom the dragnet found, and whether it saw everything. `beside_only` are those of them (ids) whom nothing names: it asks for
    others alone."""

    members: list[Member] = field(default_factory=list)
    whole: bool = True
    beside_only: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Wanted:
    """Whose name a pattern is of, and in which charset, where that matters."""

    member: Member
    charset: str = ""


def dragnet(octets: Iterable[bytes], members: Sequence[Member], besides: Iterable[str] = ()) -> Caught:
    """Look through octets for members; those with an id in `besides` are known already."""
    caught, known = Caught(), set(besides)
    wanted = tuple(member for member in members if member.id not in known)
    if not wanted:
        return caught
    found: set[str] = set()
    beside: set[str] = set()
    for one in octets:
        decodings, before = Decodings(one), _Before(b"", wanted)
        for view in decodings:
            if view.before is not before.octets:  # several views in a row are made of the same octets
                before = _Before(view.before, wanted)
            search = _Search(view, before, wanted, members)
            found |= search.found(found)
            beside |= search.beside
        caught.whole = caught.whole and decodings.whole
    caught.members = [member for member in wanted if member.id in found | beside]
    caught.beside_only = frozenset(beside - found)
    return caught


class _Before:
    """What views were made of, with the numbers of the patterns that are in it: those are looked at there."""

    def __init__(self, octets: bytes, wanted: tuple[Member, ...]) -> None:
        self.octets, self.folded = octets, octets.lower()
        self.numbers = _numbers(_automaton(wanted)[1], self.folded)


class _Search:
    """One view of a mail, searched for some members."""

    def __init__(self, view: View, before: _Before, wanted: tuple[Member, ...], everyone: Sequence[Member]) -> None:
        self._view, self._before, self._wanted, self._everyone = view.octets, before, wanted, everyone
        self._folded = view.octets.lower()
        self._hits: Counter[int] = Counter()
        self._looked: Counter[int] = Counter()
        self._judged: set[tuple[str, bytes]] = set()
        self.beside: set[str] = set()  # whoever is in here may still be found to be named

    def found(self, known: set[str]) -> set[str]:
        """The ids of the members who are in it, less the known ones."""
        found = known | set(self._joined())
        wanted_of, automaton = _automaton(self._wanted)
        done = set(self._before.numbers)
        for number, start, end in _matches(automaton, self._folded):
            if number in done:
                continue
            open_ones = [item for item in wanted_of[number] if item.member.id not in found]
            self._hits[number] += 1
            if not open_ones or max(self._hits[number] // _OFTEN, self._looked[number]) > _MOST_HITS:
                done.add(number)  # met so often without being meant
                continue
            for item in open_ones:
                if self._is_new(item, start, end):
                    self._looked[number] += 1
                    found |= self._meant(item, self._line(start, end))
        return found - known

    def _joined(self) -> Iterator[str]:
        """The members whose whole name is there without anything between its letters, and not as words as well."""
        names, automaton = _joined_automaton(self._wanted)
        if automaton is None:
            return
        squeezed = self._folded.translate(None, _NOT_ALNUM)
        for number in _numbers(automaton, squeezed):
            for item in names[number]:
                if not all(map(self._has_word, words(item.member.name))):
                    yield item.member.id

    def _has_word(self, word: str) -> bool:
        stands_alone = re.compile(rb"(?:(?<![a-z0-9])|(?<==[0-9a-f]{2}))%s(?![a-z0-9])" % word.encode())
        return any(stands_alone.search(octets) for octets in (self._folded, self._before.folded))

    def _is_new(self, item: _Wanted, start: int, end: int) -> bool:
        """Whether a hit is a word in a text, in lines that were not looked at for this member before."""
        if not item.charset and not self._is_word(start, end):
            return False
        if item.charset[:6] != "utf-16" and end - start < _TELLING and self._is_noise(start, end, item.charset):
            return False
        known, key = len(self._judged), (item.member.id, self._line(start, end))
        self._judged.add(key)
        return len(self._judged) > known

    def _is_noise(self, start: int, end: int, charset: str) -> bool:
        """Whether a short word stands in octets that are no text: by chance, two letters are there often."""
        around = self._folded[max(0, start - _NEAR) : end + _NEAR]
        if len(_CONTROLS.findall(around)) > 1 or not (charset or _APART.search(around)):
            return True
        if charset or len(around.translate(None, _ASCII_TEXT)) * 3 < len(around):
            return False
        return "\ufffd" in around.decode("utf-8", "replace").strip("\ufffd")

    def _is_word(self, start: int, end: int) -> bool:
        text = self._folded
        return not (start and text[start - 1] in _LETTERS) and not (end < len(text) and text[end] in _LETTERS)

    def _line(self, start: int, end: int) -> bytes:
        """The line of a hit with the one above and the one below, as far as they are not too long."""
        view, first, last = self._view, max(0, start - _LONGEST_WINDOW), end + _LONGEST_WINDOW
        above = view.rfind(b"\n", first, view.rfind(b"\n", first, start) + 1 or first)
        below = view.find(b"\n", end, last)
        below = view.find(b"\n", below + 1, last) if below >= 0 else -1
        return view[above + 1 if above >= 0 else first : below if below >= 0 else last]

    def _meant(self, item: _Wanted, line: bytes) -> set[str]:
        """The ids of those whom some lines name, or ask to keep something from; a greeting does neither."""
        return {found for text in _texts(line, item.charset) for found in self._judge(text, item.member)}

    def _judge(self, text: str, member: Member) -> Iterator[str]:
        lines = [line for line in _CODED.sub(" ", text).split("\n") if not self._greets(_MARKS.sub("", line))]
        said = "\n".join(lines)
        asked = _TAG.sub("", said)  # what is quoted is nobody's wish now
        named = [_MARKS.sub("", without_the_only_ones(form, self._everyone)) for form in (said, asked)]
        yield from (found.id for found in who_may_be_named(named, [member], self._everyone))
        yield from (found.id for found in kept_from(asked, self._everyone))
        wish = from_text(asked).doubted()
        self.beside |= {found.member for found in perhaps_excluded(wish, self._everyone)}
        yield from (found.member for found in perhaps_excluded(replace(wish, perhaps_only=()), self._everyone))

    def _greets(self, line: str) -> bool:
        return any(is_greeting(piece, self._everyone) for piece in (_TAG.sub("", line), *line.split("<")[-6:]))


def _matches(automaton: BytesAhoCorasick, octets: bytes) -> Iterator[tuple[int, int, int]]:
    """Pattern number, start and end of each match; piece by piece, for there may be very many."""
    for at in range(0, max(1, len(octets)), _PIECE):
        piece = octets[at : at + _PIECE + _OVERLAP]
        for number, start, end in automaton.find_matches_as_indexes(piece, overlapping=True):
            yield number, at + start, at + end


def _numbers(automaton: BytesAhoCorasick, octets: bytes) -> set[int]:
    """The numbers of the patterns that are in octets."""
    return {number for number, _, _ in _matches(automaton, octets)}


def _texts(octets: bytes, charset: str) -> Iterator[str]:
    if charset:
        yield octets.decode(charset, "replace")
        return
    for name in _READ_AS:
        text = octets.decode(name, "replace").replace("\r", "\n")
        yield text
        if name == "utf-8" and "\ufffd" not in text.strip("\ufffd"):
            return  # nothing else looks like it; at the ends a character may be cut


@lru_cache(maxsize=16)
def _automaton(members: tuple[Member, ...]) -> tuple[list[list[_Wanted]], BytesAhoCorasick]:
    """An automaton for each word of each name, and whom each of its patterns means."""
    patterns: dict[bytes, list[_Wanted]] = {}
    for member in members:
        forms = [member.name, member.id, member.email.partition("@")[0], *member.aliases]
        for word in dict.fromkeys(part for form in forms for part in re.findall(r"[^\W_]+", form)):
            for octets, charset in _written(word):
                if len(octets) >= _SHORTEST:
                    patterns.setdefault(octets.lower(), []).append(_Wanted(member, charset))
    return list(patterns.values()), BytesAhoCorasick(list(patterns))


def _written(word: str) -> Iterator[tuple[bytes, str]]:
    """A word in each way in which it may be written down, with the charset where that matters."""
    for part in words(fold(word)):
        yield part.encode(), ""
    if word.isascii():
        return
    forms = {
        unicodedata.normalize(form, case)
        for form in ("NFC", "NFD")
        for case in (word, word.lower(), word.upper(), word.title())
    }
    for charset in _CHARSETS:
        for written in forms:
            try:
                yield written.encode(charset), charset
            except UnicodeEncodeError:
                continue


@lru_cache(maxsize=16)
def _joined_automaton(members: tuple[Member, ...]) -> tuple[list[list[_Wanted]], BytesAhoCorasick | None]:
    """An automaton for whole names without anything between their letters."""
    patterns: dict[bytes, list[_Wanted]] = {}
    for member in members:
        name = words(member.name)
        for form in {"".join(name), "".join([*name[-1:], *name[:-1]])} if len(name) > 1 else ():
            if len(form) >= _SHORTEST_JOINED:
                patterns.setdefault(form.encode(), []).append(_Wanted(member))
    return list(patterns.values()), BytesAhoCorasick(list(patterns)) if patterns else None
