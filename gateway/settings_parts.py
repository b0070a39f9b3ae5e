"""What of a settings file is sound, though other keys of it are not: so that what rests on the sound ones is checked in the
same round. Nothing works with such a part: the mistake that is in it ends every command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar, cast, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from gateway.settings_types import Model

M = TypeVar("M", bound=Model)
_ALL: Final = ""


@dataclass(frozen=True, slots=True)
class Part(Generic[M]):
    """Settings as they were read. ``broken`` are the dotted keys that could not be, where ``value`` has a stand-in: their
    default, or nothing."""

    value: M
    broken: frozenset[str] = field(default=frozenset())

    def sound(self, *keys: str, allow_below: bool = False) -> bool:
        """Whether these keys, with all above them and (unless allowed) below them, were read as they stand."""
        return not any(
            _above(broken, key) or (not allow_below and broken.startswith(f"{key}."))
            for broken in self.broken
            for key in keys
        )


def unread(model: type[M]) -> Part[M]:
    """Of a file that could not be read at all."""
    return Part(model(), frozenset({_ALL}))


def sound_part(model: type[M], content: Mapping[str, Any]) -> Part[M]:
    """The part of a file's content that is sound, key by key. Rules that hold several keys together are not asked."""
    broken: set[str] = set()
    return Part(_built(model, content, "", broken), frozenset(broken))


def _above(broken: str, key: str) -> bool:
    return broken in (_ALL, key) or key.startswith(f"{broken}.")


def _built(model: type[M], content: Mapping[str, Any], path: str, broken: set[str]) -> M:
    values: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        where = f"{path}{name}"
        if name in content:
            try:
                values[name] = _value(info.annotation, info.rebuild_annotation(), content[name], where, broken)
                continue
            except ValidationError:
                broken.add(where)
        elif info.is_required():
            broken.add(where)
        values[name] = "" if info.is_required() else info.get_default(call_default_factory=True)
    return cast(M, model.model_construct({name for name in values if name in content}, **values))


def _value(annotation: Any, whole: Any, value: Any, where: str, broken: set[str]) -> Any:
    """A table key by key, tables by name one by one, anything else as it is. Raises ValidationError."""
    models = [m for m in (annotation, *get_args(annotation)) if isinstance(m, type) and issubclass(m, BaseModel)]
    if isinstance(value, Mapping) and models:
        model = cast(type[Model], models[0])
        if not _is_mapping(annotation):
            return _built(model, value, f"{where}.", broken)
        tables = {name: table for name, table in value.items() if isinstance(table, Mapping)}
        broken.update(f"{where}.{name}" for name in value if name not in tables)
        return {name: _built(model, table, f"{where}.{name}.", broken) for name, table in tables.items()}
    return TypeAdapter(whole).validate_python(value)


def _is_mapping(annotation: Any) -> bool:
    origin = get_origin(annotation)
    return isinstance(origin, type) and issubclass(origin, Mapping)
