"""Asking rspamd what it makes of a mail, and telling it what readers found, over HTTP (its protocol: rspamd.com/doc)."""

from __future__ import annotations

from urllib.parse import quote

import requests

from intake.arrival import Envelope
from intake.filters.headers import of_action, of_score, worst
from store.kit.config import Config
from store.kit.errors import ConfigError
from store.kit.secrets import read_secret
from store.tables.records import Filtered

_AGAIN = (401, 403, 429)


class FilterAway(Exception):
    """The filter does not answer."""


def ask(config: Config, envelope: Envelope) -> Filtered:
    """What the filter makes of a mail. Raises FilterAway: then it is taken for no junk."""
    told = {
        "From": quote(envelope.sender or ""), "Rcpt": quote(", ".join(envelope.recipients)[:2000]),
        "IP": envelope.peer, "Helo": quote(envelope.helo[:255]),
    }  # fmt: skip
    try:
        answer = requests.post(
            f"{config.junk.rspamd}/checkv2", data=envelope.raw, timeout=config.junk.seconds, allow_redirects=False,
            headers={name: value for name, value in told.items() if value},
        )  # fmt: skip
        answer.raise_for_status()
        found = answer.json()
        by_action = of_action(str(found.get("action", "")))
        if by_action == "junk":
            return "junk"
        if found.get("is_skipped"):
            return ""
        thresholds = found.get("thresholds") or {}
        limit = float(thresholds.get("add header") or found["required_score"])
        return worst([by_action, of_score(float(found["score"]), limit)])
    except (requests.RequestException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FilterAway(
            f"rspamd does not answer as it should ({type(error).__name__}). Check [junk] rspamd."
        ) from None


def trouble(config: Config) -> str:
    """Why the filter cannot be asked or taught now, with the remedy; empty when it can."""
    for field, url in (("rspamd", config.junk.rspamd), ("controller", config.junk.controller)):
        try:
            if url:
                requests.get(f"{url}/ping", timeout=config.junk.seconds, allow_redirects=False).raise_for_status()
        except requests.RequestException as error:
            return f"{url} does not answer ({type(error).__name__}). Check [junk] {field}, and whether rspamd runs."
    try:
        _password(config)
    except FilterAway as error:
        return str(error)
    return ""


def teach(config: Config, raw: bytes, kind: str) -> None:
    """Tell the filter that a mail is `spam` or `ham`. Raises FilterAway: it is tried again."""
    try:
        answer = requests.post(
            f"{config.junk.controller}/learn{kind}", data=raw, timeout=config.junk.seconds, allow_redirects=False,
            headers={"Password": _password(config)},
        )  # fmt: skip
        if answer.status_code in _AGAIN or answer.status_code >= 500:
            answer.raise_for_status()
        # What it knows already, or has too few words to learn from, it refuses with a reason: that is an answer.
        answer.json()
    except (requests.RequestException, ValueError) as error:
        raise FilterAway(
            f"rspamd did not learn ({type(error).__name__}). Check [junk] controller and password_file."
        ) from None


def _password(config: Config) -> str:
    if config.junk.password_file is None:
        return ""
    try:
        return read_secret(config, config.junk.password_file)
    except ConfigError as error:
        raise FilterAway(str(error)) from None
