"""``gateway run``: the service. Watches, posts, closes the day at its hour, delivers; SIGTERM ends it cleanly."""

from __future__ import annotations

import typer

from gateway.cli.common import Session, command
from gateway.home import Home
from gateway.service import Service
from gateway.settings_reading import load_settings


def register(app: typer.Typer) -> None:
    command(app, "run", example="gateway run --home /srv/lease-gateway")(run)


def run(session: Session) -> None:
    """Watch the inbox, post, run End of Period at its hour, deliver what is released. Ends on SIGTERM or Ctrl-C.
    Acts under service.operator of config/gateway.toml, which must be a code of
    the user it runs as; where there is none of that code, under your own."""
    home = Home(session.home.resolve())
    if session.operator is None and home.settings_file.is_file():
        settings = load_settings(home)
        code = settings.gateway.service.operator
        session.operator = code if code in settings.operators.operators else None
    app = session.app
    app.operator.require("post", "running the service")
    service = Service(app)
    if not session.as_json:
        sources = ", ".join(source.path for source in app.settings.gateway.sources.values())
        print(f"Watching {sources} in {app.home.root}. Events go to var/log/gateway.log. Stop with Ctrl-C.", flush=True)
    service.run_until_signal()
    session.show({"stopped": True}, "Stopped; what was committed stands, the rest is taken up by the next start.")
