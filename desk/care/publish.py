"""The desk's key for the world: a Web Key Directory, and a page to print. Writes files; reads nothing but the key."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from pathlib import Path

import segno

from store.kit.addresses import folded
from store.kit.config import Desk
from store.kit.errors import ConfigError
from store.openpgp.keyring import Keyring

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ZBASE32 = "ybndrfg8ejkmcpqxot1uwisza345h769"


def wkd_hash(local: str) -> str:
    """How a Web Key Directory calls the local part of an address (draft-koch-openpgp-webkey-service section 3.1)."""
    digest = hashlib.sha1(local.lower().encode(), usedforsecurity=False).digest()
    return base64.b32encode(digest).decode().translate(str.maketrans(_BASE32, _ZBASE32))


def write_directory(desk: Desk, keyring: Keyring, folder: Path) -> list[Path]:
    """Write the key of a desk into a Web Key Directory, by the advanced and the direct method; the files.

    Only addresses that the key names are published: clients refuse others. Raises ConfigError.
    """
    found = keyring.public_keys([desk.fingerprint])
    named = {folded(address) for key in found for address in key.addresses}
    published = [address for address in desk.addresses if folded(address) in named]
    if not published:
        raise ConfigError(
            f"The key {desk.fingerprint} names none of the desk's addresses; add one: gpg --quick-add-uid {desk.fingerprint} {desk.address}"
        )
    key = keyring.export(desk.fingerprint, armored=False)
    made = []
    for address in published:
        local, _, domain = address.rpartition("@")
        for base in (folder / ".well-known/openpgpkey" / domain.lower(), folder / ".well-known/openpgpkey"):
            made += [_write(base / "hu" / wkd_hash(local), key), _write(base / "policy", b"")]
    made.append(_write(folder / f"{desk.id}-key.html", _page(desk, keyring).encode()))
    made.append(_write(folder / f"{desk.id}.vcf", _card(desk, key).encode()))
    return list(dict.fromkeys(made))


def _write(path: Path, content: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o644)
        for folder in path.parents:
            if folder.name in ("hu", "openpgpkey", ".well-known"):
                folder.chmod(0o755)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}). Choose another folder.") from None
    return path


def _page(desk: Desk, keyring: Keyring) -> str:
    """The page: all of it in one file, so that it can be sent, put anywhere and printed."""
    key = keyring.export(desk.fingerprint, armored=True)
    code = segno.make(f"OPENPGP4FPR:{desk.fingerprint}", error="m").svg_inline(scale=6)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{escape(desk.title)}: OpenPGP key</title>
<style>body {{ font: 16pt sans-serif; max-width: 20cm; margin: 2cm auto; }} code {{ font-size: 15pt; }}
@media print {{ .screen {{ display: none; }} }}</style>
<h1>{escape(desk.title)}</h1>
<p>Write to <b>{escape(desk.address)}</b>, in plain mail or encrypted to the key with this fingerprint:</p>
<p><code>{_spaced(desk.fingerprint)}</code></p>
<p class="screen"><a href="{_link(key)}" download="{escape(desk.id)}.asc">Save the key</a>, and import it into your mail program. Then compare the
fingerprint that it shows with the one above.</p>
{code}
<p>The QR code holds the fingerprint: a mail program with OpenPGP on a telephone, such as OpenKeychain, scans it to check the key.</p>
{_modern(desk, keyring)}<details class="screen"><summary>The key as text</summary><pre>
{escape(key.decode())}</pre></details>
</html>
"""


def _card(desk: Desk, key: bytes) -> str:
    """A contact with its key (RFC 6350 section 6.8.1): what Delta Chat imports to write sealed from the first line on."""
    name = "".join(sign for sign in desk.title if sign.isprintable() and sign not in "\\,;")
    lines = ("BEGIN:VCARD", "VERSION:4.0", f"FN:{name}", f"EMAIL:{desk.address}", f"KEY:{_link(key)}", "END:VCARD")
    return "".join(f"{line}\r\n" for line in lines)


def _modern(desk: Desk, keyring: Keyring) -> str:
    """The key for newer programs. It stands apart: GnuPG takes neither key of a file that has both."""
    if not desk.modern_fingerprint:
        return ""
    key = keyring.export(desk.modern_fingerprint, armored=True)
    return f"""<p>Programs that know RFC 9580 can use this key instead:</p>
<p><code>{_spaced(desk.modern_fingerprint)}</code></p>
<p class="screen"><a href="{_link(key)}" download="{escape(desk.id)}-rfc9580.asc">Save the newer key</a></p>
"""


def _spaced(fingerprint: str) -> str:
    return " ".join(fingerprint[at : at + 4] for at in range(0, len(fingerprint), 4))


def _link(key: bytes) -> str:
    """A key as a URL."""
    return f"data:application/pgp-keys;base64,{base64.b64encode(key).decode()}"
