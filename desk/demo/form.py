"""The demo's act of the web form: a report without a mailbox, its receipt, and the answer that waits behind it."""

from __future__ import annotations

import re
import time
from html import unescape

import requests
from rich.console import Console
from rich.table import Table
from rich.text import Text

from desk.demo.mails import pgp_mime, text_entity
from desk.demo.rehearsal import Person, Rehearsal

_ANSWER = "Thank you for writing. We look into it, and you hear from us here by Friday."
_SECONDS = 20


def play_form(console: Console, play: Rehearsal, withheld: Person) -> list[str]:
    """Play it; what does not hold."""
    form, faults = f"{play.form_url}/conduct/en/", list[str]()
    before, readers = len(play.sink.mails), [person for person in play.team if person != withheld]
    words = _field(requests.get(form, timeout=_SECONDS).text, r'name="receipt" value="([^"]+)"')
    filled = {"receipt": words, "what": "They wait for me after each meetup.", "exclude_others": withheld.name}
    done = requests.post(form, files={name: (None, value) for name, value in filled.items()}, timeout=_SECONDS)
    receipt = _field(done.text, r'<p class="words"[^>]*>([^<]+)</p>')
    play.sink.wait_for(before + len(readers))
    time.sleep(0.2)  # whatever should not come would come now
    told = sorted(mail.recipient for mail in play.sink.mails[before:])
    if told != sorted(person.email for person in readers):
        faults.append(f"a report by the form: told {told}")
    codename = str(play.sink.mails[before].headers["Subject"]).rpartition(" ")[2]

    lead, key = readers[0], play.desk_key
    entity = text_entity(f"/reply\n{_ANSWER}", f"Re: [Conduct Team] {codename}: new report")
    sender = f"{lead.name} <{lead.email}>"
    play.send(pgp_mime(entity, key, lead.keyring, lead.fingerprint, sender=sender), sender=lead.email)
    shown = _opened(form, receipt, _ANSWER)
    if _ANSWER not in " ".join(shown.split()):
        faults.append("the receipt does not open the answer")
    wrong = _open(form, "six other words that open nothing")
    if wrong.status_code != requests.codes.not_found or _ANSWER in wrong.text:
        faults.append("other words than those of the receipt open something")
    record = (play.folder / "ombud.sqlite3").read_bytes() + (play.folder / "ombud.sqlite3-wal").read_bytes()
    if _ANSWER.encode() in record or receipt.encode() in record:
        faults.append("the database holds an answer or a receipt in clear")
    _show(console, receipt, codename, readers, withheld)
    return faults


def _show(console: Console, receipt: str, codename: str, readers: list[Person], withheld: Person) -> None:
    table = Table(title="\nA report by the web form, without a mailbox", title_justify="left")
    table.add_column("what happens")
    table.add_column("what comes of it", overflow="fold")
    table.add_row(
        "a form is sent, without scripts",
        f"case {codename}: told {', '.join(person.id for person in readers)}; kept from {withheld.name}",
    )
    table.add_row("its receipt, shown once", Text(receipt, "bold"))
    table.add_row(
        f"{readers[0].id} answers by signed mail: /reply", "sealed to a key that only the receipt opens; no mail leaves"
    )
    table.add_row("the receipt is opened", Text(_ANSWER))
    table.add_row("other words are tried", "nothing opens")
    console.print(table)


def _opened(form: str, receipt: str, awaited: str) -> str:
    """What a receipt opens, once the answer is there."""
    end = time.monotonic() + _SECONDS
    while True:
        page = unescape(_open(form, receipt).text)
        if awaited in " ".join(page.split()) or time.monotonic() > end:
            return page
        time.sleep(0.1)


def _open(form: str, words: str) -> requests.Response:
    return requests.post(f"{form}receipt/", files={"words": (None, words)}, timeout=_SECONDS)


def _field(page: str, pattern: str) -> str:
    found = re.search(pattern, page)
    return unescape(found[1]).strip() if found else ""
