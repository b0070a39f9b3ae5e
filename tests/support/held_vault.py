"""A vault that seals for nobody who does not hold the lock on keys: a rotation could take the key away meanwhile."""

from __future__ import annotations

import threading

from sqlalchemy import Connection

from gateway.vault import Lock, Vault


class HeldVault(Vault):
    """``hold`` lasts as long as the transaction of the thread that called it."""

    def __init__(self, *keys: bytes) -> None:
        super().__init__(*keys)
        self._holder = threading.local()

    def hold(self, db: Lock, connection: Connection) -> None:
        super().hold(db, connection)
        self._holder.connection = connection

    def seal_bytes(self, data: bytes, *, field: str) -> bytes:
        held = getattr(self._holder, "connection", None)
        assert held is not None and not held.closed and held.in_transaction(), f"{field} sealed before vault.hold"
        return super().seal_bytes(data, field=field)
