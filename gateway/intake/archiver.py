"""``python -m gateway.intake.archiver HOME FILE_ID``: archive the records of one posted file as Avro, and end.

The second process of ``artifacts.write_unconfirmed`` for large files that have no drafts. It reads only what is committed,
and writes one file that appears whole or not at all, so that it may be killed and run again at any moment.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.app import open_app
from gateway.collection import collect_rarely
from gateway.intake.artifacts import write_records
from gateway.intake.files import file_row
from gateway.intake.registry import update_for


def main(home: str, file_id: str) -> None:
    app = open_app(Path(home))
    try:
        with app.db.read() as connection:
            file = file_row(connection, int(file_id))
            write_records(app, connection, file, update_for(file.kind))
    finally:
        app.close()


if __name__ == "__main__":
    collect_rarely()
    main(sys.argv[1], sys.argv[2])
