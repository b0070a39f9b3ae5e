"""The yardstick below: what a straightforward script does. One model a line, one ORM insert a record.

Kept to measure against, not to copy: regular expression a line, a pydantic model a line, an ORM session with two
journal lines a record, one commit at the end, a CSV report.
"""

from __future__ import annotations

import csv
import re
import time
from pathlib import Path

from pydantic import BaseModel, Field
from sqlalchemy import ForeignKey, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

_LINE = re.compile(r"<lease>(?P<lease>\w+)<assmt>(?P<code>\w+)<amount>(?P<amount>\d+)$")


class Assessment(BaseModel):
    lease: str = Field(max_length=10)
    code: str = Field(max_length=4)
    amount: int = Field(gt=0)


class Base(DeclarativeBase):
    pass


class Lease(Base):
    __tablename__ = "lease"
    lease: Mapped[str] = mapped_column(primary_key=True)


class Entry(Base):
    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    lease: Mapped[str] = mapped_column(ForeignKey("lease.lease"), index=True)
    code: Mapped[str]


class Line(Base):
    __tablename__ = "line"
    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"), index=True)
    account: Mapped[str]
    side: Mapped[str]
    amount: Mapped[int]


def run(source: Path, folder: Path) -> float:
    """Post ``source`` the straightforward way into a new SQLite file; seconds."""
    engine = create_engine(f"sqlite:///{folder / 'straightforward.db'}")
    Base.metadata.create_all(engine)
    started = time.perf_counter()
    seen: set[str] = set()
    with Session(engine) as session, source.open() as lines, (folder / "report.csv").open("w", newline="") as out:
        report = csv.writer(out)
        for text in lines:
            match = _LINE.match(text)
            if match is None:
                continue
            record = Assessment.model_validate(match.groupdict())
            if record.lease not in seen:
                seen.add(record.lease)
                session.add(Lease(lease=record.lease))
            entry = Entry(lease=record.lease, code=record.code)
            session.add(entry)
            session.flush()
            session.add(Line(entry_id=entry.id, account=f"RECV {record.code}", side="D", amount=record.amount))
            session.add(Line(entry_id=entry.id, account="FEES", side="C", amount=record.amount))
            session.flush()
            report.writerow([record.lease, record.code, record.amount])
        session.commit()
    seconds = time.perf_counter() - started
    engine.dispose()
    return seconds
