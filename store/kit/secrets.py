"""Secrets at the edge: read from files that the configuration names, or asked of a command (OAuth 2.0)."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

from store.kit.config import Config
from store.kit.errors import ConfigError
from store.kit.files import why_unread

_TOKEN_SECONDS = 60


def read_secret(config: Config, path: Path) -> str:
    """The secret in a file that the configuration names, without its line end. Raises ConfigError."""
    where = config.path(path)
    try:
        return where.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: the secret in this file {why_unread(error)}.") from None


def fetch_token(config: Config, command: tuple[str, ...]) -> str:
    """A fresh access token: the first line that a command prints. It runs in the folder of the configuration.

    Raises ConfigError, without what the command said: that may be the token.
    """
    try:
        made = subprocess.run(
            command,
            cwd=config.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TOKEN_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(
            f"token_command: '{command[0]}' could not be run ({type(error).__name__}). Try it by hand as the desk's user."
        ) from None
    token = made.stdout.decode("utf-8", "replace").strip().partition("\n")[0].strip()
    if made.returncode != 0 or not token:
        raise ConfigError(
            f"token_command: '{command[0]}' gave no token (exit code {made.returncode}). Log in again at the provider."
        )
    return token


def bearer_response(mechanism: str, user: str, token: str, host: str, port: int) -> bytes:
    """The one client response of XOAUTH2 (Google, Microsoft) or OAUTHBEARER (RFC 7628)."""
    if mechanism == "XOAUTH2":
        return f"user={user}\1auth=Bearer {token}\1\1".encode()
    return f"n,a={user},\1host={host}\1port={port}\1auth=Bearer {token}\1\1".encode()


def client_tls(config: Config, ca_file: Path | None, field: str) -> ssl.SSLContext:
    """A TLS context that verifies the server's certificate and name, against one's own CA if there is one. Raises ConfigError."""
    try:
        return ssl.create_default_context(cafile=str(config.path(ca_file)) if ca_file else None)
    except (OSError, ssl.SSLError):
        raise ConfigError(
            f"{field}: {config.path(ca_file or Path())} cannot be read as certificates. Check the file."
        ) from None
