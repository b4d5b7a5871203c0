"""People whose keys GnuPG cannot read: RFC 9580, and against quantum computers."""

from __future__ import annotations

from pathlib import Path

from desk.demo.rehearsal import Person
from store.openpgp.keyring import Keyring


def make_modern_person(
    folder: Path, person_id: str, name: str, domain: str = "team.example", *, post_quantum: bool = False
) -> Person:
    """Somebody with a key of RFC 9580, which a keyring of theirs works with as the desk's does with its own."""
    home = folder / person_id
    home.mkdir(mode=0o700, parents=True)
    keyring, address = Keyring("gpg", home), f"{person_id}@{domain}"
    beside = keyring.create("beside", f"beside@{domain}")
    made = keyring.create_modern(f"{name} <{address}>", beside, post_quantum=post_quantum)
    return Person(person_id, name, address, keyring, made)
