"""What is particular to each kind of reference data that posts nothing: portfolios, charts, charges, leases, days off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from gateway.calendar import BankingCalendar, CalendarError
from gateway.ledger import control_numbers
from gateway.ledger.chart import DEFAULT_CHARGES, DEFAULT_CHART, PURPOSES, Account, charge_purposes
from gateway.ledger.hierarchy import order_problem
from gateway.ledger.load_read import Problem
from gateway.ledger.load_stage import Bad, Loading, Staged, upsert

_FIRST_FREE_VECTOR = 850


def load_portfolios(loading: Loading, staged: Staged) -> None:
    """A portfolio's open business date is set the first time it is loaded."""
    rows = loading.sql(
        f"SELECT s.portfolio FROM {staged.table} s LEFT JOIN portfolio p ON p.portfolio = s.portfolio "
        "WHERE p.portfolio IS NULL"
    )
    loading.fresh_portfolios = set(rows.scalars())
    if loading.fresh_portfolios and loading.business_date is None:
        new = ", ".join(sorted(loading.fresh_portfolios, key=lambda p: (len(p), p)))
        loading.problems.append(
            Problem(
                staged.sheet.path.name, None, None, "no business date", f"one, because portfolio {new} is new",
                "give it with --date",
            )
        )  # fmt: skip
    elif loading.fresh_portfolios and loading.business_date is not None and loading.calendar is not None:
        _first_date(loading, date.fromisoformat(loading.business_date), loading.calendar)
    upsert(loading, staged, constants={"business_date": loading.business_date or "", "period_state": "OPEN"})


def _first_date(loading: Loading, day: date, calendar: BankingCalendar) -> None:
    """Told while it can be put right at once, and taken: books are taken over as of the end of a month, whatever day that
    is, and worked cases are of years long past. End of Period refuses a year that nobody checked."""
    try:
        closed = calendar.closed_because(day)
    except CalendarError:
        years = ", ".join(map(str, sorted(calendar.covered_years))) or "none"
        loading.warnings.append(
            f"the business date {day.isoformat()} is in none of the covered years ({years}), so End of Period cannot close it: check "
            f"the banking holidays of {day.year} (gateway ledger holidays --year {day.year}) and add the year to calendar.covered"
        )
        return
    if closed is not None:
        loading.warnings.append(
            f"the business date {day.isoformat()} is no banking day ({closed}); it is open until End of Period closes it, which "
            "opens the next banking day"
        )


def load_accounts(loading: Loading, staged: Staged) -> None:
    """One account a purpose in an office; side and purpose of an account with postings stay."""
    twice = loading.sql(
        f"SELECT s.row_no, s.purpose, f.vector FROM {staged.table} s JOIN {staged.table} f ON f.office_id = s.office_id "
        "AND f.purpose = s.purpose AND f.row_no < s.row_no UNION "
        f"SELECT s.row_no, s.purpose, a.vector FROM {staged.table} s JOIN gl_account a ON a.office_id = s.office_id "
        "AND a.purpose = s.purpose AND a.vector <> s.vector ORDER BY 1"
    ).all()
    loading.refuse(
        staged,
        [
            Bad(row, "purpose", f"{purpose}, which vector {vector} has", "one account a purpose", "correct one of them")
            for row, purpose, vector in _first_each(twice)
        ],
    )
    numbers = loading.sql(
        f"SELECT s.row_no, s.number, f.vector FROM {staged.table} s JOIN {staged.table} f ON f.office_id = s.office_id "
        "AND f.number = s.number AND f.row_no < s.row_no UNION "
        f"SELECT s.row_no, s.number, a.vector FROM {staged.table} s JOIN gl_account a ON a.office_id = s.office_id "
        "AND a.number = s.number AND a.vector <> s.vector WHERE NOT EXISTS (SELECT 1 "
        f"FROM {staged.table} n WHERE n.office_id = a.office_id AND n.vector = a.vector) ORDER BY 1"
    ).all()
    loading.refuse(
        staged,
        [
            Bad(row, "number", f"{number}, which vector {vector} has", "one account a number", "correct one of them")
            for row, number, vector in _first_each(numbers)
        ],
    )
    moved = loading.sql(
        f"SELECT s.row_no, a.vector, a.side, a.purpose FROM {staged.table} s JOIN gl_account a "
        "ON a.office_id = s.office_id AND a.vector = s.vector WHERE (a.side <> s.side OR a.purpose <> s.purpose) "
        "AND EXISTS (SELECT 1 FROM unit_total t WHERE t.account_id = a.account_id) ORDER BY s.row_no"
    )
    loading.refuse(
        staged,
        [
            Bad(row, "purpose", f"a change of account {vector}, which has postings", f"{side}, {purpose}", "leave it")
            for row, vector, side, purpose in moved
        ],
    )
    strange = loading.sql(f"SELECT DISTINCT purpose FROM {staged.table} ORDER BY purpose").scalars()
    known = PURPOSES | set(loading.sql("SELECT receivable_purpose FROM charge").scalars())
    known |= set(loading.sql("SELECT income_purpose FROM charge").scalars())
    loading.warnings += [
        f"{staged.sheet.path.name}: purpose {purpose!r} is none the gateway posts to" for purpose in strange if purpose not in known
    ]  # fmt: skip
    upsert(loading, staged, figure="opening_balance")


def _first_each(rows: Sequence[Sequence[object]]) -> list[tuple[int, object, object]]:
    return list({int(str(r[0])): (int(str(r[0])), r[1], r[2]) for r in reversed(rows)}.values())[::-1]


def load_charges(loading: Loading, staged: Staged) -> None:
    """Purposes follow from the code; what was billed keeps its basis and type, also once it is paid, because a payment
    taken back opens it again by the terms it was posted under; payment orders have no gap."""
    codes = loading.sql(f"SELECT DISTINCT code FROM {staged.table}").scalars().all()
    loading.many(
        f"UPDATE {staged.table} SET receivable_purpose = :r, income_purpose = :i WHERE code = :code",
        [{"code": c, "r": charge_purposes(c)[0], "i": charge_purposes(c)[1]} for c in codes],
    )
    changed = loading.sql(
        f"SELECT s.row_no, c.code, c.type, c.basis FROM {staged.table} s JOIN charge c ON c.portfolio = s.portfolio "
        "AND c.code = s.code WHERE (c.basis <> s.basis OR c.type <> s.type) AND EXISTS (SELECT 1 FROM receivable r "
        "JOIN invoice i ON i.invoice = r.invoice JOIN lease l ON l.lease = i.lease WHERE r.charge = c.code "
        "AND l.portfolio = c.portfolio) ORDER BY s.row_no"
    )
    loading.refuse(
        staged,
        [
            Bad(
                row,
                "basis",
                f"a change of {code}, which was billed before",
                f"type {type_}, basis {basis}",
                "leave it, and bill by another code from now on",
            )
            for row, code, type_, basis in changed
        ],
    )
    upsert(loading, staged)
    orders: dict[str, dict[str, int]] = {}
    for portfolio, code, order in loading.sql(
        f"SELECT portfolio, code, payment_order FROM charge WHERE portfolio IN (SELECT portfolio FROM {staged.table})"
    ):
        orders.setdefault(portfolio, {})[code] = order
    for portfolio, of_codes in sorted(orders.items()):
        problem = order_problem(of_codes)
        if problem is not None:
            found, expected = problem
            loading.problems.append(
                Problem(
                    staged.sheet.path.name, None, "payment_order", f"{found} in portfolio {portfolio}", expected,
                    "number the charges anew",
                )
            )  # fmt: skip


def complete_charts(loading: Loading) -> None:
    """Default charges for a portfolio that has none; every purpose an office lacks, from the default chart."""
    loading.many(
        "INSERT INTO charge (portfolio, code, name, type, basis, payment_order, priority, used, level, taxable, "
        "receivable_purpose, income_purpose) VALUES (:p, :code, :name, :type, :basis, :o, :y, :used, :level, :t, :r, :i)",
        [
            {
                "p": portfolio, "code": c.code, "name": c.name, "type": c.type, "basis": c.basis,
                "o": c.payment_order, "y": c.priority, "used": c.used, "level": c.level, "t": c.taxable,
                "r": c.receivable_purpose, "i": c.income_purpose,
            }
            for portfolio in loading.sql(
                "SELECT portfolio FROM portfolio WHERE portfolio NOT IN (SELECT portfolio FROM charge)"
            ).scalars().all()
            for c in DEFAULT_CHARGES
        ],
    )  # fmt: skip
    charged: dict[str, list[str]] = {}
    for portfolio, receivable, income in loading.sql(
        "SELECT portfolio, receivable_purpose, income_purpose FROM charge ORDER BY portfolio, code"
    ):
        charged.setdefault(portfolio, []).extend((receivable, income))
    present: dict[int, dict[str, tuple[str, str]]] = {}
    for office_id, purpose, vector, number in loading.sql("SELECT office_id, purpose, vector, number FROM gl_account"):
        present.setdefault(office_id, {})[purpose] = (vector, number)
    for office_id, portfolio, key in loading.sql(
        "SELECT office_id, portfolio, portfolio || '/' || company || '/' || region || '/' || office FROM office "
        "ORDER BY office_id"
    ).all():
        has = present.get(office_id, {})
        missing = _missing(has, charged.get(portfolio, []))
        loading.many(
            "INSERT INTO gl_account (office_id, vector, number, name, side, purpose) "
            "VALUES (:office, :vector, :number, :name, :side, :purpose)",
            [
                {
                    "office": office_id, "vector": a.vector, "number": a.number, "name": a.name, "side": a.side,
                    "purpose": a.purpose,
                }
                for a in missing
            ],
        )  # fmt: skip
        if has and missing:
            names = ", ".join(f"{a.purpose} as {a.number}" for a in missing[:5])
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            loading.warnings.append(f"office {key}: accounts completed from the default chart: {names}{more}")


def _missing(has: Mapping[str, tuple[str, str]], charged: list[str]) -> list[Account]:
    """Accounts to add to an office; one whose vector or number is taken, or that a site's own charge needs, gets a
    free one."""
    vectors, numbers = {v for v, _ in has.values()}, {n for _, n in has.values()}
    free = (str(n) for n in range(_FIRST_FREE_VECTOR, 1000) if str(n) not in vectors and f"1{n}" not in numbers)
    out = []
    own = [
        Account("", "", p, "D" if p.startswith("ASSMT RECV") else "C", p)
        for p in dict.fromkeys(charged)
        if p not in PURPOSES
    ]
    for account in [*DEFAULT_CHART, *own]:
        if account.purpose in has:
            continue
        clash = not account.vector or account.vector in vectors or account.number in numbers
        vector = next(free) if clash else account.vector
        out.append(Account(vector, f"1{vector}", account.name, account.side, account.purpose))
    return out


def load_leases(loading: Loading, staged: Staged) -> None:
    """A lease with invoices stays in its office, and none ends before it begins; a control number belongs to one open deal."""
    moved = loading.sql(
        f"SELECT s.row_no, s.lease, o.company || '/' || o.region || '/' || o.office FROM {staged.table} s "
        "JOIN lease l ON l.lease = s.lease JOIN office o ON o.office_id = l.office_id "
        "WHERE l.office_id <> s.office_id AND (EXISTS (SELECT 1 FROM invoice i WHERE i.lease = l.lease) "
        "OR EXISTS (SELECT 1 FROM journal_entry e WHERE e.lease = l.lease)) ORDER BY s.row_no"
    )
    loading.refuse(
        staged,
        [
            Bad(row, "office", f"another office for lease {lease}, which has postings", office, "leave it")
            for row, lease, office in moved
        ],
    )
    _refuse_ends(loading, staged)
    upsert(loading, staged, figure="escrow_cents")
    if not staged.sheet.has("control_number") and not staged.sheet.has("status"):
        return
    mine = {
        lease: row
        for row, lease in loading.sql(f"SELECT row_no, lease FROM {staged.table} WHERE control_number IS NOT NULL")
    }
    bad = []
    for control_number, leases in control_numbers.shared(loading.connection).items():
        rows = [(mine[lease], lease) for lease in leases if lease in mine]
        if rows:
            row, lease = max(rows)
            others = ", ".join(other for other in leases if other != lease)
            found = f"{control_number}, which the open deal of lease {others} has too"
            bad.append(Bad(row, "control_number", found, "one open deal a control number", "correct one of them"))
    loading.problems += [Problem(staged.sheet.path.name, *item) for item in sorted(bad)]


def _refuse_ends(loading: Loading, staged: Staged) -> None:
    """Of a date that the file leaves out the ledger's counts. Two columns changed for each other would end every lease."""
    begins, ends = (f"{'s' if staged.sheet.has(name) else 'l'}.{name}" for name in ("commencement", "maturity"))
    rows = loading.sql(
        f"SELECT s.row_no, {begins}, {ends} FROM {staged.table} s LEFT JOIN lease l ON l.lease = s.lease "
        f"WHERE {ends} < {begins} ORDER BY s.row_no"
    )
    loading.refuse(
        staged,
        [
            Bad(row, "maturity", end, f"a day not before the commencement {begin}", "correct one of them")
            for row, begin, end in rows
        ],
    )


def load_holidays(loading: Loading, staged: Staged) -> None:
    """Days off of the site; ``removed`` Y takes one away that was loaded by mistake. The days of the Federal Reserve are not
    among them and stay. What was built under the day keeps the dates that it has."""
    removed = loading.sql(
        f"SELECT s.row_no, s.calendar, s.date, h.name FROM {staged.table} s LEFT JOIN holiday h ON h.calendar = s.calendar "
        "AND h.date = s.date WHERE s.removed = 'Y' ORDER BY s.row_no"
    ).all()
    for row, calendar, day, name in removed:
        loading.warnings.append(
            f"{staged.sheet.path.name} row {row}: {day} is no day off of calendar {calendar}, so that there is nothing to remove"
            if name is None
            else f"{day} ({name}) is no day off of calendar {calendar} any more; files that are built already keep their dates"
        )
    gone = [{"c": calendar, "d": day} for _, calendar, day, name in removed if name is not None]
    loading.many("DELETE FROM holiday WHERE calendar = :c AND date = :d", gone)
    loading.sql(f"DELETE FROM {staged.table} WHERE removed = 'Y'")
    upsert(loading, staged)
    loading.counts[staged.kind.name].changed += len(gone)
    loading.counts[staged.kind.name].same += len(removed) - len(gone)


def load_schedules(loading: Loading, staged: Staged) -> None:
    upsert(loading, staged)
    loading.sql(
        "INSERT INTO schedule_add_on (lease, term, code, amount_cents) SELECT c.lease, c.term, c.code, c.cents "
        f"FROM load_codes c JOIN {staged.table} s ON s.lease = c.lease AND s.term = c.term WHERE true "
        "ON CONFLICT (lease, term, code) DO UPDATE SET amount_cents = excluded.amount_cents"
    )
