"""`ombud status`: how the desk is doing, as a table, as health and as metrics. Numbers and times; never a case or a name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from desk.care.liveness import Liveness, ago, late_mailboxes, liveness
from store.context import Context
from store.kit.clock import to_text
from store.kit.errors import ConfigError, OmbudError
from store.outbox.health import Health, look

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def health_of(context: Context) -> Health:
    """How the desk is doing now. Raises StoreUnavailable."""
    with context.database.read() as session:
        return look(session)


def liveness_of(context: Context) -> Liveness:
    """Whether the service is at work. Raises StoreUnavailable."""
    with context.database.read() as session:
        return liveness(context.config, session, context.clock())


def service_works(context: Context) -> bool:
    """Whether the service runs, does what is due, and looks into its mailboxes. Raises StoreUnavailable."""
    found, now = liveness_of(context), context.clock()
    return found.works and not found.due_work and not late_mailboxes(context.config, found, now)


def is_well(context: Context, health: Health) -> bool:
    """Whether notices leave in time, the relay takes them, and none was given up that the team or the operator should have."""
    minutes = context.config.outbox.alarm_minutes
    late = minutes and health.waits_seconds(context.clock()) >= minutes * 60
    return not (late or health.away_since or health.given_up)


def lines(context: Context) -> list[tuple[str, str]]:
    """The table: what, and how much."""
    health, now = health_of(context), context.clock()
    alive = liveness_of(context)
    found = [
        (
            "service",
            alive.state
            if alive.at is None or alive.state == "runs"
            else f"{alive.state}; last at work {ago(alive.at, now)}",
        )
    ]
    found += [(part, f"last looked into {ago(at, now)}") for part, at in alive.looked.items()]
    found += [(f"{part} fails since", ago(since, now)) for part, since in alive.troubles.items()]
    found += [(f"cases {state}", str(count)) for state, count in health.cases.items()]
    found += [(f"deliveries {state}", str(count)) for state, count in health.deliveries.items()]
    late = health.waits_seconds(now)
    found.append(("oldest delivery waits since", ago(health.waiting_since, now) if late else "none is late"))
    found.append(("last mail taken in", ago(health.last_in, now)))
    found.append(("last notice sent", ago(health.last_out, now)))
    if health.away_since:
        found.append(("relay takes no mail since", f"{ago(health.away_since, now)}: {health.away_reason}"))
    if health.given_up:
        found.append(("notices given up", f"{health.given_up} for members or the operator: see 'ombud check'"))
    return found


def record(context: Context) -> dict[str, object]:
    """For scripts: numbers, and times in ISO 8601 (None for never); and the lines of the table under their own names."""
    health, now, alive = health_of(context), context.clock(), liveness_of(context)

    def moment(at: datetime | None) -> str | None:
        return to_text(at) if at else None

    return {
        **dict(lines(context)),
        "at": to_text(now),
        "well": is_well(context, health) and service_works(context),
        "service_at_work": alive.works,
        "last_at_work": moment(alive.at),
        "cases": dict(health.cases),
        "deliveries": dict(health.deliveries),
        "oldest_delivery_seconds": round(health.waits_seconds(now)),
        "waiting_since": moment(health.waiting_since) if health.waits_seconds(now) else None,
        "last_mail_in": moment(health.last_in),
        "last_notice_sent": moment(health.last_out),
        "relay_away_since": moment(health.away_since),
        "given_up": health.given_up,
    }


class Metrics(Collector):
    """What Prometheus reads: asked of the store each time."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterable[Metric]:
        """The metrics now; only `ombud_up` when the store is away."""
        try:
            health, alive = health_of(self._context), liveness_of(self._context)
        except OmbudError:
            yield GaugeMetricFamily("ombud_up", "Whether the store can be read", 0)
            return
        yield GaugeMetricFamily("ombud_up", "Whether the store can be read", 1)
        yield GaugeMetricFamily("ombud_service_at_work", "Whether the service runs, or was run by cron", alive.works)
        yield from _by_state("ombud_cases", "Cases", health.cases)
        yield from _by_state("ombud_deliveries", "Notices to one recipient each", health.deliveries)
        now = self._context.clock()
        waits = health.waits_seconds(now)
        yield GaugeMetricFamily("ombud_oldest_delivery_seconds", "For how long the oldest delivery has waited", waits)
        yield GaugeMetricFamily(
            "ombud_relay_away", "Whether the relay takes mail for nobody", health.away_since is not None
        )
        yield GaugeMetricFamily(
            "ombud_given_up", "Notices for members or the operator that were given up", health.given_up
        )
        for name, what, at in (
            ("ombud_last_mail_in_seconds", "When mail was taken in last (Unix time)", health.last_in),
            ("ombud_last_notice_sent_seconds", "When a notice left last (Unix time)", health.last_out),
            ("ombud_last_at_work_seconds", "When the service was at work last (Unix time)", alive.at),
        ):
            if at is not None:
                yield GaugeMetricFamily(name, what, at.timestamp())


def _by_state(name: str, what: str, counts: Any) -> Iterator[Metric]:
    family = GaugeMetricFamily(name, f"{what}, by state", labels=["state"])
    for state, count in counts.items():
        family.add_metric([state], count)
    yield family


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Who asks is nobody's business."""


def server(context: Context, where: str) -> WSGIServer:
    """A server of /metrics and /healthz on HOST:PORT, ready to serve. Raises ConfigError unless that is loopback and free."""
    host, _, port = where.rpartition(":")
    if host.strip("[]") not in _LOOPBACK or not port.isdecimal():
        raise ConfigError(f"--serve takes a loopback address such as 127.0.0.1:9464, not '{where}'.")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Metrics(context))
    metrics = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == "/metrics":
            return metrics(environ, start)  # type: ignore[no-any-return]
        if environ.get("PATH_INFO") != "/healthz":
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"Only /healthz and /metrics are here.\n"]
        try:
            well = is_well(context, health_of(context)) and service_works(context)
        except OmbudError:
            well = False
        start("200 OK" if well else "503 Service Unavailable", [("Content-Type", "text/plain")])
        return [b"ok\n" if well else b"not well: see 'ombud check'\n"]

    try:
        return make_server(host.strip("[]"), int(port), answer, server_class=_Server, handler_class=_Quiet)
    except OSError as error:
        raise ConfigError(f"--serve: cannot listen on {where} ({error.strerror}). Choose another port.") from None
