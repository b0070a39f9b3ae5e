"""What a bank sends, written by hand from the record tables of the Nacha rules; it shares nothing with our writers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

RDFI, OUR_ODFI = "09100001", "09100001"
RETURN_CODE = {"22": "21", "23": "21", "27": "26", "32": "31", "33": "31", "37": "36", "28": "26", "38": "36"}


def file_header() -> str:
    return f"101 09100001912345678902603051700A094101{'FIRST NATIONAL BANK':<23}{'PRAIRIE LEASING':<23}{'':8}"


def batch_header(number: int = 1, *, sec: str = "CCD", day: str = "064", effective: str = "260305") -> str:
    return f"5200{'PRAIRIE LEASING':<16}{'':20}1234567890{sec}{'VENDOR PAY':<10}{'':6}{effective}{day:<3}1{RDFI}{number:07d}"


def entry(code: str, cents: int, *, trace: str, account: str = "12345678", rdfi: str = "091000019") -> str:
    return f"6{code}{rdfi}{account:<17}{cents:010d}{'PRAI-4711':<15}{'VENDOR V1':<22}  1{trace}"


def return_of(
    original: str,
    cents: int,
    *,
    reason: str = "R03",
    code: str = "21",
    trace: str = "091000010000001",
    rdfi: str = RDFI,
    account: str = "12345678",
) -> list[str]:
    """Entry and addenda 99."""
    return [entry(code, cents, trace=trace, account=account), f"799{reason}{original}{'':6}{rdfi}{'':44}{trace}"]


def change_of(
    original: str,
    data: str,
    *,
    reason: str = "C01",
    code: str = "21",
    trace: str = "091000010000001",
    account: str = "12345678",
) -> list[str]:
    """Entry and addenda 98."""
    return [entry(code, 0, trace=trace, account=account), f"798{reason}{original}{'':6}{RDFI}{data:<29}{'':15}{trace}"]


def dishonored(original: str, cents: int, *, trace: str = "091000010000001") -> list[str]:
    return [
        entry("21", cents, trace=trace),
        f"799R68{original}{'':6}{RDFI}{'':3}091000010000077064{'03'}{'':21}{trace}",
    ]


def contested(original: str, cents: int, *, trace: str = "091000010000001") -> list[str]:
    return [
        entry("21", cents, trace=trace),
        f"799R73{original}260304{RDFI}063091000010000077064{'03'}091000010000078065{'68'} {trace}",
    ]


def records(*answers: Sequence[str], sec: str = "CCD", day: str = "064") -> list[str]:
    """A whole file: headers, the answers' records, controls and filler."""
    body = [record for answer in answers for record in answer]
    entries = [record for record in body if record.startswith("6")]
    digest = sum(int(e[3:11]) for e in entries) % 10**10
    credit = sum(int(e[29:39]) for e in entries if e[2] in "1234")
    debit = sum(int(e[29:39]) for e in entries if e[2] in "6789")
    lines = [
        file_header(),
        batch_header(sec=sec, day=day),
        *body,
        f"8200{len(body):06d}{digest:010d}{debit:012d}{credit:012d}1234567890{'':19}{'':6}{RDFI}0000001",
    ]
    blocks = -(-(len(lines) + 1) // 10)
    lines.append(f"9{1:06d}{blocks:06d}{len(body):08d}{digest:010d}{debit:012d}{credit:012d}{'':39}")
    return lines + ["9" * 94] * (blocks * 10 - len(lines))


def whole(*answers: Sequence[str], sec: str = "CCD", day: str = "064", end: str = "\n") -> bytes:
    lines = records(*answers, sec=sec, day=day)
    assert {len(line) for line in lines} == {94}, [len(line) for line in lines]
    return "".join(line + end for line in lines).encode("ascii")


SHAPES: dict[str, Callable[[list[str]], str]] = {
    "as the rules have it": lambda lines: "\n".join(lines) + "\n",
    "carriage returns": lambda lines: "\r\n".join(lines) + "\r\n",
    "unbroken": lambda lines: "".join(lines),
    "no file header or control": lambda lines: "\n".join(x for x in lines if x[0] not in "19") + "\n",
    "no batch control": lambda lines: "\n".join(x for x in lines if x[0] != "8") + "\n",
    "blank lines": lambda lines: "\n\n".join(lines) + "\n\n\n",
    "no filler, last line open": lambda lines: "\n".join(x for x in lines if set(x) != {"9"}),
    "blanks at the end left out": lambda lines: "\n".join(x.rstrip() for x in lines) + "\n",
    "wrong counts": lambda lines: "\n".join(("82009999990" + x[11:]) if x[0] == "8" else x for x in lines) + "\n",
    "answers alone": lambda lines: "\n".join(x for x in lines if x[0] in "567") + "\n",
}
"""How banks shape a file: the records of a whole one, put together in other ways."""
