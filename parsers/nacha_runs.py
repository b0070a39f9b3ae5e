"""One regular expression for flawless PPD and CCD entries, which nearly all of a large file are.

It is made of the fields' own patterns, so that it takes exactly what the record tables take; `parsers.nacha_check`
puts the rules between records to the columns it finds.

>>> RUN.findall("622091000019123456789        0000043298" + " " * 15 + "ACME".ljust(24) + "0091000010000001\\n")
[('22', '091000019', '0000043298', '', '091000010000001', '0000001')]
"""

from __future__ import annotations

import re
from typing import Final

from parsers.nacha_records import ADDENDA_05, ENTRY, LIVE_CREDITS, LIVE_DEBITS, LOAN_DEBIT


def _run_pattern() -> re.Pattern[str]:
    """Live PPD or CCD entries with no or one addenda, in every field as the layouts have it."""
    parts = []
    for item in ENTRY.fields:
        pattern = item.type.pattern(item.width)
        special = {
            "transaction_code": "(" + "|".join(sorted((LIVE_CREDITS | LIVE_DEBITS) - {LOAN_DEBIT})) + ")",
            "receiving_dfi": "(" + pattern,
            "check_digit": pattern + ")",
            "amount_cents": f"({pattern})",
            "addenda_indicator": "(?:(1)|0)",
            "trace_number": "([0-9]{8}([0-9]{7}))",
        }
        parts.append(special.get(item.name, pattern))
    text = ADDENDA_05.fields[2].type.pattern(80)
    return re.compile("".join(parts) + rf"\n(?(4)705{text}0001\6\n)")


RUN: Final = _run_pattern()
"""Groups: transaction code, routing number, amount, indicator or empty, trace number, its sequence."""
