"""``gateway``: the command line. Commands ask and show; every rule lives in the rooms below."""

from __future__ import annotations

import typer

from gateway.cli import files, homes, ledger, out, period, service, status

app = typer.Typer(
    name="gateway",
    help="Batch files in, a balanced ledger, bank, GL and dealer files out, delivered.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (homes, service, status, files, period, ledger, out):
    module.register(app)


def main() -> None:
    app()
