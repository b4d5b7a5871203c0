"""The few named errors. Each carries one sentence that a volunteer can act on, and never mail content.

OmbudError
├── ConfigError
├── RosterError
├── KeyProblem
├── VaultError
├── NoSuchCase
├── NotAllowed
└── TryLater
    ├── StoreUnavailable
    │   └── StoreOutdated
    ├── OpenPGPUnavailable
    │   └── OpenPGPStopped
    └── Interrupted
        └── OpenPGPStopped
"""

from __future__ import annotations

from store.kit.sentences import Sentence


class OmbudError(Exception):
    """Something a person must know of; the text says what is wrong and what to do.

    What members may be answered with is a marked sentence and the values in it, to be said in their language.
    """

    def __init__(self, sentence: str | Sentence, **values: object) -> None:
        given = {name: str(value) for name, value in values.items()}
        self.sentence = sentence if isinstance(sentence, Sentence) else Sentence(sentence, given)
        super().__init__(str(self.sentence))


class ConfigError(OmbudError):
    """The configuration, or a file it names, cannot be used. Names file, field and remedy."""


class RosterError(OmbudError):
    """The roster cannot be used. Names file, line and remedy; the last good roster stays in force."""


class KeyProblem(OmbudError):
    """An OpenPGP key is missing, wrong or unusable."""


class VaultError(OmbudError):
    """A sealed value cannot be opened: wrong vault key, or the stored bytes were changed."""


class NoSuchCase(OmbudError):
    """There is no such case, or none that the asker may know of: the two are never told apart."""


class NotAllowed(OmbudError):
    """A rule of the desk forbids it."""


class TryLater(OmbudError):
    """It cannot be done now, but nothing is wrong with the mail: answer 451, exit 75, leave it in the mailbox."""


class StoreUnavailable(TryLater):
    """The database is locked, full, away, or not migrated."""


class StoreOutdated(StoreUnavailable):
    """The tables of the database are those of an earlier version: it can be upgraded."""


class OpenPGPUnavailable(TryLater):
    """GnuPG is missing, took too long, or died half way."""


class Interrupted(TryLater):
    """Work on one mail ended before its end; the mail itself may be the cause, so that the attempt counts."""


class OpenPGPStopped(OpenPGPUnavailable, Interrupted):
    """GnuPG was at work on one message and took too long or died; the message itself may be the cause."""
