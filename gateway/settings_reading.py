"""Settings read from ``config/*.toml``: every mistake of every file is found and told together, in our words."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway import settings_checks as checks
from gateway.errors import SettingsError
from gateway.home import Home
from gateway.settings import GatewaySettings, Operators, Settings
from gateway.settings_checks import shown
from gateway.settings_parts import Part, sound_part, unread
from gateway.settings_portfolio import PortfolioSettings
from gateway.settings_types import Model
from parsers.profile import DEFAULT, Profile, ProfileError, profile_from_mapping
from parsers.xsellerator_profile import XselProfile, XselProfileError
from parsers.xsellerator_profile import profile_from_mapping as xsel_profile_from_mapping

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Reading:
    """Every file below ``config`` as far as it could be read, and all mistakes. ``families`` is the inbound profile as far as
    reasons go; profiles are None where they could not be read."""

    gateway: Part[GatewaySettings]
    portfolios: Mapping[str, Part[PortfolioSettings]]
    operators: Part[Operators]
    inbound: Profile | None
    families: Profile | None
    xsellerator: XselProfile | None
    mistakes: tuple[str, ...]


def load_settings(home: Home) -> Settings:
    """Read and check every file below ``config``. Raises SettingsError with all mistakes at once."""
    read = read_settings(home)
    if read.mistakes or read.inbound is None or read.xsellerator is None:
        raise SettingsError(read.mistakes)
    portfolios = {number: part.value for number, part in read.portfolios.items()}
    return Settings(read.gateway.value, portfolios, read.operators.value, read.inbound, read.xsellerator)


def read_settings(home: Home) -> Reading:
    """The same, with what is sound beside the mistakes. A mistake hides no other that does not rest on it."""
    mistakes: list[str] = []
    gateway = _model(home, home.settings_file, GatewaySettings, mistakes)
    portfolios: dict[str, Part[PortfolioSettings]] = {}
    for path in sorted(home.portfolios.glob("*.toml")):
        number = path.stem[1:].lstrip("0")
        if path.stem[:1] != "p" or not number.isdigit() or not 1 <= int(number) <= 99 or len(path.stem) != 3:
            mistakes.append(f"{_short(home, path)}: found name {path.name}, expected p01.toml to p99.toml: rename it")
            continue
        portfolios[number] = _model(home, path, PortfolioSettings, mistakes)
    operators = _model(home, home.operators_file, Operators, mistakes)
    inbound, families = _inbound(home, mistakes)
    xsellerator = None
    try:
        xsellerator = xsel_profile_from_mapping(_toml(home, home.formats / "xsellerator.toml", mistakes))
    except XselProfileError as error:
        mistakes += [f"config/formats/xsellerator.toml: {m}" for m in error.mistakes]
    mistakes += checks.found(home, gateway, portfolios, operators, families)
    return Reading(gateway, portfolios, operators, inbound, families, xsellerator, tuple(mistakes))


def _inbound(home: Home, mistakes: list[str]) -> tuple[Profile | None, Profile | None]:
    """The profile, and what it says of reasons, which may be sound alone."""
    before = len(mistakes)
    content = _toml(home, home.formats / "inbound.toml", mistakes)
    if len(mistakes) > before:
        return None, None
    try:
        profile = profile_from_mapping(DEFAULT, content)
        return profile, profile
    except ProfileError as error:
        mistakes += [f"config/formats/inbound.toml: {m}" for m in error.mistakes]
    try:
        return None, profile_from_mapping(DEFAULT, {k: content[k] for k in ("widths", "reversals") if k in content})
    except ProfileError:
        return None, None


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
        why = error.strerror if isinstance(error, OSError) else str(error)
        return (
            f"found no way to read it ({why}), expected a file that whoever works in this home may read: ask its owner"
        )
    if twice := re.fullmatch(r"Cannot declare \((.+?),?\) twice \(at (line \d+), .+\)", str(error)):
        table = ".".join(re.findall(r"'(.*?)'", twice[1]))
        return f"{twice[2]}: found the table [{table}] again, expected it once: write the keys below the first one"
    return (
        f'found no TOML: {error}; expected KEY = VALUE, with quotes around texts and around numbers such as "091000019"'
    )


def _model(home: Home, path: Path, model: type[M], mistakes: list[str]) -> Part[M]:
    before = len(mistakes)
    content = _toml(home, path, mistakes)
    if len(mistakes) > before:
        return unread(model)
    try:
        return Part(model.model_validate(content))
    except ValidationError as error:
        mistakes += [f"{_short(home, path)}: {_mistake(model, problem)}" for problem in error.errors()]
        part, more = sound_part(model, content)
        mistakes += [f"{_short(home, path)}: {words}" for words in more]
        return part


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
    return f"{where}: found {shown(problem['input'])}, {message}"


def _keys(model: Any, loc: Sequence[int | str]) -> list[str]:
    """The keys of the table at ``loc``; steps through names of tables of the same kind."""
    for part in loc:
        if isinstance(model, type) and issubclass(model, BaseModel) and part in model.model_fields:
            model = model.model_fields[str(part)].annotation
        args = [a for a in get_args(model) if isinstance(a, type) and issubclass(a, BaseModel)]
        model = args[0] if args else model
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
