"""``python -m gateway.intake.archiver HOME FILE_ID``: archive the records of one posted file as Avro, and end.

The second process of ``artifacts.write_unconfirmed`` for large files. It makes ready, which takes as long as archiving tens
of thousands of records, and waits for a byte on its standard input: so it can be started while the file posts. It reads only
what is committed, and writes one file that appears whole or not at all, so that it may be killed and run again at any
moment. When the posting ends without a word, so does it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.app import open_app
from gateway.intake.artifacts import write_records
from gateway.intake.files import file_row
from gateway.intake.registry import update_for


def main(home: str, file_id: str) -> None:
    app = open_app(Path(home))
    try:
        if not sys.stdin.buffer.read(1):
            return
        with app.db.read() as connection:
            file = file_row(connection, int(file_id))
            write_records(app, connection, file, update_for(file.kind))
    finally:
        app.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
