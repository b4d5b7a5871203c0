"""The little of Mozilla's Marionette protocol that a test needs: run a script inside the program."""

from __future__ import annotations

import json
import socket
from typing import Any

_SPARE_SECONDS = 10
# For scripts: looks again and again until there is something, or until the command has taken too long.
_UNTIL = """
const until = async look => {
    for (;;) {
        const found = await look();
        if (found) return found;
        await new Promise(resolve => setTimeout(resolve, 20));
    }
};
"""


class ScriptError(Exception):
    """What a script inside the program threw, or that it did not end."""


class Marionette:
    """A connection to a Mozilla program that was started with --marionette."""

    def __init__(self, port: int, seconds: float, *, pages: bool = False) -> None:
        """Connect, and work with the program's own windows, or with the pages in them. `seconds` bounds each command."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=seconds + _SPARE_SECONDS)
        self._reader = self._socket.makefile("rb")
        self._count = 0
        self._read()  # the greeting
        self._call("WebDriver:NewSession", {})
        self._call("WebDriver:SetTimeouts", {"script": int(seconds * 1000)})
        self._call("Marionette:SetContext", {"value": "content" if pages else "chrome"})

    def go_to(self, url: str) -> None:
        """Load a page."""
        self._call("WebDriver:Navigate", {"url": url})

    def run(self, script: str, *values: object) -> Any:
        """What the body of an async function returns; the values are its `arguments`, and `until` is at hand.

        Raises ScriptError with what it threw, or when it took too long.
        """
        body = f"const run = async function () {{ {_UNTIL} {script} }}; const done = arguments[arguments.length - 1];"
        body += "run.apply(null, arguments).then(value => done({value}), error => done({error: `${error} ${error.stack}`}));"
        answer = self._call("WebDriver:ExecuteAsyncScript", {"script": body, "args": values})
        found = answer["value"]
        if "error" in found:
            raise ScriptError(found["error"])
        return found.get("value")

    def close(self) -> None:
        """Close the connection."""
        self._reader.close()
        self._socket.close()

    def _call(self, name: str, values: dict[str, object]) -> Any:
        self._count += 1
        octets = json.dumps([0, self._count, name, values]).encode()
        self._socket.sendall(b"%d:%s" % (len(octets), octets))
        _, _, error, result = self._read()
        if error:
            raise ScriptError(f"{name}: {error['message']}")
        return result

    def _read(self) -> Any:
        length = b""
        while (octet := self._reader.read(1)) != b":":
            if not octet:
                raise ScriptError("the program closed the connection")
            length += octet
        return json.loads(self._reader.read(int(length)))
