"""What is signed in a mail, in a form that anybody can verify who has the signer's key: read in a reader process."""

from __future__ import annotations

from collections.abc import Iterator

from intake import reader_process
from intake.reading.headers import parse
from intake.reading.message import read_mail
from intake.reading.pieces import pieces
from store.kit.config import Config

Evidence = list[tuple[str, bytes]]


def evidence(config: Config, raw: bytes) -> Evidence:
    """File names and octets: `signed-1.pgp` is an OpenPGP message that was signed, without the encryption that was around it;
    `signed-2.txt` and `signed-2.txt.asc` are what was signed apart (RFC 3156 section 5). Raises Unreadable, TryLater.
    """
    made: Evidence = reader_process.run(_found_in, config, raw)
    return made


def _found_in(config: Config, raw: bytes) -> Evidence:
    return list(_found(config, raw))


def _found(config: Config, raw: bytes) -> Iterator[tuple[str, bytes]]:
    keyring, number = reader_process.keyring_of(config), 0
    mail = read_mail(raw)
    found = list(pieces(mail.raw, mail.root))
    for piece in list(found):
        if piece.kind == "sealed":
            number += 1
            if unwrapped := keyring.unwrap(piece.octets):
                yield f"signed-{number}.pgp", unwrapped
            plain = keyring.decrypt(piece.octets).plain
            found += pieces(plain, parse(plain)) if plain else []
        elif piece.kind == "clear-signed":
            number += 1
            yield f"signed-{number}.pgp", piece.octets
    regions = {id(piece.region): piece.region for piece in found if piece.region is not None}
    for region in regions.values():
        number += 1
        yield f"signed-{number}.txt", region.signed
        yield f"signed-{number}.txt.asc", region.signature
