"""`ombud web`: the web form by itself, and as files for another web server."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from desk import logs
from desk.commands.options import ConfigOption, DeskOption, chosen_desk, opened
from store.kit.errors import ConfigError

web_app = typer.Typer(help="The web form. 'ombud run' serves it too, where [web] listen is set.", no_args_is_help=True)


@web_app.command("serve")
def serve(config: ConfigOption = None) -> None:
    """Serve the form alone. What comes in is kept; 'ombud run', elsewhere, sends the notices."""
    from desk.web.server import WebServer
    from intake.receive import Receiver

    logs.set_up()
    stopped = threading.Event()
    with opened(config) as context:
        if not context.config.web.listen:
            raise ConfigError(
                "web.listen: is empty. Set it to 127.0.0.1:8025 or unix:web.sock, for the web server in front of it."
            )
        server = WebServer(context, Receiver(context))
        server.bind()
        server.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        while server.is_alive() and not stopped.wait(0.5):
            pass
        server.stop()
        server.join(30)


@web_app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="Where the files go.")],
    config: ConfigOption = None,
    desk: DeskOption = None,
    post_to: Annotated[
        str,
        typer.Option(
            "--post-to",
            help="Where the form of the desk is served, as https://report.example.org; without it people mail what is sealed.",
        ),
    ] = "",
) -> None:
    """Write the form as files that any web server can serve. Who is on duty is as it is today."""
    from desk.web.export import write_site

    with opened(config) as context:
        written = write_site(context, chosen_desk(context.config.desk, desk), folder, post_to.rstrip("/"))
    print(
        f"{len(written)} files are in {folder}. Serve them as they are; write them again when the team or its key changes."
    )
