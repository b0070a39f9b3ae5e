"""What the settings files say of each other, and values that only the whole of a table makes wrong. Each mistake names the
keys that it rests on: where one of them could not be read, it is none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from gateway.home import Home
from gateway.settings import Bank, GatewaySettings, Operators
from gateway.settings_parts import Part
from gateway.settings_portfolio import PortfolioSettings
from parsers.bptmtrev import is_reason, reasons
from parsers.nacha_records import routing_problem
from parsers.nacha_rules import vendor_description_problem
from parsers.profile import Profile
from writers.text import CHARSETS, bank_text

Rested = tuple[tuple[str, ...], str]
"""The keys that a mistake rests on, and its words."""


def found(
    home: Home,
    gateway: Part[GatewaySettings],
    portfolios: Mapping[str, Part[PortfolioSettings]],
    operators: Part[Operators],
    families: Profile | None,
) -> Iterator[str]:
    """Every mistake that rests on what could be read."""
    for number, part in portfolios.items():
        file = portfolio_file(number)
        if families is not None and part.sound("reversals.default_reason"):
            yield from reason_mistake(file, part.value, families)
    for name, bank in gateway.value.banks.items():
        yield from _sound(gateway, _bank_mistakes(f"banks.{name}", bank))
    yield from _references(gateway, portfolios)
    yield from _sound(gateway, _source_mistakes(home, gateway.value))
    yield from _service_operator(gateway, operators)


def portfolio_file(number: str) -> str:
    """The settings file of a portfolio, as people know it."""
    return f"config/portfolios/p{int(number):02d}.toml"


def _sound(gateway: Part[GatewaySettings], mistakes: Iterator[Rested]) -> Iterator[str]:
    return (f"config/gateway.toml: {words}" for keys, words in mistakes if gateway.sound(*keys))


def _references(gateway: Part[GatewaySettings], portfolios: Mapping[str, Part[PortfolioSettings]]) -> Iterator[str]:
    """A name that points at nothing is a mistake here, not a surprise in the night. A table with a mistake is one."""
    if gateway.sound("banks", allow_below=True):
        for number, part in portfolios.items():
            ach = part.value.vendor_ach
            sound = part.sound("vendor_ach.used", "vendor_ach.bank")
            if sound and ach.used and ach.bank not in gateway.value.banks:
                yield (
                    f"{portfolio_file(number)}: vendor_ach.bank: found {ach.bank!r}, expected one of [banks.*] in gateway.toml "
                    f"({', '.join(gateway.value.banks) or 'there is none'})"
                )
    if not gateway.sound("endpoints", allow_below=True):
        return
    banks = gateway.value.banks.items()
    named = [(f"banks.{n}.endpoint", bank.endpoint) for n, bank in banks if gateway.sound(f"banks.{n}.endpoint")]
    for number, part in portfolios.items():
        settings = part.value
        named += [
            (f"{portfolio_file(number)}: {key}", name)
            for key, name in (
                ("gl.endpoint", settings.gl.endpoint),
                ("vendor_ach.scratch_endpoint", settings.vendor_ach.scratch_endpoint),
                ("xsellerator.endpoint", settings.xsellerator.endpoint),
            )
            if part.sound(key)
        ]
    for where, name in named:
        if name is not None and name not in gateway.value.endpoints:
            yield (
                f"{where}: found {name!r}, expected one of [endpoints.*] in gateway.toml "
                f"({', '.join(gateway.value.endpoints) or 'there is none'})"
            )


def _service_operator(gateway: Part[GatewaySettings], operators: Part[Operators]) -> Iterator[str]:
    service = gateway.value.service
    asked = gateway.sound("service.operator") and operators.sound("operators", allow_below=True)
    if asked and "operator" in service.model_fields_set and service.operator not in operators.value.operators:
        yield (
            f"config/gateway.toml: service.operator: found {service.operator!r}, expected one of [operators.*] in "
            f"operators.toml ({', '.join(operators.value.operators)})"
        )


def _source_mistakes(home: Home, gateway: GatewaySettings) -> Iterator[Rested]:
    """Folders whose files would be taken twice, or are the gateway's own: a bank file that waits to leave is nobody's drop."""
    root, seen = home.root.resolve(), dict[Path, str]()
    ours = [folder.resolve() for folder in (home.config, home.outbox, home.var)]
    for name, source in gateway.sources.items():
        path = (home.root / source.path).resolve()
        key = f"sources.{name}.path"
        where = f"{key}: found {source.path!r}"
        if path == root or any(path.is_relative_to(folder) for folder in ours):
            yield (
                (key,),
                f"{where}, where the gateway keeps files of its own, expected a folder for those that are dropped",
            )
        elif (other := seen.setdefault(path, name)) != name:
            yield (
                (key, f"sources.{other}.path"),
                f"{where}, the folder of sources.{other}, expected one table for each folder",
            )


def reason_mistake(where: str, settings: PortfolioSettings, inbound: Profile) -> Iterator[str]:
    """A default reason that no line of a file could give."""
    reason = settings.reversals.default_reason
    if not is_reason(reason, inbound):
        yield f"{where}: reversals.default_reason: found {shown(reason)}, expected {reasons(inbound)}"


def _bank_mistakes(where: str, bank: Bank) -> Iterator[Rested]:
    """What a file for this bank could not hold, and file names that would be anybody's."""
    texts = [
        ("name", bank.name, 23), ("origin_name", bank.origin_name, 23), ("company_name", bank.company_name, 16),
        ("entry_description", bank.entry_description, 10), ("prenote_description", bank.prenote_description, 10),
        *((f"entry_descriptions.{sec}", text, 10) for sec, text in bank.entry_descriptions.items()),
        ("discretionary_data", bank.discretionary_data, 20), ("reference_code", bank.reference_code, 8),
    ]  # fmt: skip
    for key, text, width in texts:
        made = bank_text(text, CHARSETS[bank.character_set])
        if made.problem is not None:
            needs = (f"{where}.{key}", f"{where}.character_set")
            yield (
                needs,
                f"{where}.{key}: found {text!r}, expected characters of character_set {bank.character_set!r}: {made.problem}",
            )
        elif len(made.text) > width:
            yield (
                (f"{where}.{key}", f"{where}.character_set"),
                f"{where}.{key}: found {text!r}, expected at most {width} characters",
            )
    for key, text, sec in (
        ("entry_description", bank.entry_description, None), ("prenote_description", bank.prenote_description, None),
        *((f"entry_descriptions.{sec}", text, sec) for sec, text in bank.entry_descriptions.items()),
    ):  # fmt: skip
        if problem := vendor_description_problem(text, sec):
            yield (f"{where}.{key}",), f"{where}.{key}: found {text!r}, expected what the vendor is paid for: {problem}"
    to, destination = bank.immediate_destination, (f"{where}.immediate_destination",)
    digits = to.removeprefix(" ")
    if to and not re.fullmatch(r"[A-Z0-9 ]{1,10}", to):
        yield (
            destination,
            f"{where}.immediate_destination: found {to!r}, expected at most 10 digits or capitals, or '' for the routing number",
        )
    elif re.fullmatch(r"\d{9}", digits) and (problem := routing_problem(digits)):
        yield destination, f"{where}.immediate_destination: found {to!r}, expected a routing number: {problem}"
    elif to and not to.strip():
        yield (
            destination,
            f"{where}.immediate_destination: found {to!r}, expected the bank's number, or '' for its routing number",
        )
    if re.fullmatch(r"\d{9}|[A-Z0-9 ]{10}", bank.immediate_origin) is None or not bank.immediate_origin.strip():
        yield (
            (f"{where}.immediate_origin",),
            f"{where}.immediate_origin: found {bank.immediate_origin!r}, expected what the bank assigned: 10 digits or "
            "capitals, or 9 digits",
        )
    for key, patterns in (("answers", bank.answers), ("acknowledgements.files", bank.acknowledgements.files)):
        for pattern in patterns:
            if not re.search(r"[A-Za-z0-9]", pattern.replace("{name}", "")):
                yield (
                    (f"{where}.{key}",),
                    f"{where}.{key}: found {pattern!r}, expected letters or digits that tell the bank's files from all others, "
                    "such as RTN*.ach",
                )


_LONG: Final = 60
"""Characters of a value that a mistake repeats."""


def shown(value: Any) -> str:
    """A value as it was written, a long one by its beginning; of a table only that it is one: its values are others' keys."""
    if isinstance(value, Mapping):
        return "a table"
    text = repr(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"
