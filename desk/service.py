"""The running service: its listeners, mailboxes, workers and ticker, from the first to the last signal."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from desk.mailboxes import MailboxWatch
from desk.second_mailer import SecondMailer
from desk.ticker import Round, Ticker, look_at_rosters
from desk.web.server import WebServer
from desk.workers import WakeUp, Worker
from intake.doors.poller import pollers
from intake.doors.smtp import Listeners
from intake.receive import Receiver
from mailer.delivery import Mailer
from mailer.saying import render
from mailer.saying.samples import sample_values
from mailer.schedule import Schedule
from mailer.sealing.seal import Sealer
from store.context import Context, open_configured
from store.kit import presence
from store.kit.config import Config, Desk, load
from store.kit.errors import ConfigError, OmbudError
from store.kit.memory import give_memory_back
from store.openpgp.keyring import Keyring
from store.outbox import heartbeat

log = structlog.get_logger("ombud.service")


def run(config_file: Path, *, listen: bool = True) -> None:
    """Serve until SIGTERM or SIGINT; without listening when mail comes from mailboxes alone. Raises ConfigError and its like when it cannot begin."""
    os.umask(0o077)
    give_memory_back()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    config = load(config_file)
    presence.require_writable(config)
    context = open_configured(config)
    try:
        require_desk_keys(context)
        check_templates(config)
        if os.geteuid() == 0:
            log.warning("ombud runs as root: make a user for it alone, who owns the desk's folder (docs/operators.md)")
        with presence.running_service(config):
            asyncio.run(_serve(context, listen=listen))
    finally:
        context.close()


def require_desk_keys(context: Context) -> None:
    """Raise ConfigError unless the secret key of each desk is there: nothing could be sealed or signed for it."""
    secret = {key.fingerprint for key in context.keyring.secret_keys()}
    for desk in context.config.desk:
        if desk.fingerprint not in secret:
            raise ConfigError(missing_key(context.keyring, desk))


def missing_key(keyring: Keyring, desk: Desk) -> str:
    """What is said of a desk whose key is not there."""
    return f"desk.fingerprint of {desk.id}: there is no secret key {desk.fingerprint} in {keyring.home}. Import it, or correct desk.fingerprint."


def poll_once(context: Context) -> list[dict[str, object]]:
    """Empty every mailbox, then send what is due: what the service does all the time, done once for cron."""
    require_desk_keys(context)
    receiver = Receiver(context)
    found: list[dict[str, object]] = []
    for poller in pollers(context.config, receiver, MailboxWatch(context)):
        try:
            passed = poller.once()
            found.append({"mailbox": poller.title, "taken": passed.taken, "left": passed.left, "trouble": ""})
        except OmbudError as error:
            found.append({"mailbox": poller.title, "taken": 0, "left": 0, "trouble": str(error)})
        except Exception as error:
            trouble = f"{poller.title}: an error that should not be: {type(error).__name__}"
            found.append({"mailbox": poller.title, "taken": 0, "left": 0, "trouble": trouble})
    sealer = Sealer(context.keyring)
    Round(context, Schedule(context, sealer), heartbeat.POLL_ONCE).run()
    mailer = Mailer(context, sealer)
    while mailer.run_once():
        pass
    mailer.close()
    return found


def check_templates(config: Config) -> None:
    """Render each template of each desk with sample values. Raises ConfigError."""
    for desk in config.desk:
        render.check(config, desk, sample_values(desk))


async def _serve(context: Context, *, listen: bool) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    halt = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    wake_up = WakeUp()
    sealer = Sealer(context.keyring)
    second = SecondMailer(context.config)
    workers = [Worker(context, sealer, wake_up, second) for _ in range(context.config.relay.connections)]

    def wake() -> None:
        wake_up.wake()
        second.wake()

    with ThreadPoolExecutor(max_workers=2 * (os.cpu_count() or 1), thread_name_prefix="intake") as executor:
        receiver = Receiver(context, wake)
        listeners = Listeners(context.config, receiver, executor)
        schedule = Schedule(context, sealer)
        look_at_rosters(context)
        form = WebServer(context, receiver) if context.config.web.listen and listen else None
        if form is not None:
            form.bind()
        if listen:
            await listeners.open()
        if form is not None:
            form.start()
        for worker in workers:
            worker.start()
        watchers = [
            threading.Thread(target=poller.run, args=(halt,), name="imap", daemon=True)
            for poller in pollers(context.config, receiver, MailboxWatch(context))
        ]
        for watcher in watchers:
            watcher.start()
        ticker = Ticker(context, schedule, wake_up)
        ticker.start()
        log.info("ready", desks=[desk.id for desk in context.config.desk])
        await stopped.wait()
        log.info("stopping")
        await listeners.close()
        if form is not None:
            form.stop()
        ticker.stop()
        halt.set()
        for worker in workers:
            worker.stop()
        await loop.run_in_executor(None, second.stop)
        await asyncio.gather(
            *(
                loop.run_in_executor(None, worker.join, 30)
                for worker in (*workers, *watchers, ticker, *([form] if form else []))
            )
        )
