"""What the database itself refuses, in each dialect: invariants 1 and 6 do not rest on our code.

* entries, lines and unit totals enter only an OPEN unit, and are never updated, deleted, replaced or truncated;
* closing a unit checks that every entry has lines, balances, and stays within one office, and that every line has an
  entry and an account (there are no foreign keys to say so: see ``schema.py``);
* a closed unit never changes; an open one cannot commit (``unit_guard`` in ``schema.py``);
* what people did with a suspense item is never updated, deleted or truncated.

SQLite has row triggers only; PostgreSQL uses statement triggers with transition tables, one look a statement.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.ledger.schema import ENTRIES_A_UNIT, JOURNAL_TABLES

_UNIT_OF = f"entry_id / {ENTRIES_A_UNIT}"

_RANGE = f"BETWEEN NEW.unit_id * {ENTRIES_A_UNIT} AND (NEW.unit_id + 1) * {ENTRIES_A_UNIT} - 1"
_BAD_ENTRY = f"""
    SELECT 1 FROM journal_line l WHERE l.entry_id {_RANGE} GROUP BY l.entry_id
    HAVING SUM(CASE l.side WHEN 'D' THEN l.amount_cents ELSE -l.amount_cents END) <> 0
    UNION ALL
    SELECT 1 FROM journal_line l
    LEFT JOIN journal_entry e ON e.entry_id = l.entry_id
    LEFT JOIN gl_account a ON a.account_id = l.account_id
    WHERE l.entry_id {_RANGE} AND COALESCE(a.office_id, -1) <> COALESCE(e.office_id, -2)
    UNION ALL
    SELECT 1 FROM (SELECT COUNT(*) AS n FROM journal_entry e WHERE e.entry_id {_RANGE}) entries,
        (SELECT COUNT(*) AS n FROM journal_line l WHERE l.entry_id {_RANGE} AND l.line = 1) firsts
    WHERE entries.n <> firsts.n
"""
# Passes in key order, none of which sorts: sums by entry; lines without entry or account, or across offices; entries
# without a line (lines are numbered from 1).
_BAD_ENTRY_AT_ONCE = f"""
    SELECT 1 FROM (
        SELECT l.entry_id, SUM(CASE l.side WHEN 'D' THEN l.amount_cents ELSE -l.amount_cents END) AS net,
            MIN(COALESCE(a.office_id, -1)) AS first_office, MAX(COALESCE(a.office_id, -1)) AS last_office
        FROM journal_line l LEFT JOIN gl_account a ON a.account_id = l.account_id
        WHERE l.entry_id {_RANGE} GROUP BY l.entry_id
    ) s FULL JOIN (SELECT e.entry_id, e.office_id FROM journal_entry e WHERE e.entry_id {_RANGE}) e
        ON e.entry_id = s.entry_id
    WHERE s.entry_id IS NULL OR e.entry_id IS NULL OR s.net <> 0 OR s.first_office <> s.last_office
        OR s.first_office <> e.office_id
"""
# The same by sums of an entry's lines, each line looked at once: on PostgreSQL half the time of the passes, which it joins
# row by row for want of figures about rows this young. SQLite has no quick FULL JOIN.
PERMANENT = ("office", "gl_account", "invoice")
"""What the journal and the receivables point at without a foreign key; rows of these never go."""
_UNBALANCED = "a posting unit holds an entry that does not balance within one office"
_CLOSED = "the posting unit is closed: correct by a new entry"
_REFERRED = "offices, accounts and invoices are never deleted: postings point at them"
_APPEND_ONLY = "the journal is append-only: correct by a new entry"
_HISTORY = "the history of suspense is append-only: work the item further"


def statements(*, is_sqlite: bool) -> list[str]:
    """Every guard of this version. A migration runs those of its own revision."""
    return [
        *(sqlite_statements() if is_sqlite else postgresql_statements()),
        *suspense_statements(is_sqlite=is_sqlite),
        *revised_statements(is_sqlite=is_sqlite),
    ]


_TRIGGER: Final = re.compile(r"CREATE TRIGGER (\w+) ")
_FUNCTION: Final = re.compile(r"CREATE (?:OR REPLACE )?FUNCTION (\w+)\(\).*?\$\$(.*)\$\$", re.DOTALL)
_EXECUTED: Final = re.compile(r"EXECUTE FUNCTION (\w+)\(\)")


def guarding(*, is_sqlite: bool) -> dict[str, str]:
    """By trigger what it does: its own text on SQLite, the body of its function on PostgreSQL, where the newest counts."""
    every = statements(is_sqlite=is_sqlite)
    triggers = {found[1]: statement for statement in every if (found := _TRIGGER.match(statement))}
    if is_sqlite:
        return triggers
    bodies = {found[1]: found[2] for statement in every if (found := _FUNCTION.match(statement))}
    return {name: bodies[found[1]] for name, does in triggers.items() if (found := _EXECUTED.search(does))}


def sqlite_statements() -> list[str]:
    """Those of revision 0001."""
    out = []
    for table in JOURNAL_TABLES:
        key = "NEW.unit_id" if table == "unit_total" else f"NEW.{_UNIT_OF}"
        out.append(
            f"CREATE TRIGGER {table}_open_unit BEFORE INSERT ON {table} "
            f"WHEN (SELECT state FROM posting_unit WHERE unit_id = {key}) IS NOT 'OPEN' "
            f"BEGIN SELECT RAISE(ABORT, '{_CLOSED}'); END"
        )
        out += [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{_APPEND_ONLY}'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    out += [
        f"CREATE TRIGGER {table}_permanent BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, '{_REFERRED}'); END"
        for table in PERMANENT
    ]
    out += [
        "CREATE TRIGGER posting_unit_no_delete BEFORE DELETE ON posting_unit "
        f"BEGIN SELECT RAISE(ABORT, '{_APPEND_ONLY}'); END",
        "CREATE TRIGGER posting_unit_closed BEFORE UPDATE ON posting_unit WHEN OLD.state = 'CLOSED' "
        f"BEGIN SELECT RAISE(ABORT, '{_CLOSED}'); END",
        "CREATE TRIGGER posting_unit_balances BEFORE UPDATE ON posting_unit WHEN NEW.state = 'CLOSED' "
        f"BEGIN SELECT RAISE(ABORT, '{_UNBALANCED}') WHERE EXISTS ({_BAD_ENTRY}); END",
        "CREATE TRIGGER posting_unit_opens BEFORE INSERT ON posting_unit "
        "WHEN NEW.state <> 'OPEN' OR NEW.open_guard IS NOT 1 "
        "BEGIN SELECT RAISE(ABORT, 'a posting unit is inserted open, with its guard'); END",
        "CREATE TRIGGER posting_unit_guarded BEFORE UPDATE ON posting_unit "
        "WHEN NEW.state = 'OPEN' AND NEW.open_guard IS NOT 1 "
        "BEGIN SELECT RAISE(ABORT, 'an open posting unit keeps its guard'); END",
        "CREATE TRIGGER unit_guard_empty BEFORE INSERT ON unit_guard "
        "BEGIN SELECT RAISE(ABORT, 'unit_guard stays empty'); END",
    ]
    return out


def postgresql_statements() -> list[str]:
    """Those of revision 0001."""
    out = [
        _function("journal_append_only", f"RAISE EXCEPTION '{_APPEND_ONLY}';"),
        _function("referred_permanent", f"RAISE EXCEPTION '{_REFERRED}';"),
        _function("unit_guard_refuse", "RAISE EXCEPTION 'unit_guard stays empty';"),
        _unit_check(_BAD_ENTRY),
        "CREATE TRIGGER posting_unit_check BEFORE INSERT OR UPDATE ON posting_unit "
        "FOR EACH ROW EXECUTE FUNCTION posting_unit_check()",
        "CREATE TRIGGER unit_guard_empty BEFORE INSERT ON unit_guard FOR EACH ROW EXECUTE FUNCTION unit_guard_refuse()",
    ]
    out += [
        f"CREATE TRIGGER {table}_permanent BEFORE DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION referred_permanent()"
        for table in PERMANENT
    ]
    for table in (*JOURNAL_TABLES, "posting_unit"):
        verbs = "DELETE OR TRUNCATE" if table == "posting_unit" else "UPDATE OR DELETE OR TRUNCATE"
        out.append(
            f"CREATE TRIGGER {table}_append_only BEFORE {verbs} ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION journal_append_only()"
        )
    for table in JOURNAL_TABLES:
        key = "unit_id" if table == "unit_total" else _UNIT_OF
        out.append(
            _function(
                f"{table}_open_unit",
                f"""
                IF EXISTS (
                    SELECT 1 FROM (SELECT DISTINCT {key} AS unit_id FROM new_rows) n
                    LEFT JOIN posting_unit u ON u.unit_id = n.unit_id
                    WHERE u.state IS DISTINCT FROM 'OPEN'
                ) THEN RAISE EXCEPTION '{_CLOSED}'; END IF;
                RETURN NULL;
                """,
            )
        )
        out.append(
            f"CREATE TRIGGER {table}_open_unit AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_open_unit()"
        )
    return out


def suspense_statements(*, is_sqlite: bool) -> list[str]:
    """Those of revision 0002."""
    if is_sqlite:
        return [
            f"CREATE TRIGGER suspense_move_no_{verb.lower()} BEFORE {verb} ON suspense_move "
            f"BEGIN SELECT RAISE(ABORT, '{_HISTORY}'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    return [
        _function("suspense_append_only", f"RAISE EXCEPTION '{_HISTORY}';"),
        "CREATE TRIGGER suspense_move_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON suspense_move "
        "FOR EACH STATEMENT EXECUTE FUNCTION suspense_append_only()",
    ]


def revised_statements(*, is_sqlite: bool) -> list[str]:
    """Those of revision 0004."""
    return [] if is_sqlite else [_unit_check(_BAD_ENTRY_AT_ONCE).replace("CREATE ", "CREATE OR REPLACE ", 1)]


def _unit_check(bad_entry: str) -> str:
    return _function(
        "posting_unit_check",
        f"""
        IF TG_OP = 'INSERT' THEN
            IF NEW.state <> 'OPEN' OR NEW.open_guard IS DISTINCT FROM 1 THEN
                RAISE EXCEPTION 'a posting unit is inserted open, with its guard';
            END IF;
            RETURN NEW;
        END IF;
        IF OLD.state = 'CLOSED' THEN RAISE EXCEPTION '{_CLOSED}'; END IF;
        IF NEW.state = 'OPEN' AND NEW.open_guard IS DISTINCT FROM 1 THEN
            RAISE EXCEPTION 'an open posting unit keeps its guard';
        END IF;
        IF NEW.state = 'CLOSED' AND EXISTS ({bad_entry}) THEN RAISE EXCEPTION '{_UNBALANCED}'; END IF;
        RETURN NEW;
        """,
    )


def _function(name: str, body: str) -> str:
    return f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
