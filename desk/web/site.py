"""The web form as an application (ASGI): its addresses, and what each of them does. Knows no client's address, and logs none."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import structlog
from babel import negotiate_locale
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from desk.web import assets, sealing
from desk.web.headers import App, WithHeaders, for_origin, may_send
from desk.web.intake_form import BadForm, Budget, SentForm, read_form
from desk.web.limits import ProofOfWork
from desk.web.pages import Pages, Place, ShownLetter
from desk.web.reports import FilledForm, addition_text, report_text
from desk.web.turns import DeskLimits, counted, in_turn, turns
from desk.web.words import new_words, words_of
from intake.asking.form import TELL_NOWHERE, told_at
from intake.doors.web import FormRefused, NewReceipt, Sealed, WebDoor
from intake.receive import Receiver
from store.cases import letterboxes
from store.cases.letterboxes import Fetched
from store.context import Context
from store.kit.clock import to_text
from store.kit.config import Desk
from store.kit.errors import OmbudError, TryLater
from store.kit.kinds import LANGUAGES
from store.openpgp.receipts import Receipt, canonical, read_receipt
from store.tables.records import Attachment

_KEPT_AT_ONCE = 2
_LONGEST_WORDS = 1000
_BODIES = 4
_SMALL = 64_000
_STATUS = {"work": 403, "size": 413, "busy": 429, "later": 503}
_ACCEPTED = re.compile(r"([a-z]{2,3})(?:-[\w-]{1,20})?\s{0,3}(?:;\s{0,3}q=([01](?:\.\d{0,3})?))?", re.IGNORECASE)

log = structlog.get_logger("ombud.web")
Made = TypeVar("Made")
_Plain = Callable[[Desk, Place, SentForm], Awaitable[Response]]


class Site:
    """The form of all desks that have one; blocking work is done by an executor."""

    def __init__(self, context: Context, receiver: Receiver, executor: Executor) -> None:
        """Raises ConfigError when a file that browsers get is not what it was."""
        assets.check()
        web = context.config.web
        self._context = context
        self._door = WebDoor(context, receiver)
        self._executor = executor
        self._pages = Pages(context)
        self._desks = {desk.id: desk for desk in context.config.desk if desk.web}
        self._work = ProofOfWork(web.work)
        self._limits = {name: DeskLimits.of(web) for name in self._desks}
        # Whoever floods one way keeps nobody from the others, and no mail from being taken in.
        self._budget, self._plain_budget = (Budget(_BODIES * int(web.size_limit)) for _ in range(2))
        self._keeping = turns(_KEPT_AT_ONCE)

    def app(self) -> App:
        """The application."""
        routes = [
            Route("/", self._root),
            Route("/static/{name:path}", self._static),
            Route("/words/{name}", self._words),
            Route("/{desk}", self._to_form),
            Route("/{desk}/", self._to_form),
            Route("/{desk}/receipt", self._to_receipt),
            Route("/{desk}/key.asc", self._key),
            Route("/{desk}/challenge", self._challenge),
            Route("/{desk}/sealed", self._api(self._take_sealed), methods=["POST"]),
            Route("/{desk}/open", self._api(self._take_open), methods=["POST"]),
            Route("/{desk}/more", self._api(self._take_more), methods=["POST"]),
            Route("/{desk}/{language}", self._with_slash),
            Route("/{desk}/{language}/", self._form, methods=["GET", "POST"]),
            Route("/{desk}/{language}/receipt/", self._receipt, methods=["GET", "POST"]),
        ]
        made = Starlette(routes=routes, exception_handlers={Exception: self._failed})
        # Starlette would send people to http, for it does not know of the web server in front.
        made.router.redirect_slashes = False
        return WithHeaders(made, self._context.config.web.onion)

    async def _failed(self, _: Request, error: Exception) -> Response:
        log.error("a page failed", error=type(error).__name__)
        return Response("Something went wrong. Nothing was kept.\n", 500, media_type="text/plain")

    # What does not hang on a desk.

    async def _root(self, request: Request) -> Response:
        if len(self._desks) == 1:
            return RedirectResponse(f"{next(iter(self._desks))}/", 303)
        if not self._desks:
            return _not_found()
        language = _preferred(request)
        place = Place(language, root="./", home="./")
        return HTMLResponse(await self._blocking(self._pages.desks, list(self._desks.values()), place))

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in assets.NAMES:
            return _not_found()
        kind = assets.TYPES[name[name.rindex(".") :]]
        fields = {"cache-control": "public, max-age=3600", "access-control-allow-origin": "*"}
        return Response(assets.asset(name), media_type=kind, headers=fields)

    async def _words(self, request: Request) -> Response:
        language = request.path_params["name"].removesuffix(".json")
        if language not in LANGUAGES:
            return _not_found()
        return JSONResponse(words_of(language), headers={"cache-control": "public, max-age=3600"})

    # The pages of a desk.

    async def _to_form(self, request: Request) -> Response:
        return self._in_their_language(request, "")

    async def _to_receipt(self, request: Request) -> Response:
        return self._in_their_language(request, "receipt/")

    def _in_their_language(self, request: Request, page: str) -> Response:
        """To the page in the language that a browser asks for; relative, for nobody here knows under which address we are found."""
        desk = self._desk(request)
        if desk is None:
            return _not_found()
        within = "" if request.url.path.endswith("/") or page else f"{desk.id}/"
        fields = {"vary": "accept-language"}
        return RedirectResponse(f"{within}{_preferred(request, desk.language)}/{page}", 303, headers=fields)

    async def _with_slash(self, request: Request) -> Response:
        language = request.path_params["language"]
        if self._desk(request) is None or language not in LANGUAGES:
            return _not_found()
        return RedirectResponse(f"{language}/", 303)

    async def _key(self, request: Request) -> Response:
        desk = self._desk(request)
        if desk is None:
            return _not_found()
        key = await self._blocking(self._pages.key, desk)
        fields = {"content-disposition": f'attachment; filename="{desk.id}-key.asc"'}
        return Response(key, media_type="application/pgp-keys", headers=fields)

    async def _form(self, request: Request) -> Response:
        desk, place = self._desk(request), _place(request)
        if desk is None or place is None:
            return _not_found()
        if request.method == "POST":
            return await self._posted(request, desk, place, self._take_plain)
        return HTMLResponse(await self._blocking(self._pages.form, desk, place, new_words(place.language)))

    async def _receipt(self, request: Request) -> Response:
        desk, place = self._desk(request), _place(request, "receipt/")
        if desk is None or place is None:
            return _not_found()
        if request.method == "POST":
            return await self._posted(request, desk, place, self._open_plain)
        return HTMLResponse(await self._blocking(self._pages.receipt, desk, place))

    # Without scripts.

    async def _posted(self, request: Request, desk: Desk, place: Place, take: _Plain) -> Response:
        """What a browser without scripts sends; a page that says why, where nothing comes of it."""
        try:
            limit = int(self._context.config.web.size_limit)
            async with self._sent(request, limit, self._plain_budget) as sent:
                return await take(desk, place, sent)
        except BadForm as error:
            return await self._problem(desk, place, error.word)
        except OmbudError as error:
            log.warning("not taken in now", reason=str(error))
            return await self._problem(desk, place, "later")

    async def _take_plain(self, desk: Desk, place: Place, sent: SentForm) -> Response:
        """A report from a browser without scripts: sealed now, and then as any other."""
        filled, words = sent.filled(), sent.text("receipt", _LONGEST_WORDS)
        if filled.is_empty or not canonical(words):
            page = await self._blocking(
                self._pages.form, desk, place, words or new_words(place.language), filled, "empty"
            )
            return HTMLResponse(page, 422)
        limits = self._limits[desk.id]
        try:
            with counted(limits.plain, limits.reports):
                async with in_turn(self._keeping):
                    await self._blocking(self._seal_and_keep, desk, filled, words)
        except BadForm:
            async with in_turn(limits.opening_plain):
                if not await self._blocking(self._was_kept, desk, filled, words):
                    raise
        return HTMLResponse(await self._blocking(self._pages.done, desk, place, " ".join(words.split())))

    def _seal_and_keep(self, desk: Desk, filled: FilledForm, words: str) -> None:
        receipt, text = read_receipt(words, self._pages.salt(desk)), report_text(filled)
        sealed = self._sealed(desk, text, filled.files, receipt.lookup)
        self._door.report(desk, sealed, sealing.receipt_key(receipt))

    def _was_kept(self, desk: Desk, filled: FilledForm, words: str) -> bool:
        """Whether just this was sent before: too much now, it was not too much then."""
        receipt, text = read_receipt(words, self._pages.salt(desk)), report_text(filled)
        name = self._name(text, filled.files, receipt.lookup)
        return self._door.was_kept(desk, receipt.lookup, Sealed(b"", name))

    def _sealed(self, desk: Desk, text: str, files: Sequence[Attachment], by: str) -> Sealed:
        armored = sealing.sealed_report(self._context.keyring, desk, text, files)
        return Sealed(armored, self._name(text, files, by))

    def _name(self, text: str, files: Sequence[Attachment], by: str) -> str:
        """A name that is the same when the same person sends the same again, which is sealed anew each time."""
        pieces = [by, text, *(piece for file in files for piece in (file.name, str(len(file.data))))]
        octets = (b"\0".join((piece.encode("utf-8", "surrogatepass"), b"")) for piece in pieces)
        return self._context.vault.digest_of("form", [*octets, *(file.data for file in files)])

    async def _open_plain(self, desk: Desk, place: Place, sent: SentForm) -> Response:
        """A receipt from a browser without scripts, and what it brings besides."""
        words = sent.text("words", _LONGEST_WORDS)
        if not canonical(words):
            return HTMLResponse(await self._blocking(self._pages.receipt, desk, place, "words"), 422)
        began, limits = time.monotonic(), self._limits[desk.id]
        async with in_turn(limits.opening_plain):
            receipt = await self._blocking(read_receipt, words, self._pages.salt(desk))
            found = await self._blocking(self._fetched, desk, receipt.lookup)
        await limits.take_time(began, right=found is not None)
        if found is None:
            return HTMLResponse(await self._blocking(self._pages.receipt, desk, place, "nothing"), 404)
        result = await self._add_plain(desk, found, sent) if sent.text("more") else ""
        letters = await self._blocking(self._opened, desk, place, found, receipt)
        return HTMLResponse(await self._blocking(self._pages.letters, desk, place, words, letters, result))

    async def _add_plain(self, desk: Desk, found: Fetched, sent: SentForm) -> str:
        """Keep what somebody adds; `added`, or what is wrong."""
        files = sent.files()
        tell = TELL_NOWHERE if sent.text("tell_no") else sent.text("tell", _LONGEST_WORDS).strip()
        text = addition_text(sent.text("text"), tell)
        if tell and not told_at(text):
            return "address"
        if not text.strip() and not files:
            return "empty"
        # A page that is sent twice is one message; the same words on another day are another one.
        once = sent.text("once", _LONGEST_WORDS) or secrets.token_hex(16)

        def keep() -> None:
            self._door.more(desk, found, self._sealed(desk, text, files, f"{found.address} {once}"))

        try:
            with counted(*self._limits[desk.id].for_addition(found.case.id)):
                async with in_turn(self._keeping):
                    await self._blocking(keep)
        except BadForm as error:
            return error.word
        except TryLater as error:
            log.warning("not taken in now", reason=str(error))
            return "later"
        return "added"

    def _opened(self, desk: Desk, place: Place, found: Fetched, receipt: Receipt) -> list[ShownLetter]:
        key = self._context.keyring.export(desk.fingerprint, armored=False)
        day = partial(self._pages.day, desk=desk, language=place.language)
        return [
            ShownLetter(day(item.at), item.text, item.files, item.signed, item.is_new)
            for item in sealing.opened_letters(found, receipt, key)
        ]

    async def _problem(self, desk: Desk, place: Place, word: str) -> Response:
        page = await self._blocking(self._pages.problem, desk, place, word)
        return HTMLResponse(page, _STATUS.get(word, 400))

    # With scripts.

    async def _challenge(self, request: Request) -> Response:
        desk = self._desk(request)
        if desk is None:
            return _not_found()
        many = self._limits[desk.id].reports.count() * 2 >= self._context.config.web.per_hour
        made = await self._blocking(partial(self._work.challenge, harder=many))
        return JSONResponse(made, headers=for_origin(request, self._context.config.web.origins))

    def _api(
        self, take: Callable[[Desk, SentForm], Awaitable[dict[str, object]]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """What a script sends, after a look at where it comes from and at its proof of work; what goes wrong is one word."""
        web = self._context.config.web

        async def answer(request: Request) -> Response:
            fields = for_origin(request, web.origins)
            desk = self._desk(request)
            if desk is None:
                return _not_found()
            try:
                if not await self._blocking(self._work.accepts, request.query_params.get("work", "")[:_SMALL]):
                    raise BadForm("work")  # before anything else of it is read
                limit = _SMALL if take == self._take_open else int(web.size_limit)
                async with self._sent(request, limit, self._budget) as sent:
                    return JSONResponse(await take(desk, sent), headers=fields)
            except BadForm as error:
                return JSONResponse({"error": error.word}, _STATUS.get(error.word, 400), headers=fields)
            except FormRefused:
                return JSONResponse({"error": "wrong"}, 400, headers=fields)
            except OmbudError as error:
                log.warning("not taken in now", reason=str(error))
                return JSONResponse({"error": "later"}, 503, headers=fields)

        return answer

    async def _take_sealed(self, desk: Desk, sent: SentForm) -> dict[str, object]:
        new = NewReceipt(
            sent.text("lookup", 100), _octets(sent.text("key", _SMALL)), _octets(sent.text("locked", _SMALL))
        )
        message = sent.octets("message", int(self._context.config.web.size_limit))
        limit = self._limits[desk.id].reports
        try:
            with counted(limit):
                async with in_turn(self._keeping):
                    kept = await self._blocking(self._door.report, desk, Sealed(message), new)
        except BadForm:
            if not await self._blocking(self._door.was_kept, desk, new.lookup, Sealed(message)):
                raise
        else:
            if kept is None:  # it was there already
                limit.give_back()
        return {"kept": True}

    async def _take_open(self, desk: Desk, sent: SentForm) -> dict[str, object]:
        began, limits = time.monotonic(), self._limits[desk.id]
        async with in_turn(limits.opening):
            found = await self._blocking(self._fetched, desk, sent.text("lookup", 100))
        await limits.take_time(began, right=found is not None)
        if found is None:
            return {"found": False}
        letters = [
            {"at": to_text(item.at), "read": item.read_at is not None, "data": _base64(item.sealed)}
            for item in found.letters
        ]  # fmt: skip
        return {"found": True, "since": to_text(found.since), "locked": _base64(found.locked), "letters": letters}

    async def _take_more(self, desk: Desk, sent: SentForm) -> dict[str, object]:
        began, limits = time.monotonic(), self._limits[desk.id]
        async with in_turn(limits.adding):
            found = await self._blocking(self._door.known, desk, sent.text("lookup", 100))
        await limits.take_time(began, right=found is not None)
        if found is None:
            raise BadForm("nothing")
        message = sent.octets("message", int(self._context.config.web.size_limit))
        with counted(*limits.for_addition(found.case.id)):
            async with in_turn(self._keeping):
                await self._blocking(self._door.more, desk, found, Sealed(message))
        return {"kept": True}

    # What they stand on.

    def _desk(self, request: Request) -> Desk | None:
        return self._desks.get(request.path_params["desk"])

    @asynccontextmanager
    async def _sent(self, request: Request, limit: int, budget: Budget) -> AsyncIterator[SentForm]:
        """A form from a page of ours. Raises BadForm."""
        web = self._context.config.web
        if not may_send(request, web.origins):
            raise BadForm("wrong")
        async with read_form(request, limit, web.seconds, budget) as sent:
            yield sent

    def _fetched(self, desk: Desk, lookup: str) -> Fetched | None:
        """What a receipt finds; from now on its letters have been read."""
        found = self._door.known(desk, lookup)
        if found and (unread := [item.id for item in found.letters if item.read_at is None]):
            with self._context.database.write() as session:
                letterboxes.note_read(session, unread, self._context.clock())
        return found

    async def _blocking(self, work: Callable[..., Made], *arguments: object, **named: object) -> Made:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(work, *arguments, **named))


def _place(request: Request, here: str = "") -> Place | None:
    """Where the page of a request stands; None when it is in no language of ours."""
    language = request.path_params["language"]
    if language not in LANGUAGES:
        return None
    if not here:
        return Place(language)
    return Place(language, root="../../../", home="../", here=here, api="../../")


def _preferred(request: Request, otherwise: str = "en") -> str:
    """The language of ours that a browser asks for first (RFC 9110 section 12.5.4)."""
    asked = _ACCEPTED.findall(request.headers.get("accept-language", "")[:500])
    ranked = sorted(asked, key=lambda item: -float(item[1] or 1))
    return negotiate_locale([code.lower() for code, _ in ranked], LANGUAGES) or otherwise


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadForm("wrong") from None


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _not_found() -> Response:
    return Response("There is no such page.\n", 404, media_type="text/plain")
