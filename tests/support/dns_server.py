"""A name server for tests: on a loopback port, with a few names of its own."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


@dataclass
class Names:
    """What the server knows, as texts of records by name and kind; it can be made to say nothing at all."""

    known: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    silent: bool = False
    asked: list[str] = field(default_factory=list)
    port: int = 0

    def add(self, name: str, kind: str, *values: str) -> None:
        """Let a name have records; a TXT record is quoted here."""
        texts = [_quoted(value) if kind == "TXT" else value for value in values]
        self.known[name, kind] = texts


@contextmanager
def name_server(records: Mapping[tuple[str, str], list[str]] | None = None) -> Iterator[Names]:
    """A server for as long as the block lasts."""
    names = Names()
    for (name, kind), values in (records or {}).items():
        names.add(name, kind, *values)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            octets, socket = self.request
            if not names.silent:
                socket.sendto(_answer(names, octets), self.client_address)

    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler) as server:
        names.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield names
        finally:
            server.shutdown()
            thread.join()


def _answer(names: Names, octets: bytes) -> bytes:
    query = dns.message.from_wire(octets)
    question = query.question[0]
    name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
    names.asked.append(name)
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.RA
    if found := names.known.get((name, kind)):
        answer.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, found))
    elif not any(known == name for known, _ in names.known):
        answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer.to_wire(max_size=4096)


def _quoted(text: str) -> str:
    return " ".join(f'"{text[at : at + 250]}"' for at in range(0, len(text), 250))
