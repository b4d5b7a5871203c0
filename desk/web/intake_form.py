"""What a browser sends, read in memory alone, within a size and a time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from desk.web.reports import LABELS, FilledForm
from store.tables.records import Attachment

_MOST_FIELDS, _MOST_FILES = 100, 50
_SILENCE_SECONDS = 20.0
_MULTIPART = "multipart/form-data"
_BOUNDARY = re.compile(r";\s{0,9}boundary=\"?([A-Za-z0-9'()+_,./:=?-]{1,70})\"?(?:\s{0,9};|\s{0,9}$)", re.IGNORECASE)


class BadForm(Exception):
    """What came is no form of ours. `word` is one of `desk.web.pages.PROBLEMS`."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class _InMemory(MultiPartParser):
    """Starlette's parser writes what is large into a temporary file, where it would lie in clear."""

    spool_max_size = 2**62


@dataclass
class Budget:
    """How many octets of forms may be on their way in at once, over all connections."""

    most: int
    now: int = 0


@dataclass(frozen=True)
class SentForm:
    """A form as it came."""

    data: FormData = field(repr=False)

    def text(self, name: str, longest: int = 1_000_000) -> str:
        """A field, also one that came as a file (as scripts send them)."""
        value = self.data.get(name, "")
        if isinstance(value, UploadFile):
            value = value.file.read(longest + 1).decode("utf-8", "replace")
        if len(value) > longest:
            raise BadForm("size")
        return value

    def octets(self, name: str, longest: int) -> bytes:
        """A field that came as a file."""
        value = self.data.get(name)
        found = value.file.read(longest + 1) if isinstance(value, UploadFile) else str(value or "").encode()
        if len(found) > longest:
            raise BadForm("size")
        return found

    def files(self) -> list[Attachment]:
        """The files that were chosen; a field in which none was is left out."""
        sent = [item for item in self.data.getlist("files") if isinstance(item, UploadFile)]
        read = [Attachment(item.filename or "", item.content_type or "", item.file.read()) for item in sent]
        return [item for item in read if item.name or item.data]

    def filled(self) -> FilledForm:
        """The form as it was filled in."""
        return FilledForm(
            what=self.text("what"),
            fields={name: self.text(name) for name in LABELS},
            exclude=tuple(str(item) for item in self.data.getlist("exclude") if isinstance(item, str)),
            exclude_others=self.text("exclude_others"),
            only=self.text("only"),
            no_reply=bool(self.text("no_reply")),
            files=self.files(),
        )


@asynccontextmanager
async def read_form(request: Request, limit: int, seconds: float, budget: Budget) -> AsyncIterator[SentForm]:
    """A form of at most `limit` octets, which came in within `seconds`; it counts in the budget until it was dealt with. Raises BadForm."""
    if not request.headers.get("content-type", "").lower().startswith(_MULTIPART):
        raise BadForm("wrong")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise BadForm("size")
    counted = _Counted(request, limit, budget)
    try:
        yield SentForm(await _parsed(request, counted, limit, seconds))
    finally:
        counted.give_back()


async def _parsed(request: Request, counted: _Counted, limit: int, seconds: float) -> FormData:
    try:
        async with asyncio.timeout(seconds):
            # The boundary alone: a client that chose the charset could choose one that takes hours.
            kind = Headers({"content-type": f"{_MULTIPART}; boundary={_boundary_of(request)}"})
            parser = _InMemory(
                kind, counted.stream(), max_files=_MOST_FILES, max_fields=_MOST_FIELDS, max_part_size=limit
            )
            return await parser.parse()
    except TimeoutError:
        raise BadForm("network") from None
    except (MultiPartException, ClientDisconnect, UnicodeError, KeyError, ValueError):
        raise BadForm("wrong") from None


def _boundary_of(request: Request) -> str:
    """The boundary of a form (RFC 2046 section 5.1.1). Raises BadForm."""
    found = _BOUNDARY.search(request.headers["content-type"][:500])
    if found is None:
        raise BadForm("wrong")
    return found[1]


class _Counted:
    """The body of a request, as far as it is not too large, by itself or with all others."""

    def __init__(self, request: Request, limit: int, budget: Budget) -> None:
        self._request = request
        self._limit = limit
        self._budget = budget
        self._read = 0

    async def stream(self) -> AsyncGenerator[bytes, None]:
        chunks = aiter(self._request.stream())
        while True:
            try:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            self._read += len(chunk)
            self._budget.now += len(chunk)
            if self._read > self._limit:
                raise BadForm("size")
            if self._budget.now > self._budget.most:
                raise BadForm("later")
            yield chunk

    def give_back(self) -> None:
        self._budget.now -= self._read
