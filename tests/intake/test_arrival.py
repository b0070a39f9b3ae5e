"""When a file is whole: a table of histories, and properties of the quiet rule. No file, no clock."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.arrival import Complete, Decision, Rules, Seen, Watched, decide, look

QUIET = Rules(quiet_seconds=2.0)
MARKER = Rules(completeness="marker")
RENAME = Rules(completeness="rename")


def seen(name: str = "a.dat", *, size: int = 10, mtime: int = 1, inode: int = 7, sort: str = "file") -> Seen:
    return Seen(name, (sort, size, mtime, inode))


def play(rules: Rules, *history: tuple[float, list[Seen]]) -> list[Decision]:
    """The decisions of successive looks; what is complete is taken away, as claiming does."""
    watched: dict[str, Watched] = {}
    decisions = []
    for now, names in history:
        decision = decide(watched, names, now, rules)
        watched = decision.watched
        decisions.append(decision)
    return decisions


@pytest.mark.parametrize(
    ("history", "complete"),
    [
        ([(0, [seen()])], False),
        ([(0, [seen()]), (1.9, [seen()])], False),
        ([(0, [seen()]), (2.0, [seen()])], True),
        ([(0, [seen()]), (900, [seen(size=11)])], False),  # still growing, however seldom we look
        ([(0, [seen()]), (1, [seen(size=11)]), (2.5, [seen(size=11)])], False),
        ([(0, [seen()]), (1, [seen(size=11)]), (3, [seen(size=11)])], True),
        ([(0, [seen()]), (2, [seen(mtime=2)])], False),  # rewritten in place with the same size
        ([(0, [seen()]), (2, [seen(inode=8)])], False),  # another file under the name
        ([(0, [seen()]), (1, []), (2, [seen()])], False),  # gone and back again
        ([(0, [seen(mtime=-(10**15))]), (1, [seen(mtime=-(10**15))])], False),  # an old date proves nothing
        ([(0, [seen("b.dat")]), (2, [seen("a.dat")])], False),  # renamed while watched
        ([(0, [seen(size=0)]), (2, [seen(size=0)])], True),
    ],
)
def test_quiet(history: list[tuple[float, list[Seen]]], complete: bool) -> None:
    last = play(QUIET, *history)[-1]
    assert bool(last.complete) is complete
    assert last.refusals == ()


@pytest.mark.parametrize(
    ("rules", "names", "expected"),
    [
        (MARKER, [seen()], ()),
        (MARKER, [seen(), seen("a.dat.done")], (("a.dat", "a.dat.done"),)),
        (MARKER, [seen("A.DAT"), seen("a.dat.OK")], (("A.DAT", "a.dat.OK"),)),
        (MARKER, [seen(), seen("b.dat.done")], ()),
        (MARKER, [seen("a.dat.done")], ()),
        (MARKER, [seen(), seen("a.dat.done", sort="symlink")], ()),
        (MARKER, [seen(), seen("a.done")], ()),
        (RENAME, [seen()], (("a.dat", None),)),
        (RENAME, [seen("a.dat.part"), seen(".a.dat"), seen("a.TMP"), seen("a.filepart"), seen("x.filtered")], ()),
        (QUIET, [seen("a.dat", sort="symlink")], ()),
    ],
)
def test_other_signs(rules: Rules, names: list[Seen], expected: tuple[tuple[str, str | None], ...]) -> None:
    decision = decide({}, names, 0.0, rules)
    assert tuple((c.name, c.marker) for c in decision.complete) == expected


def test_never_without_its_marker() -> None:
    assert not any(d.complete for d in play(MARKER, *((float(n), [seen()]) for n in range(1000))))


def test_the_next_look_is_due_exactly_when_the_first_quiet_time_ends() -> None:
    first, second, third = play(QUIET, (0, [seen()]), (0.5, [seen(), seen("b.dat")]), (2, [seen(), seen("b.dat")]))
    assert (first.due, second.due, third.due) == (2.0, 2.0, 2.5)
    assert decide({}, [], 0, QUIET).due is None


def test_the_oldest_file_comes_first() -> None:
    names = [seen("b.dat", mtime=5), seen("c.dat", mtime=3), seen("a.dat", mtime=5)]
    assert [c.name for c in decide({}, names, 0, RENAME).complete] == ["c.dat", "a.dat", "b.dat"]


def test_what_no_parser_claims_is_reported_once_and_again_when_it_changes() -> None:
    rules = Rules(unfit=lambda name: ("UNKNOWN_NAME", "Found x, expected y: z.") if name == "x.dat" else None)
    history = [(0.0, [seen("x.dat")]), (9.0, [seen("x.dat")]), (10.0, [seen("x.dat", size=11)]), (11.0, [])]
    decisions = play(rules, *history, (12.0, [seen("x.dat")]))
    assert [len(d.refusals) for d in decisions] == [1, 0, 1, 0, 1]
    assert decisions[0].refusals[0].code == "UNKNOWN_NAME"
    assert not any(d.complete for d in decisions)


@pytest.mark.parametrize("sort", ["symlink", "directory", "fifo", "socket", "device"])
def test_what_is_no_file_is_left_and_reported_once(sort: str) -> None:
    decisions = play(QUIET, *((float(n), [seen(sort=sort)]) for n in range(5)))
    assert [[r.code for r in d.refusals] for d in decisions] == [[sort.upper()], [], [], [], []]
    assert not any(d.complete or d.due for d in decisions)


def test_look_names_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_bytes(b"123")
    (tmp_path / "dir").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a.dat")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "sock"))
        sorts = {s.name: s.identity[0] for s in look(tmp_path)}
    assert sorts == {"a.dat": "file", "dir": "directory", "link": "symlink", "pipe": "fifo", "sock": "socket"}


observation = st.tuples(
    st.floats(min_value=0.0, max_value=3.0), st.integers(0, 2), st.integers(0, 1), st.sampled_from([7, 8])
)


@given(st.lists(observation, min_size=1, max_size=30))
def test_complete_means_unchanged_for_the_quiet_time(history: list[tuple[float, int, int, int]]) -> None:
    """Whatever happens, a claim has observations at least the quiet time apart with nothing different between them."""
    now, watched = 0.0, dict[str, Watched]()
    past: list[tuple[float, Seen]] = []
    for gap, size, mtime, inode in history:
        now += gap
        name = seen(size=size, mtime=mtime, inode=inode)
        past.append((now, name))
        decision = decide(watched, [name], now, QUIET)
        watched = decision.watched
        same_since = now
        for at, before in reversed(past):
            if before != name:
                break
            same_since = at
        expected = (Complete("a.dat", name.identity),) if now - same_since >= 2.0 else ()
        assert decision.complete == expected
        assert decision.complete or decision.due == same_since + 2.0
