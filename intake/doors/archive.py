"""Old mail on a disk: an mbox file or a Maildir, mail by mail (RFC 4155)."""

from __future__ import annotations

import mailbox
from collections.abc import Iterator
from pathlib import Path

from store.kit.errors import ConfigError


class Archive:
    """The mails of an mbox file or a Maildir. Nothing in it is changed."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError when there is neither."""
        self._box: mailbox.Mailbox[mailbox.Message]
        if path.is_dir() and all((path / name).is_dir() for name in ("cur", "new")):
            self._box = mailbox.Maildir(path, create=False)
        elif path.is_file():
            self._box = mailbox.mbox(path, create=False)
        else:
            raise ConfigError(
                f"{path}: is neither an mbox file nor a Maildir (a folder with cur, new and tmp). Correct the path."
            )
        self._keys = list(self._box.iterkeys())

    def __len__(self) -> int:
        return len(self._keys)

    def mails(self) -> Iterator[bytes]:
        """Each mail as it lies there."""
        for key in self._keys:
            yield self._box.get_bytes(key)
