"""What End of Period shows: a table as wide as its words, and what failed in lines of their own."""

from __future__ import annotations

from gateway.cli.period import _page
from gateway.period.eop import EopResult, ModuleResult, PortfolioResult
from gateway.period.states import ModuleState, RunState


def test_what_failed_does_not_widen_the_table() -> None:
    why = "found today's figures transferred, " + "expected another thing, " * 20
    modules = (
        ModuleResult("U0415", "Batch Payments", ModuleState.DONE, "no preloaded files"),
        ModuleResult("U1003", "General Ledger Interface", ModuleState.FAILED, why),
        ModuleResult("U0422", "Zero Daily", ModuleState.PARENT_FAILED, None),
    )
    result = EopResult("2026-03-02", (PortfolioResult("1", 1, RunState.FAILED, "2026-03-02", modules),))
    shown = list(_page(result))
    assert max(len(line) for line in shown if why not in line) < 110
    assert f"  U1003: {why}" in shown
    assert shown[4].split() == [
        "U1003",
        "General",
        "Ledger",
        "Interface",
        "FAILED",
        "DUE",
        "TO",
        "ERROR",
        "see",
        "below",
    ]
