"""What ``gateway explain`` shows of a file, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass

from parsers.layout import FieldView


@dataclass(frozen=True, slots=True)
class RecordView:
    """One record: its line (or record or row) number from 1, its layout's name and its fields."""

    line_no: int
    name: str
    fields: tuple[FieldView, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding of the format's reader; ``line_no`` 0 is the file as a whole. A warning leaves the file sound."""

    line_no: int
    field: str
    code: str
    message: str
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """``kind`` is nacha, gl_scratch, vach_scratch, xsellerator, an inbound kind, its ``archive_``, or unknown. ``schema`` is
    the name of the writer's schema where the file is an Avro container."""

    kind: str
    records: tuple[RecordView, ...]
    problems: tuple[Problem, ...]
    schema: str | None = None
