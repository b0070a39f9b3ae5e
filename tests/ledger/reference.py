"""Small reference data, written as files that ``load`` reads."""

from __future__ import annotations

from pathlib import Path

from gateway.ledger.database import Database
from gateway.ledger.load import LoadResult, load
from gateway.ledger.vendor_changes import Maker
from gateway.vault import Vault
from tests.support.held_vault import HeldVault

VAULT = HeldVault(b"k" * 32)
AT = "2026-03-02T14:00:00.000000Z"
DATE = "2026-03-02"

BASE: dict[str, str] = {
    "portfolios": "portfolio,name\n1,FIRST LEASING\n",
    "offices": "portfolio,company,region,office,name\n1,1,1,1,MAIN\n1,1,1,10,TEN\n1,1,1,2,SECOND\n",
    "leases": (
        "lease,portfolio,company,region,office,lessee,lessee_name,status,accrual_method,commencement,maturity,"
        "control_number,normal_payment\n"
        "1001,1,1,1,1,SMITH,John Smith,AACQ,OPR,2024-01-01,2027-12-31,STK1,200.00\n"
        "1002,1,1,1,2,JONES,Ann Jones,AACQ,OPR,2024-01-01,2027-12-31,STK2,300.00\n"
    ),
    "assets": "asset,lease,description\nA1,1001,Van\nA2,1002,Truck\n",
    "invoices": (
        "invoice,lease,due_date,charge,amount,asset\n"
        "1,1001,2026-02-01,PYMT,200.00,\n"
        "1,1001,2026-02-01,LTCH,25.00,\n"
        "2,1001,2026-03-01,PYMT,200.00,\n"
        "3,1002,2026-03-01,PYMT,300.00,\n"
        "3,1002,2026-03-01,PTAX,40.00,A2\n"
    ),
}
PAYMENTS = (
    "batch,line,check,operator,effective_date,effective_time,lease,invoice,amount,charge,bank\n"
    "26021090000100000001,1,500,JS1,2026-02-10,09:00:00,1001,1,225.00,,\n"
    "26021190000200000001,1,501,JS1,2026-02-11,09:00:00,1002,3,100.00,PYMT,127\n"
    "26021290000300000001,1,,JS1,2026-02-12,09:00:00,1002,DEF FEE,15.00,,\n"
)
CHARGES_WITH_ESCROW = (
    "portfolio,code,name,type,basis,payment_order,priority,used\n"
    "1,PYMT,RENT,I,A,2,N,Y\n1,LTCH,LATE,I,C,1,N,Y\n1,PTAX,PROPERTY TAX,P,A,3,N,Y\n"
    "1,RCR3,ESCROW THREE,E,C,0,N,Y\n1,RC12,ESCROW TWELVE,E,C,0,N,Y\n1,RCR1,ESCROW ONE,E,C,0,N,N\n"
)


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    return folder


def run(db: Database, folder: Path, *, date: str | None = DATE, vault: Vault = VAULT) -> LoadResult:
    return load(db, [folder], vault=vault, maker=Maker("ABC", "abc"), posted_at=AT, business_date=date)


def loaded(db: Database, folder: Path, **more: str) -> LoadResult:
    """Load the base data with further or other files."""
    return run(db, write(folder, **(BASE | more)))
