"""Small sound NACHA files for the tests, built by hand so that every figure can be seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from parsers.nacha import Batch, Entry, FileHeader, NachaFile
from writers.nacha import rmr_addenda

ODFI = "09100001"


def entry(number: int, **changes: Any) -> Entry:
    sound = Entry(
        transaction_code="22",
        receiving_dfi="09100001",
        check_digit="9",
        account="123456789",
        amount_cents=43298,
        identification="ABCD-0000001042",
        name="ACME SUPPLY CO",
        discretionary="",
        addenda=(),
        trace_number=f"{ODFI}{number:07d}",
    )
    return sound._replace(**changes)


HEADER = FileHeader(
    immediate_destination="091000019",
    immediate_origin="1234567890",
    creation_date="2026-07-31",
    creation_time="0930",
    file_id_modifier="A",
    destination_name="FIRST BANK",
    origin_name="EXAMPLE LEASING",
    reference_code="P01",
)


def batch(number: int, entries: tuple[Entry, ...], **changes: Any) -> Batch:
    sound = Batch(
        service_class="220",
        company_name="EXAMPLE LEASING",
        company_id="1234567890",
        sec_code="CCD",
        description="VENDOR PAY",
        descriptive_date="260803",
        effective_date="2026-08-03",
        odfi=ODFI,
        batch_number=number,
        entries=entries,
    )
    return replace(sound, **changes)


def sample() -> NachaFile:
    """Two batches: CCD with and without remittance, PPD to savings."""
    remittance = (rmr_addenda("INV-7", 43298).text,)
    return NachaFile(
        header=HEADER,
        batches=(
            batch(1, (entry(1, addenda=remittance), entry(2, amount_cents=1, account="0042-7"))),
            batch(
                2,
                (
                    entry(
                        3,
                        transaction_code="32",
                        receiving_dfi="02100002",
                        check_digit="1",
                        name="O'NEIL & SONS",
                    ),
                ),
                sec_code="PPD",
            ),
        ),
    )
