"""A gallery: for every lexical reject code the smallest lines that provoke it and the exact message."""

from __future__ import annotations

import pytest

from parsers import avro
from parsers.codes import RejectCode
from parsers.profile import DEFAULT

GALLERY: list[tuple[str, bytes, str, str, int, int | None, str]] = [
    (
        "assessments",
        b"<lease>1<assmt>LTCH<amount>2500" + b" " * 4096,
        "LINE_TOO_LONG",
        "line",
        4097,
        None,
        (
            "Found a line of more than 4096 bytes, expected a line feed within 4096 bytes: check that "
            "the file has one record a line and drop it again."
        ),
    ),
    (
        "assessments",
        b"\xef\xbb\xbf<lease>1<assmt>LTCH<amount>2500",
        "NON_ASCII_BYTE",
        "line",
        1,
        2500,
        (
            "Found a byte order mark (0xEF 0xBB 0xBF) before the text, expected ASCII text: save the file as plain "
            "text, without a mark, and drop the line again."
        ),
    ),
    (
        "assessments",
        b"<lease>1\xe9<assmt>LTCH<amount>2500",
        "NON_ASCII_BYTE",
        "line",
        9,
        2500,
        (
            "Found the byte 0xE9 in column 9, expected ASCII text: replace it by a plain letter, "
            "digit or blank and drop the line again."
        ),
    ),
    (
        "assessments",
        b"<lease>1<assmt>LTCH<amount>25\xa300",
        "NON_ASCII_BYTE",
        "line",
        30,
        None,
        (
            "Found the byte 0xA3 in column 30, expected ASCII text: replace it by a plain letter, "
            "digit or blank and drop the line again."
        ),
    ),
    (
        "assessments",
        b"<lease>1<assmt>LT\x00H<amount>2500",
        "CONTROL_CHARACTER",
        "line",
        18,
        2500,
        (
            "Found the control character 0x00 in column 18, expected ASCII text: replace it by a "
            "plain letter, digit or blank and drop the line again."
        ),
    ),
    (
        "assessments",
        b"1<assmt>LTCH<amount>2500",
        "TEXT_OUTSIDE_TAGS",
        "line",
        1,
        2500,
        (
            "Found '1' before the first tag, expected a line that begins with <lease> or <asset>: "
            "correct the start of the line and drop it again."
        ),
    ),
    (
        "assessments",
        b"<LEASE>1<assmt>LTCH<amount>2500",
        "UNKNOWN_TAG",
        "line",
        1,
        2500,
        (
            "Found the tag '<LEASE>', expected one of <lease> <asset> <invoice> <duedate> <assmt> "
            "<amount> <ptcode> <fhcode> <liendate> <reason>: write it as <lease> and drop the line "
            "again."
        ),
    ),
    (
        "assessments",
        b"<lease>1<fee>LTCH<amount>2500",
        "UNKNOWN_TAG",
        "line",
        9,
        2500,
        (
            "Found the tag '<fee>', expected one of <lease> <asset> <invoice> <duedate> <assmt> "
            "<amount> <ptcode> <fhcode> <liendate> <reason>: correct or remove the item and drop the "
            "line again."
        ),
    ),
    (
        "assessments",
        b"<lease>1<lease>2<assmt>LTCH<amount>2500",
        "TAG_REPEATED",
        "lease",
        9,
        2500,
        ("Found <lease> a second time, expected each item once: write one record a line and drop it again."),
    ),
    (
        "assessments",
        b"<lease>1<amount>2500<assmt>LTCH",
        "TAG_ORDER",
        "code",
        21,
        2500,
        (
            "Found <assmt> after <amount>, expected the order <lease> <asset> <invoice> <duedate> "
            "<assmt> <amount> <ptcode> <fhcode> <liendate> <reason>: put the items in order and drop "
            "the line again."
        ),
    ),
    (
        "assessments",
        b"<lease>1<asset>2<assmt>LTCH<amount>2500",
        "LEASE_AND_ASSET",
        "asset",
        16,
        2500,
        (
            "Found both <lease> and <asset>, expected exactly one of them: write one line for the "
            "lease and one for the asset."
        ),
    ),
    (
        "assessments",
        b"<assmt>LTCH<amount>2500",
        "LEASE_OR_ASSET_MISSING",
        "lease",
        24,
        2500,
        (
            "Found neither <lease> nor <asset>, expected exactly one of them: add the one to charge "
            "and drop the line again."
        ),
    ),
    (
        "escrow",
        b'50,970104,500,1,A "B" C,1 Main,Reno,NV,89501,79,125',
        "QUOTE_MISPLACED",
        "line",
        19,
        None,
        (
            "Found a double quote in value 5, expected quotes around a whole value, and two of them "
            "for one inside: correct the quotes and drop the line again."
        ),
    ),
    (
        "escrow",
        b"50,970104,500,1,Smith,1 Main,Reno,NV,89501,79",
        "VALUE_COUNT",
        "line",
        1,
        None,
        (
            "Found 10 values, expected 11, 12 or 13 values: lease, disbursal_date, amount, check_no, "
            "payee, address, address2, city, state, zip, reference, asset, bank: correct the commas, "
            "or quote the value that holds one, and drop the line again."
        ),
    ),
    (
        "escrow",
        b"50,970104,500,1,Smith,1 Main,Reno,XX,89501,R,79,125",
        "LAYOUT_UNDECIDED",
        "state",
        35,
        None,
        (
            "Found 12 values without a state and zip that tell which one is missing, expected state "
            "and zip as values 8 and 9 (no address 2) or 9 and 10 (no reference): correct state and "
            "zip, or write all 13 values, and drop the line again."
        ),
    ),
    (
        "reversals",
        b"1,20000,B03030890000100000001",
        "TARGET_PREFIX",
        "target",
        1,
        20000,
        (
            "Found '1' at the start, expected I and an invoice or L and a lease: put the letter "
            "before the number and drop the line again."
        ),
    ),
    (
        "payments",
        b"L1",
        "VALUE_MISSING",
        "amount",
        3,
        None,
        ("Found no value for the amount, expected one: add the amount and drop the line again."),
    ),
    (
        "reversals",
        b"L1,20000",
        "VALUE_MISSING",
        "batch",
        9,
        20000,
        ("Found no value for the batch number, expected one: add the batch and drop the line again."),
    ),
    (
        "assessments",
        b"<lease>1<assmt>LTCH<amount>432.98",
        "AMOUNT_PUNCTUATED",
        "amount",
        28,
        None,
        (
            "Found '432.98' for <amount>, expected digits only, the last two being cents: write "
            "43298; the vendor's program would read 432.98 as 4.33."
        ),
    ),
    (
        "payments",
        b"L1,1,234,C5",
        "AMOUNT_PUNCTUATED",
        "amount",
        6,
        None,
        (
            "Found '234' after the amount '1', expected digits only, the last two being cents, then "
            "items that begin with a letter: write the amount without comma; the vendor's program "
            "would read 432.98 as 4.33."
        ),
    ),
    (
        "payments",
        b"L1,-500",
        "AMOUNT_PUNCTUATED",
        "amount",
        4,
        None,
        (
            "Found '-500' for the amount, expected digits only, the last two being cents: write cents "
            "without point, comma, sign or currency mark; the vendor's program would read 432.98 as "
            "4.33."
        ),
    ),
    (
        "payments",
        b"L1,12O0",
        "AMOUNT_NOT_DIGITS",
        "amount",
        4,
        None,
        (
            "Found '12O0' for the amount, expected digits only, the last two being cents: correct the "
            "amount and drop the line again."
        ),
    ),
    (
        "assessments",
        b"<lease>1<assmt>LTCH<amount>12345678901",
        "AMOUNT_TOO_WIDE",
        "amount",
        28,
        None,
        (
            "Found '12345678901' of 11 digits for <amount>, expected 10 digits at most: correct the "
            "amount and drop the line again."
        ),
    ),
    (
        "payments",
        b"L1,000",
        "AMOUNT_ZERO",
        "amount",
        4,
        None,
        ("Found '000' for the amount, expected more than zero: correct the amount and drop the line again."),
    ),
    (
        "reversals",
        b"L1,20000,RNSFC,B03030890000100000001",
        "BATCH_MISPLACED",
        "batch",
        10,
        20000,
        (
            "Found 'RNSFC' in third place, expected B and the batch number: put the batch number "
            "after the amount and drop the line again."
        ),
    ),
    (
        "payments",
        b"L1,20000,",
        "ITEM_EMPTY",
        "item",
        10,
        20000,
        (
            "Found nothing between commas or after the last one, expected an item beginning with one "
            "of C E D A B O N: remove the comma and drop the line again."
        ),
    ),
    (
        "payments",
        b"L1,20000,X5",
        "UNKNOWN_ITEM",
        "item",
        10,
        20000,
        (
            "Found the item 'X5', expected an item beginning with one of C E D A B O N: correct or "
            "remove the item and drop the line again."
        ),
    ),
    (
        "payments",
        b"L1,20000,c5",
        "UNKNOWN_ITEM",
        "item",
        10,
        20000,
        (
            "Found the item 'c5', expected an item beginning with one of C E D A B O N: write the "
            "letter as C and drop the line again."
        ),
    ),
    (
        "payments",
        b"L1,20000,C5,C6",
        "ITEM_REPEATED",
        "check_no",
        13,
        20000,
        ("Found the item C a second time, expected each item once: remove one of them and drop the line again."),
    ),
    (
        "assessments",
        b"<lease>12345678901<assmt>LTCH<amount>2500",
        "TOO_WIDE",
        "lease",
        8,
        2500,
        (
            "Found '12345678901' of 11 characters for <lease>, expected 10 at most: correct the lease "
            "and drop the line again."
        ),
    ),
    (
        "assessments",
        b"<lease>12 45<assmt>LTCH<amount>2500",
        "BAD_IDENTIFIER",
        "lease",
        8,
        2500,
        (
            "Found '12 45' for <lease>, expected visible characters without blanks, quotes, commas or "
            "angle brackets: correct the lease and drop the line again."
        ),
    ),
    (
        "assessments",
        b"<lease>1<duedate>030229<assmt>LTCH<amount>2500",
        "BAD_DATE",
        "due_date",
        18,
        2500,
        (
            "Found '030229' for <duedate>, expected a day of the calendar as YYMMDD (70 to 99 being "
            "1970 to 1999): correct the due date and drop the line again."
        ),
    ),
    (
        "assessments",
        b"<lease>1<assmt>LATE<amount>2500",
        "UNKNOWN_CODE",
        "code",
        16,
        2500,
        (
            "Found 'LATE' for <assmt>, expected one of RCR1 RCR2 RCR3 RCR4 RCR5 RCR6 RCR7 RCR8 RCR9 "
            "RC10 RC11 RC12 RC13 RC14 RC15 LTCH COLL ASMF LEGF PEXT LEXT ITCF LSRW OTHF PTAX FHUT "
            "UTAX: correct the code and drop the line again."
        ),
    ),
    (
        "assessments",
        b"<lease>1<assmt>PTAX<amount>2500",
        "CODE_LEVEL",
        "code",
        16,
        2500,
        (
            "Found the asset-level code PTAX with <lease>, expected <asset> for it: charge it by "
            "<asset> or correct the code."
        ),
    ),
    (
        "escrow",
        b"50,970104,500,1,Smith,1 Main,,Reno,XX,89501,R,79,125",
        "BAD_STATE",
        "state",
        36,
        500,
        (
            "Found 'XX' for the state, expected a state of the United States, or FF for an address in "
            "free form: correct the state and drop the line again."
        ),
    ),
    (
        "escrow",
        b"50,970104,500,1,Smith,1 Main,,Reno,NV,8950,R,79,125",
        "BAD_ZIP",
        "zip",
        39,
        500,
        ("Found '8950' for the zip, expected 5 or 9 digits: correct the zip and drop the line again."),
    ),
    (
        "escrow",
        b"50,970104,500,1,Smith,1 Main,,Reno,NV,89501,R,79,145",
        "BAD_BANK",
        "bank",
        50,
        500,
        (
            "Found '145' for the bank, expected a cash account from 125 to 144: correct the bank and "
            "drop the line again."
        ),
    ),
    (
        "payments",
        b"L1,500,A99",
        "BAD_BANK",
        "account",
        9,
        500,
        (
            "Found '99' for the account, expected a cash account from 125 to 144 or CLR: correct the "
            "account and drop the line again."
        ),
    ),
    (
        "reversals",
        b"L1,20000,B03030890000100000001,G12",
        "BAD_BANK",
        "bank",
        33,
        20000,
        ("Found '12' for the bank, expected a bank of three digits: correct the bank and drop the line again."),
    ),
    (
        "reversals",
        b"L1,20000,B03130890000100000001",
        "BAD_BATCH",
        "batch",
        11,
        20000,
        (
            "Found '03130890000100000001' for the batch, whose first six are no day of the calendar, "
            "expected 20 digits: entry date YYMMDD, 6 of the session, 8 of the sequence: correct the "
            "batch and drop the line again."
        ),
    ),
    (
        "reversals",
        b"L1,20000,B03030890000100000001,RXYZ",
        "BAD_REASON",
        "reason",
        33,
        20000,
        (
            "Found 'XYZ' for the reason, expected a reason that begins with one of N S U T O: correct "
            "the reason and drop the line again."
        ),
    ),
    (
        "escrow",
        b'50,970104,500,1,Smith,"1 Main,Reno,NV,89501,79,125',
        "QUOTE_MISPLACED",
        "line",
        23,
        None,
        (
            "Found a double quote in value 6, expected quotes around a whole value, and two of them "
            "for one inside: correct the quotes and drop the line again."
        ),
    ),
    (
        "escrow",
        b"50,970104,1,500,1,Smith,1 Main,,Reno,NV,89501,R,79,125",
        "VALUE_COUNT",
        "line",
        1,
        None,
        (
            "Found 14 values, expected 11, 12 or 13 values: lease, disbursal_date, amount, check_no, "
            "payee, address, address2, city, state, zip, reference, asset, bank: correct the commas, "
            "or quote the value that holds one, and drop the line again."
        ),
    ),
    (
        "escrow",
        b"50,,500,1,Smith,1 Main,,Reno,NV,89501,R,79,125",
        "VALUE_MISSING",
        "disbursal_date",
        4,
        500,
        ("Found no value for the disbursal date, expected one: add the disbursal date and drop the line again."),
    ),
    (
        "escrow",
        b'50,970104,"1,500",1,Smith,1 Main,,Reno,NV,89501,R,79,125',
        "AMOUNT_PUNCTUATED",
        "amount",
        12,
        None,
        (
            "Found '1,500' for the amount, expected digits only, the last two being cents: write "
            "cents without point, comma, sign or currency mark; the vendor's program would read "
            "432.98 as 4.33."
        ),
    ),
    (
        "escrow",
        b"50,970104,$500,1,Smith,1 Main,,Reno,NV,89501,R,79,125",
        "AMOUNT_PUNCTUATED",
        "amount",
        11,
        None,
        (
            "Found '$500' for the amount, expected digits only, the last two being cents: write cents "
            "without point, comma, sign or currency mark; the vendor's program would read 432.98 as "
            "4.33."
        ),
    ),
    (
        "escrow",
        b"50,970104,500,1,Smith,1 Main,,,NV,89501,R,79,125",
        "VALUE_MISSING",
        "city",
        31,
        500,
        ("Found no value for the city, expected one: add the city and drop the line again."),
    ),
    (
        "assessments",
        b"<lease>1<amount>2500",
        "VALUE_MISSING",
        "code",
        21,
        2500,
        ("Found no value for <assmt>, expected one: add the code and drop the line again."),
    ),
    (
        "assessments",
        b"<lease>1<assmt>LTCH",
        "VALUE_MISSING",
        "amount",
        20,
        None,
        ("Found no value for <amount>, expected one: add the amount and drop the line again."),
    ),
    (
        "assessments",
        b"<lease>1<assmt>LTCH<amount>1,234",
        "AMOUNT_PUNCTUATED",
        "amount",
        28,
        None,
        (
            "Found '1,234' for <amount>, expected digits only, the last two being cents: write cents "
            "without point, comma, sign or currency mark; the vendor's program would read 432.98 as "
            "4.33."
        ),
    ),
    (
        "assessments",
        b"<asset>1<assmt>RCR1<amount>2500",
        "CODE_LEVEL",
        "code",
        16,
        2500,
        (
            "Found the lease-level code RCR1 with <asset>, expected <lease> for it: charge it by "
            "<lease> or correct the code."
        ),
    ),
    (
        "assessments",
        b"<asset>1<assmt>PTAX<amount>2500<liendate>031301",
        "BAD_DATE",
        "liendate",
        42,
        2500,
        (
            "Found '031301' for <liendate>, expected a day of the calendar as YYMMDD (70 to 99 being "
            "1970 to 1999): correct the liendate and drop the line again."
        ),
    ),
    (
        "payments",
        b"L1,500,E030431",
        "BAD_DATE",
        "effective_date",
        9,
        500,
        (
            "Found '030431' for the effective date, expected a day of the calendar as YYMMDD (70 to "
            "99 being 1970 to 1999): correct the effective date and drop the line again."
        ),
    ),
    (
        "payments",
        b"I123456789,500",
        "TOO_WIDE",
        "invoice",
        2,
        500,
        (
            "Found '123456789' of 9 characters for the invoice, expected 8 at most: correct the "
            "invoice and drop the line again."
        ),
    ),
    (
        "payments",
        b"L1,500,NPaid by wire of the first of the month, the rest to follow",
        "UNKNOWN_ITEM",
        "item",
        49,
        500,
        (
            "Found the item 'the rest to follow', expected an item beginning with one of C E D A B O "
            "N: correct or remove the item and drop the line again."
        ),
    ),
    (
        "payments",
        b"l1,500",
        "TARGET_PREFIX",
        "target",
        1,
        500,
        (
            "Found 'l1' at the start, expected I and an invoice or L and a lease: write the letter as "
            "L and drop the line again."
        ),
    ),
    (
        "reversals",
        b"L1,1,234,B03030890000100000001",
        "AMOUNT_PUNCTUATED",
        "amount",
        6,
        None,
        (
            "Found '234' after the amount '1', expected digits only, the last two being cents, then "
            "items that begin with a letter: write the amount without comma; the vendor's program "
            "would read 432.98 as 4.33."
        ),
    ),
]


@pytest.mark.parametrize(("kind", "line", "code", "field", "column", "cents", "message"), GALLERY)
def test_reject(kind: str, line: bytes, code: str, field: str, column: int, cents: int | None, message: str) -> None:
    [chunk] = avro.MODULES[kind].parse([line + b"\n"], profile=DEFAULT)
    assert chunk.records == []
    [reject] = chunk.rejects
    assert (reject.code, reject.field, reject.column, reject.amount_cents) == (code, field, column, cents)
    assert reject.message == message
    assert reject.raw == line[:4096]
    assert chunk.rejected_cents == (cents or 0)


def test_every_code_is_in_the_gallery() -> None:
    shown = {row[2] for row in GALLERY}
    assert shown | {"AVRO_TEXT"} == {code.value for code in RejectCode}  # that one: test_inbound_avro


WARNINGS = [
    (
        "assessments",
        b"<lease>1<assmt>LTCH<amount>2500<ptcode>AUTO",
        "PTCODE_IGNORED",
        "Found <ptcode> with LTCH, expected it with PTAX only: nothing to do, the item was ignored and the record stands.",
    ),
    (
        "assessments",
        b"<asset>1<assmt>PTAX<amount>2500<fhcode>FH99X9",
        "FHCODE_IGNORED",
        "Found <fhcode> with PTAX, expected it with FHUT only: nothing to do, the item was ignored and the record stands.",
    ),
    (
        "assessments",
        b"<asset>1<assmt>FHUT<amount>2500<liendate>no day",
        "LIENDATE_IGNORED",
        "Found <liendate> with FHUT, expected it with PTAX only: nothing to do, the item was ignored and the record stands.",
    ),
    (
        "payments",
        b"I1,2500,D991399",
        "DUE_DATE_IGNORED",
        "Found a due date with an invoice, expected one with a lease only: "
        "nothing to do, the item was ignored and the record stands.",
    ),
]


@pytest.mark.parametrize(("kind", "line", "code", "message"), WARNINGS)
def test_warning(kind: str, line: bytes, code: str, message: str) -> None:
    [chunk] = avro.MODULES[kind].parse([line + b"\n"], profile=DEFAULT)
    assert len(chunk.records) == 1
    assert chunk.amount_cents == 2500
    [warning] = chunk.warnings
    assert (warning.line_no, warning.code, warning.message) == (1, code, message)
