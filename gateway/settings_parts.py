"""What of a settings file is sound, though other keys of it are not: so that what rests on the sound ones is checked in the
same round. Nothing works with such a part: the mistake that is in it ends every command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar, cast, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

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
            _above(broken, key) or (not allow_below and _below(broken, key)) for broken in self.broken for key in keys
        )


def unread(model: type[M]) -> Part[M]:
    """Of a file that could not be read at all."""
    return Part(model(), frozenset({_ALL}))


def sound_part(model: type[M], content: Mapping[str, Any]) -> tuple[Part[M], list[str]]:
    """The part of a file's content that is sound, key by key; and what the rules of its tables, which are not asked while a
    key of the table is broken, say of the keys that are not."""
    reader = _Reader()
    return Part(reader.built(model, content, ""), frozenset(reader.broken)), reader.mistakes


def _above(broken: str, key: str) -> bool:
    return broken in (_ALL, key) or key.startswith(f"{broken}.")


@dataclass(slots=True)
class _Reader:
    broken: set[str] = field(default_factory=set)
    mistakes: list[str] = field(default_factory=list)

    def built(self, model: type[M], content: Mapping[str, Any], path: str) -> M:
        values: dict[str, Any] = {}
        for name, info in model.model_fields.items():
            where = f"{path}{name}"
            if name in content:
                try:
                    values[name] = self.value(info.annotation, info.rebuild_annotation(), content[name], where)
                    continue
                except ValidationError:
                    self.broken.add(where)
            elif info.is_required():
                self.broken.add(where)
            values[name] = "" if info.is_required() else info.get_default(call_default_factory=True)
        made = cast(M, model.model_construct({name for name in values if name in content}, **values))
        self.ask(made, path)
        return made

    def ask(self, made: Model, path: str) -> None:
        """The rules of a table, where validation has not asked them. One that looks at a broken key says nothing."""
        broken = [name for name in type(made).model_fields if any(_below(b, f"{path}{name}") for b in self.broken)]
        if not broken:
            return
        rest = made.model_copy()
        for name in broken:
            del rest.__dict__[name]
        for rule in type(made).__pydantic_decorators__.model_validators.values():
            try:
                rule.func(rest)
            except AttributeError:  # it was not there to be looked at
                continue
            except PydanticCustomError as wrong:
                self.mistakes.append(f"{path.removesuffix('.')}: {wrong.message()}")

    def value(self, annotation: Any, whole: Any, value: Any, where: str) -> Any:
        """A table key by key, tables by name one by one, anything else as it is. Raises ValidationError."""
        models = [m for m in (annotation, *get_args(annotation)) if isinstance(m, type) and issubclass(m, BaseModel)]
        if isinstance(value, Mapping) and models:
            model = cast(type[Model], models[0])
            if not _is_mapping(annotation):
                return self.built(model, value, f"{where}.")
            tables = {name: table for name, table in value.items() if isinstance(table, Mapping)}
            self.broken.update(f"{where}.{name}" for name in value if name not in tables)
            return {name: self.built(model, table, f"{where}.{name}.") for name, table in tables.items()}
        return TypeAdapter(whole).validate_python(value)


def _below(broken: str, key: str) -> bool:
    return broken == key or broken.startswith(f"{key}.")


def _is_mapping(annotation: Any) -> bool:
    origin = get_origin(annotation)
    return isinstance(origin, type) and issubclass(origin, Mapping)
