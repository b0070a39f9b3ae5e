"""What a look at the far side proves: every row of the table."""

from __future__ import annotations

import pytest

from gateway.delivery.probe import Seen, Sight, Verdict, decide_probe

SHA = "a" * 64
GONE, HIDDEN = Seen(Sight.ABSENT), Seen(Sight.HIDDEN)
V = Verdict


def there(size: int | None) -> Seen:
    return Seen(Sight.PRESENT, size)


@pytest.mark.parametrize(
    ("target", "temporary", "read_back", "removed", "verdict"),
    [
        (there(10), GONE, SHA, False, V.DELIVERED),
        (there(10), GONE, None, False, V.DELIVERED),
        (there(10), there(10), SHA, False, V.DELIVERED),
        (there(10), GONE, SHA, True, V.DELIVERED),
        (there(None), GONE, SHA, False, V.DELIVERED),
        (there(None), GONE, None, False, V.UNDECIDED),
        (there(9), GONE, None, False, V.DIFFERENT),
        (there(10), GONE, "b" * 64, False, V.DIFFERENT),
        (there(11), there(10), None, True, V.DIFFERENT),
        (GONE, there(10), None, False, V.REMOVE_TEMPORARY),
        (GONE, there(3), None, False, V.REMOVE_TEMPORARY),
        (GONE, there(10), None, True, V.NOT_DELIVERED),
        (GONE, GONE, None, False, V.GONE),
        (GONE, HIDDEN, None, False, V.UNDECIDED),
        (HIDDEN, there(10), None, False, V.UNDECIDED),
        (HIDDEN, there(10), None, True, V.UNDECIDED),
        (HIDDEN, GONE, None, False, V.UNDECIDED),
    ],
)
def test_verdict(target: Seen, temporary: Seen, read_back: str | None, removed: bool, verdict: Verdict) -> None:
    assert (
        decide_probe(
            target=target,
            temporary=temporary,
            expected_size=10,
            expected_sha256=SHA,
            read_back_sha256=read_back,
            removed=removed,
        )
        is verdict
    )
