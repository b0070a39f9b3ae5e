"""lease-gateway: batch files in, a balanced ledger, bank, GL and dealer files out, delivered."""

from gateway.sqlite_library import leave_uncounted

leave_uncounted()  # here, because nothing of the program may have loaded SQLite before
