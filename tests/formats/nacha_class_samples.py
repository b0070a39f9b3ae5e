"""Sound files of every entry class and of every answer, set down by position: no record table of ours is used."""

from __future__ import annotations

from collections.abc import Sequence

ODFI = "09100001"
BANK = "021000021"
FILLER = "9" * 94


def line(*placed: tuple[int, str]) -> str:
    """A record of 94 characters with texts at positions counted from 1."""
    made = " " * 94
    for first, text in placed:
        made = made[: first - 1] + text + made[first - 1 + len(text) :]
    assert len(made) == 94
    return made


HEADER = line(
    (1, "101"), (4, " 091000019"), (14, "1234567890"), (24, "260731"), (30, "0930"), (34, "A"), (35, "094101"),
    (41, "FIRST BANK"), (64, "EXAMPLE LEASING"), (87, "P01"),
)  # fmt: skip


def batch_header(sec: str, *placed: tuple[int, str], service: str = "200") -> str:
    if sec in ("IAT", "IATCOR"):
        return line(
            (1, "5" + service), (5, "IATCOR" if sec == "IATCOR" else ""), (21, "FF"), (23, "3"), (39, "CA"),
            (41, "1234567890"), (51, "COR" if sec == "IATCOR" else "IAT"), (54, "VENDOR PAY"), (64, "USDCAD"),
            (70, "260803"), (79, "1" + ODFI), *placed,
        )  # fmt: skip
    return line(
        (1, "5" + service), (5, "EXAMPLE LEASING"), (41, "1234567890"), (51, sec), (54, "VENDOR PAY"),
        (64, "260803"), (70, "260803"), (79, ("0" if sec == "ADV" else "1") + ODFI), *placed,
    )  # fmt: skip


def trace(number: int) -> str:
    return f"{ODFI}{number:07d}"


def entry(number: int, code: str, cents: int, *placed: tuple[int, str], indicator: str = "0") -> str:
    """As PPD and CCD have it; a class that differs places its own fields over blanks."""
    return line(
        (1, "6" + code + BANK), (13, "00123456789"), (30, f"{cents:010d}"), (40, "INV-7"), (55, "ACME SUPPLY CO"),
        (79, indicator + trace(number)), *placed,
    )  # fmt: skip


BARE = (40, " " * 38)
"""Blanks over identification and name."""


def addenda_05(number: int, text: str, sequence: int = 1) -> str:
    return line((1, "705"), (4, text), (84, f"{sequence:04d}{number:07d}"))


def addenda_02(number: int) -> str:
    return line(
        (1, "702"), (4, "REF1"), (11, "R2"), (14, "TERM01"), (20, "SER001"), (26, "0731"), (30, "AUTH01"),
        (36, "12 MAIN STREET"), (63, "SPRINGFIELD"), (78, "IL"), (80, trace(number)),
    )  # fmt: skip


def addenda_99(number: int, code: str, *placed: tuple[int, str]) -> str:
    return line((1, "799" + code), (7, trace(900 + number)), (28, "09100001"), (80, trace(number)), *placed)


def addenda_98(number: int, code: str, corrected: str, *placed: tuple[int, str]) -> str:
    return line((1, "798" + code), (7, trace(900 + number)), (28, ODFI), (36, corrected), (80, trace(number)), *placed)


def iat_entry(number: int, code: str, cents: int, addenda: int) -> str:
    return line(
        (1, "6" + code + BANK), (13, f"{addenda:04d}"), (30, f"{cents:010d}"), (40, "CA00123456789"),
        (79, "1" + trace(number)),
    )  # fmt: skip


def iat_addenda(number: int) -> list[str]:
    """The seven that every entry has."""
    bank = ((39, "01"), (41, "021000021"), (75, "US"))
    parts: list[tuple[tuple[int, str], ...]] = [
        ((4, "BUS"), (7, f"{43298:018d}"), (25, "FOREIGN-1"), (47, "ACME SUPPLY CANADA")),
        ((4, "EXAMPLE LEASING"), (39, "1 LEASE STREET")),
        ((4, "SPRINGFIELD*IL\\"), (39, "US*62701\\")),
        ((4, "FIRST BANK"), *bank),
        ((4, "BANK OF CANADA"), *bank),
        ((4, "VENDOR-9"), (19, "9 MAPLE ROAD")),
        ((4, "TORONTO*ON\\"), (39, "CA*M5H1J9\\")),
    ]
    return [line((1, f"7{10 + at}"), *part, (88, f"{number:07d}")) for at, part in enumerate(parts)]


def iat_17(number: int, sequence: int = 1) -> str:
    return line((1, "717"), (4, "INVOICE 7"), (84, f"{sequence:04d}{number:07d}"))


def iat_18(number: int, sequence: int = 1) -> str:
    return line(
        (1, "718"), (4, "CORRESPONDENT BANK"), (39, "02"), (41, "CBKXCATT"), (75, "CA"),
        (84, f"{sequence:04d}{number:07d}"),
    )  # fmt: skip


def adv_entry(number: int, code: str, cents: int) -> str:
    return line(
        (1, "6" + code + BANK), (13, "00123456789"), (28, f"{cents:012d}"), (40, "091000019"), (49, "FILE1"),
        (54, "X"), (55, "FIRST BANK"), (79, "0" + ODFI), (88, f"215{number:04d}"),
    )  # fmt: skip


DEBIT_CODES = frozenset(
    ["26", "27", "28", "29", "36", "37", "38", "39", "46", "47", "48", "49", "55", "56", "82", "84", "86", "88"]
)


def totals(lines: Sequence[str]) -> tuple[int, int, int, int]:
    """Records, hash, debits and credits of the entries and addenda among some lines."""
    wide = any(x[50:53] == "ADV" for x in lines if x[0] == "5")
    debits = credits_ = hashed = 0
    for one in lines:
        if one[0] == "6":
            cents = int(one[27:39] if wide else one[29:39])
            hashed += int(one[3:11])
            if one[1:3] in DEBIT_CODES:
                debits += cents
            else:
                credits_ += cents
    return sum(x[0] in "67" for x in lines), hashed % 10**10, debits, credits_


def file(*batches: Sequence[str]) -> list[str]:
    """Lines of a whole file: each batch is its header and details; numbers, controls and filler are set here."""
    made = [HEADER]
    advices = False
    for number, lines in enumerate(batches, start=1):
        header = line((1, lines[0]), (88, f"{number:07d}"))
        count, hashed, debits, credits_ = totals(lines)
        advices = header[50:53] == "ADV"
        width = 20 if advices else 12
        sums = f"{debits:0{width}d}{credits_:0{width}d}"
        company = () if advices else ((45, header[40:50]),)
        control = line((1, "8" + header[1:4] + f"{count:06d}{hashed:010d}" + sums), *company, (80, header[79:94]))
        made += [header, *lines[1:], control]
    count, hashed, debits, credits_ = totals(made)
    hashed = sum(int(x[10:20]) for x in made if x[0] == "8") % 10**10
    width = 20 if advices else 12
    blocks = -(-(len(made) + 1) // 10)
    sums = f"{debits:0{width}d}{credits_:0{width}d}"
    made.append(line((1, f"9{len(batches):06d}{blocks:06d}{count:08d}{hashed:010d}" + sums)))
    return made + [FILLER] * (-len(made) % 10)


def as_bytes(lines: Sequence[str]) -> bytes:
    return "".join(x + "\n" for x in lines).encode("latin-1")


CTX = ((40, "INV-7"), (55, "0005ACME SUPPLY CO"), (73, "    "))
ADVICE = (
    "ISA*00*          *00*          *ZZ*1234567890     *ZZ*V1             *260731*0900*U*00401*000000001*0*P*:~"
    "GS*RA*1234567890*V1*20260731*0900*1*X*004010~ST*820*000000001~"
    "BPR*C*432.98*C*ACH*CTX*****1234567890******20260803~TRN*1*091000010000001*1234567890~"
    "N1*PR*EXAMPLE LEASING~N1*PE*ACME SUPPLY~ENT*1~RMR*IV*INV-7*PI*400.00~RMR*IV*INV-8*PI*32.98~"
    "SE*9*000000001~GE*1*1~IEA*1*000000001~"
)
"""What the entry of ``ctx`` pays, as an X12 820."""


def advice_addenda(text: str = ADVICE) -> list[str]:
    return [addenda_05(1, text[at : at + 80], at // 80 + 1) for at in range(0, len(text), 80)]


CORP_1 = ((55, "0001ACME SUPPLY CO"), (73, "    "))
SETTLED = (76, "215")
_RETURN = entry(1, "21", 43298, indicator="1")

SAMPLES: dict[str, list[str]] = {
    "ppd": file([batch_header("PPD"), entry(1, "22", 43298), entry(2, "32", 5)]),
    "ccd": file(
        [
            batch_header("CCD"), entry(1, "22", 43298, indicator="1"), addenda_05(1, "RMR*IV*INV-7*PI*432.98\\"),
            entry(2, "27", 100), entry(3, "23", 0), entry(4, "24", 0, indicator="1"), addenda_05(4, "RMR"),
        ],
        [batch_header("CCD", service="220"), entry(5, "42", 7)],
    ),
    "ctx": file([
        batch_header("CTX"), entry(1, "22", 43298, *CTX, indicator="1"), *advice_addenda(),
        entry(2, "33", 0, (55, "0000ACME SUPPLY CO"), (73, "    ")),
    ]),
    "web": file([batch_header("WEB"), entry(1, "27", 100, (77, "S ")), entry(2, "22", 5)]),
    "tel": file([batch_header("TEL"), entry(1, "27", 100)]),
    "arc": file([batch_header("ARC"), entry(1, "27", 100, (55, " " * 22))]),
    "boc": file([batch_header("BOC"), entry(1, "27", 100)]),
    "rck": file([batch_header("RCK", (54, "REDEPCHECK")), entry(1, "27", 100)]),
    "pop": file([batch_header("POP"), entry(1, "37", 100, BARE, (40, "000000042SPRIIL"))]),
    "trc": file([batch_header("TRC"), entry(1, "27", 100, BARE, (40, "42"), (55, "PC"), (61, "ITEM 7"))]),
    "xck": file([
        batch_header("XCK", (54, "NO CHECK  ")), entry(1, "27", 100, BARE, (40, "42"), (55, "PC"), (61, "ITEM 7"))
    ]),
    "mte": file([
        batch_header("MTE"), entry(1, "27", 100, BARE, (40, "JANE DOE"), (55, "CARD-1"), indicator="1"), addenda_02(1)
    ]),
    "pos": file([batch_header("POS"), entry(1, "27", 100, indicator="1"), addenda_02(1)]),
    "shr": file([
        batch_header("SHR"), entry(1, "27", 100, BARE, (40, "1228"), (44, "DOC-7"), (55, "4111111111111111"),
        indicator="1"), addenda_02(1),
    ]),
    "cie": file([batch_header("CIE"), entry(1, "22", 100, BARE, (40, "JANE DOE"), (55, "BILL ACCOUNT 9"))]),
    "dne": file([
        batch_header("DNE"), entry(1, "23", 0, indicator="1"),
        addenda_05(1, "DATE OF DEATH*010126*CUSTOMERSSN*123456789*AMOUNT*0.00\\"),
    ]),
    "enr": file([
        batch_header("ENR", (54, "AUTOENROLL")), entry(1, "22", 0, *CORP_1, indicator="1"),
        addenda_05(1, "22*09100001*9*00123456789*123456789*DOE*JANE*0\\"),
    ]),
    "ack": file([batch_header("ACK"), entry(1, "24", 0)]),
    "atx": file([batch_header("ATX"), entry(1, "34", 0, *CORP_1, indicator="1"), addenda_05(1, "GS")]),
    "trx": file([batch_header("TRX"), entry(1, "27", 5, *CORP_1, indicator="1"), addenda_05(1, "GS")]),
    "iat": file([
        batch_header("IAT"), iat_entry(1, "22", 43298, 9), *iat_addenda(1), iat_17(1), iat_18(1),
        iat_entry(2, "27", 5, 7), *iat_addenda(2),
    ]),
    "adv": file([batch_header("ADV", service="280"), adv_entry(1, "81", 43298), adv_entry(2, "82", 7)]),
    "return": file([
        batch_header("CCD", SETTLED, (70, "260728")), _RETURN, addenda_99(1, "R03", (36, "NO SUCH ACCOUNT")),
        entry(2, "26", 5, indicator="1"), addenda_99(2, "R14", (22, "260601")),
    ]),
    "ctx return": file([
        batch_header("CTX"), entry(1, "21", 43298, *CTX, indicator="1"), addenda_99(1, "R02"),
    ]),
    "iat return": file([
        batch_header("IAT"), iat_entry(1, "21", 43298, 8), *iat_addenda(1),
        addenda_99(1, "R80", (36, f"{43298:010d}")),
    ]),
    "dishonored": file([
        batch_header("CCD"), _RETURN,
        addenda_99(1, "R69", (39, trace(77)), (54, "214"), (57, "03"), (59, "WRONG TRACE")),
    ]),
    "contested": file([
        batch_header("CCD"), _RETURN,
        addenda_99(1, "R73", (22, "260720"), (36, "201"), (39, trace(77)), (54, "214"), (57, "03"), (59, trace(78)),
                   (74, "216"), (77, "68")),
    ]),
    "change": file([
        batch_header("COR"), entry(1, "21", 0, indicator="1"), addenda_98(1, "C01", "00987654321"),
        entry(2, "31", 0, indicator="1"), addenda_98(2, "C03", "021000021   00987654321"),
        entry(3, "26", 0, indicator="1"), addenda_98(3, "C07", "02100002100987654321      37"),
    ]),
    "iat change": file([
        batch_header("IATCOR"), iat_entry(1, "21", 0, 1), addenda_98(1, "C01", "00987654321")
    ]),
    "refused change": file([
        batch_header("COR"), entry(1, "21", 0, indicator="1"),
        addenda_98(1, "C62", "00987654321", (65, "C01"), (68, "0000077")),
    ]),
}  # fmt: skip
"""By what they show. None has a finding, not even a warning."""
