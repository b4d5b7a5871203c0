"""Key files of members put into place, as a whole or not at all; and a member's other key put into the roster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomlkit

from store.kit.config import Config, Desk
from store.kit.errors import KeyProblem, NotAllowed, RosterError
from store.kit.files import replace_file
from store.kit.sentences import marked
from store.openpgp.keyring import Keyring
from store.openpgp.values import KeyTrouble, PublicKey
from store.team.members import Member
from store.team.roster import Loaded, key_file
from store.team.roster_file import Lines, parse

_TROUBLES: Mapping[KeyTrouble, str] = {
    "revoked": marked("This key was revoked by its owner. Ask them for another."),
    "expired": marked("This key has expired. Ask its owner for the renewed one."),
    "cannot-encrypt": marked(
        "Nothing can be encrypted to this key. Ask its owner for one with a sub-key for encryption."
    ),
}


def one_public_key(data: bytes, keyring: Keyring) -> PublicKey:
    """The one public key in key material, if a mail can be sealed to it. Raises KeyProblem saying what else it is."""
    found = keyring.read_key_data(data)
    if not found:
        raise KeyProblem(
            marked("This is no OpenPGP key that can be read here. Export it: gpg --armor --export FINGERPRINT.")
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
    if key.trouble:
        raise KeyProblem(_TROUBLES[key.trouble])
    return key


@dataclass(frozen=True)
class TeamFiles:
    """The files of a desk's team, and GnuPG to look at keys with."""

    config: Config
    desk: Desk
    keyring: Keyring

    def of_key(self, member: Member) -> Path:
        """The file of a member's key."""
        return key_file(member, self.config.path(self.desk.keys))


def put_key(files: TeamFiles, member: Member, data: bytes) -> None:
    """Put a member's key file into place. Raises KeyProblem unless it is their one usable public key."""
    if one_public_key(data, files.keyring).fingerprint != member.fingerprint:
        raise KeyProblem(f"This must be the one public key {member.fingerprint}, and nothing else.")
    replace_file(files.of_key(member), data)


def change_key(files: TeamFiles, loaded: Loaded, member: Member, data: bytes) -> str:
    """Put another key of a member into the roster and into place; its fingerprint.

    The file keeps everything else as it is. Raises NotAllowed, KeyProblem or RosterError, and then nothing is changed.
    """
    desk = files.desk
    if desk.require_signed_roster:
        raise NotAllowed(marked("The roster of this desk is signed: a lead must change it, and sign it again."))
    fresh = replace(member, fingerprint=one_public_key(data, files.keyring).fingerprint)
    if fresh.fingerprint != member.fingerprint:
        file = files.config.path(desk.roster)
        index = [item.id for item in loaded.roster.members].index(member.id)
        document: Any = tomlkit.parse(loaded.source)
        document["member"][index]["fingerprint"] = fresh.fingerprint
        source = tomlkit.dumps(document)
        if parse(source, file, desk).get(member.id) != replace(fresh, identity=""):
            line = Lines(loaded.source, file).of(index, "fingerprint")
            raise RosterError(f"{file}:{line}: fingerprint: cannot be changed by itself; change it by hand.")
        replace_file(file, source.encode())
    replace_file(files.of_key(fresh), data)
    return fresh.fingerprint
