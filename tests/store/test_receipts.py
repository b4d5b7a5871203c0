"""Receipts: what counts of their words, what opens with them, and what never does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysequoia import Cert, Profile, Tsk, encrypt

from store.openpgp.receipts import (
    address_of,
    canonical,
    new_key,
    read_letter,
    read_receipt,
    stands_for_a_receipt,
    unlocked,
)

SALT = b"0123456789abcdef"


@given(st.text(max_size=60))
@settings(max_examples=200)
def test_what_counts_of_words_counts_the_same_again(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)
    assert canonical(f"  {text}\n") == canonical(text)


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("avión señal", "AVION  senal"),
        ("déranger fruit", "deranger, fruit."),
        ("أبيدجان أسمرة", "ابيدجان اسمره"),
        ("panfleto timidez", "1. panfleto\n2. timidez".replace("1. ", "").replace("2. ", "")),
    ],
)
def test_a_receipt_opens_however_it_is_typed(written: str, typed: str) -> None:
    assert read_receipt(written, SALT) == read_receipt(typed, SALT)


def test_other_words_and_other_desks_open_nothing() -> None:
    receipt = read_receipt("compacter steering sizably onstage dealmaker overblown", SALT)
    _, locked = new_key(receipt)
    assert unlocked(locked, receipt)
    for other in (
        read_receipt("compacter steering sizably onstage dealmaker", SALT),
        read_receipt("compacter steering sizably onstage dealmaker overblown", b"f" * 16),
    ):
        assert other.lookup != receipt.lookup
        assert unlocked(locked, other) is None
    assert receipt.password not in receipt.lookup
    assert repr(receipt) == "Receipt()"


def test_the_two_values_of_a_receipt_are_those_that_browsers_make() -> None:
    """The figures of hash-wasm for the same words and salt; a change here would lock everybody out."""
    assert read_receipt("foo bar baz", b"0" * 16).lookup.startswith("54be4ef08e495d525a1111b172781931")


def test_a_letter_says_whether_the_desk_signed_it() -> None:
    desk = Tsk.generate("Desk <conduct@desk.example>", profile=Profile.RFC4880)
    somebody = Tsk.generate("X <x@desk.example>", profile=Profile.RFC4880)
    receipt = read_receipt("a b c", SALT)
    key, locked = new_key(receipt)
    secret = unlocked(locked, receipt) or b""
    desk_key = bytes(desk.extract_certificate())
    for signer, signed in ((desk.signer(), True), (somebody.signer(), False), (None, False)):
        sealed = bytes(encrypt(b"text", [Cert.from_bytes(key)], signer, armor=False))
        assert read_letter(sealed, secret, desk_key) == (b"text", signed)
    assert read_letter(b"nonsense", secret, desk_key) is None
    assert read_letter(sealed, b"nonsense", desk_key) is None


def test_an_address_that_stands_for_a_receipt_is_nobodys() -> None:
    address = address_of(read_receipt("a b c", SALT).lookup)
    assert stands_for_a_receipt(address)
    assert address.endswith(".invalid")
    assert not stands_for_a_receipt("sam@reporter.example")
    assert not stands_for_a_receipt(f"{address}.example")
