"""Offices and business dates: what is found, and what is said when it is not."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from gateway.errors import LedgerError
from gateway.ledger.accounts import business_date, default_office, office_order, offices, portfolios
from gateway.ledger.database import Database


@pytest.fixture
def loaded(db: Database) -> Database:
    with db.write() as connection:
        for number in ("10", "2"):
            connection.execute(
                text(
                    "INSERT INTO portfolio (portfolio, name, business_date, period_state) "
                    "VALUES (:p, 'MAIN', '2026-03-02', 'OPEN')"
                ),
                {"p": number},
            )
        for office_id, office in ((1, "10"), (2, "2")):
            connection.execute(
                text(
                    "INSERT INTO office (office_id, portfolio, company, region, office, name) "
                    "VALUES (:id, '2', '1', '1', :office, 'OFFICE')"
                ),
                {"id": office_id, "office": office},
            )
    return db


def test_numbers_are_ordered_by_value(loaded: Database) -> None:
    with loaded.read() as connection:
        assert list(portfolios(connection)) == ["2", "10"]
        assert [office.office for office in offices(connection)] == ["2", "10"]
    assert office_order("2") < office_order("10")


@pytest.mark.parametrize(
    ("configured", "stored", "expected"), [(None, None, 2), ("1/1/10", None, 1), (None, "1/1/10", 1)]
)
def test_the_default_office(loaded: Database, configured: str | None, stored: str | None, expected: int) -> None:
    with loaded.write() as connection:
        connection.execute(text("UPDATE portfolio SET default_office = :o WHERE portfolio = '2'"), {"o": stored})
        assert default_office(connection, "2", configured) == expected


def test_what_is_not_loaded_is_named(loaded: Database) -> None:
    with loaded.read() as connection:
        with pytest.raises(LedgerError, match="portfolio 10: found no office, expected one"):
            default_office(connection, "10")
        with pytest.raises(LedgerError, match="portfolio 2: found no office 9/9/9"):
            default_office(connection, "2", "9/9/9")
        with pytest.raises(LedgerError, match="found no portfolio 7, expected it to be loaded"):
            business_date(connection, "7")
        assert business_date(connection, "2") == ("2026-03-02", "OPEN")
