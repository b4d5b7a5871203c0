"""Errors that are the machine's: they say nothing of the mail at hand, which is tried again for as long as it takes. Pure."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from store.kit.errors import TryLater

# What no mail can bring about. Other errors of the system, such as a list of arguments that is too long, one may.
_NEVER_THE_MAIL = frozenset(
    (
        errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES,
        errno.EPERM, errno.ENOENT, errno.EINTR, errno.ENODEV, errno.ENXIO, errno.ESTALE,
    )
)  # fmt: skip


@contextlib.contextmanager
def told_from_the_mail() -> Iterator[None]:
    """Have what the machine lacks raise TryLater, which is no attempt at the mail; all else is raised as it is."""
    try:
        yield
    except OSError as error:
        if (lacking := lacks(error)) is not None:
            raise lacking from None
        raise


def lacks(error: OSError) -> TryLater | None:
    """What to raise when the machine lacks something; None when the mail may have brought the error about."""
    if error.errno not in _NEVER_THE_MAIL:
        return None
    name = errno.errorcode[error.errno]
    return TryLater(f"The machine lacks something ({name}). Run 'ombud check'; the mail is taken again later.")
