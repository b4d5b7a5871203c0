"""What is sealed opens only where it was sealed, and only with its key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.kit.errors import VaultError
from store.tables.vault import Box, Vault, new_key


@given(st.binary(max_size=200))
def test_round_trip(plain: bytes) -> None:
    vault = Vault(new_key())
    box, wrapped = vault.new_case_key("c1")
    sealed = box.seal(plain, "messages", "body", "r1")
    assert vault.case_box(wrapped, "c1").open(sealed, "messages", "body", "r1") == plain
    assert sealed != box.seal(plain, "messages", "body", "r1")


def test_moved_changed_or_foreign_values_do_not_open() -> None:
    vault = Vault(new_key())
    sealed = vault.seal(b"x", "t", "c", "1")
    for place in (("t", "c", "2"), ("t", "d", "1"), ("u", "c", "1")):
        with pytest.raises(VaultError):
            vault.open(sealed, *place)
    with pytest.raises(VaultError):
        vault.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), "t", "c", "1")
    with pytest.raises(VaultError):
        Vault(new_key()).open(sealed, "t", "c", "1")
    with pytest.raises(VaultError):
        vault.open(b"", "t", "c", "1")
    with pytest.raises(VaultError):
        Box(b"short")


def test_digests_differ_by_key_and_purpose() -> None:
    vault = Vault(new_key())
    assert vault.digest("a", b"x") == vault.digest("a", b"x")
    assert len({vault.digest("a", b"x"), vault.digest("b", b"x"), Vault(new_key()).digest("a", b"x")}) == 3
