"""What is at stake before a window closes: files summed by endpoint and window."""

from __future__ import annotations

from typing import Any

from gateway.console.windows import at_stake, to_send

FIRST, LAST = "2026-03-02 14:45 CST", "2026-03-02 17:30 CST"


def file(window: str | None, state: str = "APPROVED", *, endpoint: str = "bank", near: bool = False) -> dict[str, Any]:
    """Three entries of 1,000.00 together."""
    return {
        "endpoint": endpoint, "window": window, "window_closes_at": f"at {window}", "window_near": near, "state": state,
        "entries": 3, "at_stake_cents": 100_000,
    }  # fmt: skip


def test_files_are_summed_by_endpoint_and_window() -> None:
    found = at_stake([
        file(FIRST), file(LAST), file(FIRST, "BUILT", near=True), file(None), file(FIRST, endpoint="other"), file(FIRST),
    ])  # fmt: skip
    assert [tuple(one.values()) for one in found] == [
        ("bank", FIRST, f"at {FIRST}", True, 3, 9, 300_000, 1),
        ("bank", LAST, f"at {LAST}", False, 1, 3, 100_000, 0),
        ("other", FIRST, f"at {FIRST}", False, 1, 3, 100_000, 0),
    ]
    assert [to_send(one) for one in found] == [
        "3 files not sent, 9 entries, 3,000.00 at stake, 1 of them not released",
        "1 file not sent, 3 entries, 1,000.00 at stake",
        "1 file not sent, 3 entries, 1,000.00 at stake",
    ]
