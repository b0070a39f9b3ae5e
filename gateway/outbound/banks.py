"""The bank that a frozen file was built for: what leaves later goes by its settings, whatever the portfolio names by then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.app import App
from gateway.errors import Refused
from gateway.settings import Bank


def bank_name(app: App, header: Mapping[str, Any], portfolio: str) -> str:
    """From the file's frozen header; what an earlier version built does not say, and is of the portfolio's bank."""
    return str(header.get("bank") or app.settings.portfolio(portfolio).vendor_ach.bank or "")


def bank_of(app: App, header: Mapping[str, Any], portfolio: str) -> Bank | None:
    """None where the settings do not name it any more."""
    return app.settings.gateway.banks.get(bank_name(app, header, portfolio))


def required_bank(app: App, header: Mapping[str, Any], portfolio: str, action: str) -> Bank:
    """Raises Refused where the settings do not name it any more: how it wants its files is not known then."""
    found = bank_of(app, header, portfolio)
    if found is None:
        name = bank_name(app, header, portfolio)
        raise Refused(
            f"{action}: found it built for bank {name or '(none)'}, which config/gateway.toml does not name any more, expected "
            f"a table [banks.{name or 'NAME'}]; put it back, or reject the file and build it again"
        )
    return found
