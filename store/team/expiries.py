"""When the keys of a team and of its desk end."""

from __future__ import annotations

from datetime import date

from store.kit.config import Desk
from store.openpgp.keyring import Keyring
from store.team import rotation
from store.team.members import Roster


def expiries(keyring: Keyring, desk: Desk, roster: Roster) -> dict[str, date]:
    """The last day of each member's key, by id, and of the desk's as `desk`; those without an end are left out."""
    names = {member.fingerprint: member.id for member in roster.members} | {desk.fingerprint: rotation.DESK}
    return {
        names[key.fingerprint]: key.usable_until.astimezone(desk.zone).date()
        for key in keyring.public_keys(list(names))
        if key.usable_until is not None and key.fingerprint in names
    }
