"""Commands as messages tell people to type them, so that a message that sends somebody to do a thing names it whole."""

from __future__ import annotations

from gateway.money import from_cents

WHY = "--reason WHY"


def assess_command(
    charge: str, cents: int, *, lease: str | None = None, asset: str | None = None, to: str | None = None
) -> str:
    """A charge put on the asset, or else on the lease. ``to`` is the option that names the invoice; None: the next one."""
    on = f"--asset {asset}" if asset else f"--lease {lease}"
    where = f" {to}" if to is not None else ""
    return f"gateway assess {on} --charge {charge} --amount {from_cents(cents)}{where} {WHY}"


def waive_command(invoice: str, charge: str, cents: int, asset: str | None = None) -> str:
    on = f" --asset {asset}" if asset else ""
    return f"gateway waive {invoice} {charge} {from_cents(cents)}{on} {WHY}"


def unwaive_command(unit: int) -> str:
    """The waiver of that posting unit taken back."""
    return f"gateway waive --undo {unit} {WHY}"
