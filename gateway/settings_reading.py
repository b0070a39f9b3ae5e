"""Settings read from ``config/*.toml``: every mistake of every file is found and told together, in our words."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.errors import SettingsError
from gateway.home import Home
from gateway.settings import Bank, GatewaySettings, Operators, Settings, Source
from gateway.settings_portfolio import PortfolioSettings
from gateway.settings_types import Model
from parsers.bptmtrev import is_reason, reasons
from parsers.nacha_records import routing_problem
from parsers.nacha_rules import vendor_description_problem
from parsers.profile import DEFAULT, Profile, ProfileError, profile_from_mapping
from parsers.xsellerator_profile import XselProfileError
from parsers.xsellerator_profile import profile_from_mapping as xsel_profile_from_mapping
from writers.text import CHARSETS, bank_text

M = TypeVar("M", bound=Model)


def load_settings(home: Home) -> Settings:
    """Read and check every file below ``config``. Raises SettingsError with all mistakes at once."""
    mistakes: list[str] = []
    read_gateway = _model(home, home.settings_file, GatewaySettings, mistakes)
    gateway = read_gateway or GatewaySettings()
    portfolios: dict[str, PortfolioSettings] = {}
    for path in sorted(home.portfolios.glob("*.toml")):
        number = path.stem[1:].lstrip("0")
        if path.stem[:1] != "p" or not number.isdigit() or not 1 <= int(number) <= 99 or len(path.stem) != 3:
            mistakes.append(f"{_short(home, path)}: found name {path.name}, expected p01.toml to p99.toml: rename it")
            continue
        read = _model(home, path, PortfolioSettings, mistakes)
        if read is not None:
            portfolios[number] = read
    operators = _model(home, home.operators_file, Operators, mistakes) or Operators()
    inbound = xsellerator = None
    try:
        inbound = profile_from_mapping(DEFAULT, _toml(home, home.formats / "inbound.toml", mistakes))
    except ProfileError as error:
        mistakes += [f"config/formats/inbound.toml: {m}" for m in error.mistakes]
    try:
        xsellerator = xsel_profile_from_mapping(_toml(home, home.formats / "xsellerator.toml", mistakes))
    except XselProfileError as error:
        mistakes += [f"config/formats/xsellerator.toml: {m}" for m in error.mistakes]
    if inbound is not None:
        mistakes += _reason_mistakes(portfolios, inbound)
    for name, bank in gateway.banks.items():
        mistakes += _bank_mistakes(f"config/gateway.toml: banks.{name}", bank)
    if read_gateway is not None:  # what could not be read names nothing
        _check_references(gateway, portfolios, mistakes)
        mistakes += _source_mistakes(home, gateway.sources)
    if "operator" in gateway.service.model_fields_set and gateway.service.operator not in operators.operators:
        mistakes.append(
            f"config/gateway.toml: service.operator: found {gateway.service.operator!r}, expected one of [operators.*] in "
            f"operators.toml ({', '.join(operators.operators)})"
        )
    if mistakes or inbound is None or xsellerator is None:
        raise SettingsError(mistakes)
    return Settings(gateway, portfolios, operators, inbound, xsellerator)


def _check_references(
    gateway: GatewaySettings, portfolios: Mapping[str, PortfolioSettings], mistakes: list[str]
) -> None:
    """A name that points at nothing is a mistake here, not a surprise in the night."""
    endpoints = [(f"banks.{n}.endpoint", bank.endpoint) for n, bank in gateway.banks.items()]
    for number, settings in portfolios.items():
        file = f"config/portfolios/p{int(number):02d}.toml"
        endpoints += [
            (f"{file}: gl.endpoint", settings.gl.endpoint),
            (f"{file}: vendor_ach.scratch_endpoint", settings.vendor_ach.scratch_endpoint),
            (f"{file}: xsellerator.endpoint", settings.xsellerator.endpoint),
        ]
        bank = settings.vendor_ach.bank
        if settings.vendor_ach.used and bank not in gateway.banks:
            mistakes.append(
                f"{file}: vendor_ach.bank: found {bank!r}, expected one of [banks.*] in gateway.toml "
                f"({', '.join(gateway.banks) or 'there is none'})"
            )
    mistakes += [
        f"{where}: found {name!r}, expected one of [endpoints.*] in gateway.toml "
        f"({', '.join(gateway.endpoints) or 'there is none'})"
        for where, name in endpoints
        if name is not None and name not in gateway.endpoints
    ]


def _source_mistakes(home: Home, sources: Mapping[str, Source]) -> Iterator[str]:
    """Folders whose files would be taken twice, or are the gateway's own: a bank file that waits to leave is nobody's drop."""
    root, seen = home.root.resolve(), dict[Path, str]()
    ours = [folder.resolve() for folder in (home.config, home.outbox, home.var)]
    for name, source in sources.items():
        path = (home.root / source.path).resolve()
        where = f"config/gateway.toml: sources.{name}.path: found {source.path!r}"
        if path == root or any(path.is_relative_to(folder) for folder in ours):
            yield f"{where}, where the gateway keeps files of its own, expected a folder for those that are dropped"
        elif (other := seen.setdefault(path, name)) != name:
            yield f"{where}, the folder of sources.{other}, expected one table for each folder"


def _reason_mistakes(portfolios: Mapping[str, PortfolioSettings], inbound: Profile) -> Iterator[str]:
    """Default reasons that no line of a file could give."""
    for number, settings in portfolios.items():
        reason = settings.reversals.default_reason
        if not is_reason(reason, inbound):
            yield (
                f"config/portfolios/p{int(number):02d}.toml: reversals.default_reason: found {_found(reason)}, expected "
                f"{reasons(inbound)}"
            )


def _bank_mistakes(where: str, bank: Bank) -> Iterator[str]:
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
            yield f"{where}.{key}: found {text!r}, expected characters of character_set {bank.character_set!r}: {made.problem}"
        elif len(made.text) > width:
            yield f"{where}.{key}: found {text!r}, expected at most {width} characters"
    for key, text, sec in (
        ("entry_description", bank.entry_description, None), ("prenote_description", bank.prenote_description, None),
        *((f"entry_descriptions.{sec}", text, sec) for sec, text in bank.entry_descriptions.items()),
    ):  # fmt: skip
        if problem := vendor_description_problem(text, sec):
            yield f"{where}.{key}: found {text!r}, expected what the vendor is paid for: {problem}"
    to = bank.immediate_destination
    digits = to.removeprefix(" ")
    if to and not re.fullmatch(r"[A-Z0-9 ]{1,10}", to):
        yield f"{where}.immediate_destination: found {to!r}, expected at most 10 digits or capitals, or '' for the routing number"
    elif re.fullmatch(r"\d{9}", digits) and (problem := routing_problem(digits)):
        yield f"{where}.immediate_destination: found {to!r}, expected a routing number: {problem}"
    elif to and not to.strip():
        yield f"{where}.immediate_destination: found {to!r}, expected the bank's number, or '' for its routing number"
    if re.fullmatch(r"\d{9}|[A-Z0-9 ]{10}", bank.immediate_origin) is None or not bank.immediate_origin.strip():
        yield (
            f"{where}.immediate_origin: found {bank.immediate_origin!r}, expected what the bank assigned: 10 digits or "
            "capitals, or 9 digits"
        )
    for key, patterns in (("answers", bank.answers), ("acknowledgements.files", bank.acknowledgements.files)):
        for pattern in patterns:
            if not re.search(r"[A-Za-z0-9]", pattern.replace("{name}", "")):
                yield (
                    f"{where}.{key}: found {pattern!r}, expected letters or digits that tell the bank's files from all others, "
                    "such as RTN*.ach"
                )


def _short(home: Home, path: Path) -> str:
    return str(path.relative_to(home.root))


def _toml(home: Home, path: Path, mistakes: list[str]) -> dict[str, Any]:
    """The parsed file; an absent file is an empty one."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        mistakes.append(f"{_short(home, path)}: {_unreadable(error)}")
        return {}


def _unreadable(error: Exception) -> str:
    """Why a file is no TOML; the parser's own words name the place, not what to do."""
    if isinstance(error, UnicodeDecodeError):
        line = error.object.count(b"\n", 0, error.start) + 1
        return f"line {line}: found the byte 0x{error.object[error.start]:02X}, expected UTF-8: save the file in it"
    if not isinstance(error, tomllib.TOMLDecodeError):
        return str(error)
    if twice := re.fullmatch(r"Cannot declare \((.+?),?\) twice \(at (line \d+), .+\)", str(error)):
        table = ".".join(re.findall(r"'(.*?)'", twice[1]))
        return f"{twice[2]}: found the table [{table}] again, expected it once: write the keys below the first one"
    return (
        f'found no TOML: {error}; expected KEY = VALUE, with quotes around texts and around numbers such as "091000019"'
    )


def _model(home: Home, path: Path, model: type[M], mistakes: list[str]) -> M | None:
    before = len(mistakes)
    content = _toml(home, path, mistakes)
    if len(mistakes) > before:
        return None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        mistakes += [f"{_short(home, path)}: {_mistake(model, problem)}" for problem in error.errors()]
        return None


def _mistake(model: type[BaseModel], problem: ErrorDetails) -> str:
    """One mistake in our words: the key, what was found (never of a secret), what was expected."""
    loc = problem["loc"]
    where = ".".join(str(part) for part in loc)
    if problem["type"] == "extra_forbidden":
        names = _keys(model, loc[:-1])
        near = get_close_matches(str(loc[-1]), names, 1, 0.6)
        return f"{where}: found an unknown key, expected {near[0] if near else 'one of ' + ', '.join(names)}"
    if problem["type"] == "missing":
        return f"{where}: found no value, expected one"
    message = problem["msg"].replace("Input should be", "expected").replace("Value error, ", "")
    message = message.removeprefix("String should match pattern ").removesuffix(
        ", unable to parse string as an integer"
    )
    if message.startswith("found "):
        return f"{where}: {message}"
    if problem["type"] == "string_pattern_mismatch":
        message = f"expected the form {message}"
    return f"{where}: found {_found(problem['input'])}, {message}"


_LONG: Final = 60
"""Characters of a value that a mistake repeats."""


def _found(value: Any) -> str:
    """A value as it was written, a long one by its beginning; of a table only that it is one: its values are others' keys."""
    if isinstance(value, Mapping):
        return "a table"
    text = repr(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def _keys(model: Any, loc: Sequence[int | str]) -> list[str]:
    """The keys of the table at ``loc``; steps through names of tables of the same kind."""
    for part in loc:
        if isinstance(model, type) and issubclass(model, BaseModel) and part in model.model_fields:
            model = model.model_fields[str(part)].annotation
        args = [a for a in get_args(model) if isinstance(a, type) and issubclass(a, BaseModel)]
        model = args[0] if args else model
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
