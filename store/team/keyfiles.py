"""Key files of members put into place, as a whole or not at all; and a member's other key put into the roster."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from store.kit.config import Config, Desk
from store.kit.errors import ConfigError, KeyProblem, NotAllowed, RosterError
from store.kit.sentences import marked
from store.openpgp.keyring import Keyring
from store.openpgp.status import PublicKey
from store.team.members import Member
from store.team.roster import Lines, Loaded, key_file, parse


def one_public_key(data: bytes, keyring: Keyring) -> PublicKey:
    """The one public key in key material, if a mail can be sealed to it. Raises KeyProblem saying what else it is."""
    found = keyring.read_key_data(data)
    if not found:
        raise KeyProblem(
            marked("This is no OpenPGP key that GnuPG can read. Export it: gpg --armor --export FINGERPRINT.")
        )
    if any(key.secret for key in found):
        raise KeyProblem(
            marked(
                "This is a secret key: it must not leave its owner. Delete it here, and export the public one: "
                "gpg --armor --export FINGERPRINT."
            )
        )
    if len(found) > 1:
        raise KeyProblem(
            marked("There are {number} keys in this. Export one alone: gpg --armor --export FINGERPRINT."),
            number=len(found),
        )
    key = found[0]
    if key.revoked:
        raise KeyProblem(marked("This key was revoked by its owner. Ask them for another."))
    if not key.can_encrypt and key.expired:
        raise KeyProblem(marked("This key has expired. Ask its owner for the renewed one."))
    if not key.can_encrypt:
        raise KeyProblem(
            marked("Nothing can be encrypted to this key. Ask its owner for one with a sub-key for encryption.")
        )
    return key


def put_key(config: Config, desk: Desk, member: Member, data: bytes, keyring: Keyring) -> None:
    """Put a member's key file into place. Raises KeyProblem unless it is their one usable public key."""
    if one_public_key(data, keyring).fingerprint != member.fingerprint:
        raise KeyProblem(f"This must be the one public key {member.fingerprint}, and nothing else.")
    replace_file(key_file(member, config.path(desk.keys)), data)


def change_key(config: Config, desk: Desk, loaded: Loaded, member: Member, data: bytes, keyring: Keyring) -> str:
    """Put another key of a member into the roster and into place; its fingerprint.

    The file keeps everything else as it is. Raises NotAllowed, KeyProblem or RosterError, and then nothing is changed.
    """
    if desk.require_signed_roster:
        raise NotAllowed(marked("The roster of this desk is signed: a lead must change it, and sign it again."))
    fresh = replace(member, fingerprint=one_public_key(data, keyring).fingerprint)
    if fresh.fingerprint != member.fingerprint:
        file = config.path(desk.roster)
        index = [item.id for item in loaded.roster.members].index(member.id)
        lines = loaded.source.splitlines(keepends=True)
        at = Lines(loaded.source, file).of(index, "fingerprint") - 1
        changed = re.sub(r"=.*$", f'= "{fresh.fingerprint}"', lines[at].rstrip("\r\n")) + "\n"
        source = "".join([*lines[:at], changed, *lines[at + 1 :]])
        if parse(source, file, desk).get(member.id) != replace(fresh, identity=""):
            raise RosterError(f"{file}:{at + 1}: fingerprint: cannot be changed by itself; change it by hand.")
        replace_file(file, source.encode())
    replace_file(key_file(fresh, config.path(desk.keys)), data)
    return fresh.fingerprint


def replace_file(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all. Raises ConfigError."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.write_bytes(content)
        if path.exists():
            fresh.chmod(path.stat().st_mode & 0o777)
        fresh.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}). Check its permissions.") from None
