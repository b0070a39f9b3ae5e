"""End of Period: the modules of a portfolio's open business date, in order, each once, taken up again where they stood.

A module's state changes in the transaction that holds its effect, so a kill at any moment leaves it either done or to
be done. A module that fails leaves those that need it postponed, the rest go on; the business date advances only when
every module is done or skipped. Running the same date again takes up what is left; a date that is over stays over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Connection, text

from gateway import log
from gateway.app import App
from gateway.calendar import CalendarError
from gateway.crashpoints import Step, reached
from gateway.errors import GatewayError, Refused, UsageError
from gateway.ledger import accounts, schema
from gateway.period.context import Context, PostFile
from gateway.period.modules import FIRST, LAST, MODULES, Module, needs_of, plan
from gateway.period.states import SETTLED, ModuleState, RunState
from gateway.period.turn import turn
from gateway.period.unfinished import INTERRUPTED, SKIPPED_WITH, Period

Progress = Callable[[str, str, int, int], None]
"""(portfolio, module, how many are settled, of how many)"""
_Was = tuple[ModuleState, str | None]
"""How a module stands, with its message."""


@dataclass(frozen=True, slots=True)
class ModuleResult:
    module: str
    title: str
    state: ModuleState
    message: str | None


@dataclass(frozen=True, slots=True)
class PortfolioResult:
    """What became of one portfolio; ``next_date`` is its open business date afterwards."""

    portfolio: str
    run_id: int
    state: RunState
    next_date: str
    modules: tuple[ModuleResult, ...]


@dataclass(frozen=True, slots=True)
class EopResult:
    business_date: str
    portfolios: tuple[PortfolioResult, ...]

    @property
    def done(self) -> bool:
        """Every module of every portfolio is done or was skipped on purpose, as far as the run was asked to go."""
        return all(m.state in SETTLED or m.state is ModuleState.PENDING for p in self.portfolios for m in p.modules)


def run_eop(
    app: App,
    business_date: str,
    *,
    post_file: PostFile,
    portfolios: Sequence[str] | None = None,
    only: Collection[str] | None = None,
    skip: Collection[str] = (),
    progress: Progress | None = None,
    halted: Callable[[], bool] = lambda: False,
    by_itself: bool = False,
) -> EopResult:
    """Run End of Period of a business date. ``only`` runs these modules and leaves the others for later. ``by_itself``:
    nobody asked for it, so a run that waits for a person stays as it is, and what a person skipped stays skipped.

    Raises Refused when the date is not the open one, lies in a year nobody checked, or a module of ``only`` is unknown,
    skipped, not planned that day or needs one that is not done, AtWork (which is Refused) when another process is at it:
    all before a row is written, for all portfolios. What fails while it runs is a state in the result.
    """
    app.operator.require("post", "running End of Period")
    day = _date(business_date)
    _check_names(only, skip)
    with app.db.read() as connection:
        known = list(accounts.portfolios(connection))
        chosen = known if portfolios is None else [p for p in known if p in portfolios]
        _check_dates(connection, portfolios, chosen, business_date)
        if portfolios is None:
            chosen = [p for p in chosen if _concerns(connection, p, business_date)]
    following = _next_day(app, day)
    with turn(app.db, chosen):
        runs = [
            _Run(
                app, portfolio, business_date, plan(app, portfolio, day, following), post_file, progress, halted,
                only, frozenset({*skip, *app.settings.portfolio(portfolio).eop_skip}),
            )
            for portfolio in chosen
        ]  # fmt: skip
        with app.db.read() as connection:
            for run in runs:
                run.look(connection)
        if by_itself:
            runs = [run for run in runs if not run.period.for_a_person]
            for run in runs:
                run.skip |= set(run.period.skipped)
        runs = _planned_in(runs, only, named=portfolios is not None)
        for run in runs:
            run.refuse()
        return EopResult(business_date, tuple([run.go() for run in runs]))


# --- refusals -----------------------------------------------------------------------------------------------


def _date(business_date: str) -> date:
    try:
        return date.fromisoformat(business_date)
    except ValueError:
        raise Refused(f"End of Period: found date {business_date!r}, expected one such as 2026-11-21") from None


def _next_day(app: App, day: date) -> date:
    try:
        calendar = app.calendar()
        calendar.is_banking_day(day)  # the date itself must lie in a covered year too
        return calendar.add_banking_days(day, 1)
    except CalendarError as error:
        raise Refused(f"End of Period of {day.isoformat()}: {error}") from error


def _check_names(only: Collection[str] | None, skip: Collection[str]) -> None:
    names = {m.name for m in MODULES}
    unknown = sorted({*(only or ()), *skip} - names)
    if unknown:
        raise Refused(f"End of Period: found modules {', '.join(unknown)}, expected some of {', '.join(sorted(names))}")
    fixed = sorted({FIRST, LAST} & set(skip))
    if fixed:
        raise Refused(f"End of Period: found --skip {' '.join(fixed)}, expected neither: they open and close the date")


def _concerns(connection: Connection, portfolio: str, business_date: str) -> bool:
    return accounts.business_date(connection, portfolio)[0] == business_date or _run_of(
        connection, portfolio, business_date
    )


def _run_of(connection: Connection, portfolio: str, business_date: str) -> bool:
    found = connection.execute(
        text("SELECT 1 FROM eop_run WHERE portfolio = :p AND business_date = :d"),
        {"p": portfolio, "d": business_date},
    )
    return found.first() is not None


def _check_dates(
    connection: Connection, asked: Sequence[str] | None, chosen: Sequence[str], business_date: str
) -> None:
    """The date is the open one of each portfolio asked for, or one whose End of Period already ran."""
    missing = sorted(set(asked or ()) - set(chosen))
    if missing or not chosen:
        raise UsageError(
            f"End of Period: found no portfolio {', '.join(missing) or 'at all'}, expected it to be loaded: gateway load"
        )
    wrong = [p for p in chosen if not _concerns(connection, p, business_date)]
    if wrong and (asked is not None or len(wrong) == len(chosen)):
        dates = ", ".join(f"{accounts.business_date(connection, p)[0]} of portfolio {p}" for p in wrong)
        raise Refused(
            f"End of Period of {business_date}: found the open business date {dates}, expected that date; "
            "nothing was run: give the open date"
        )


def _planned_in(runs: Sequence[_Run], only: Collection[str] | None, *, named: bool) -> list[_Run]:
    """The runs that have something of ``only`` to do. Raises Refused for a module that no run has, or, where the
    portfolios were ``named``, one of them has not."""
    for run in runs:
        others = [*runs] if not named else [run]
        strange = sorted(set(only or ()) - {m.name for one in others for m in one.planned})
        if strange:
            where = f"portfolio {run.portfolio}" if len(others) == 1 else "any portfolio"
            raise Refused(
                f"End of Period of {run.business_date}: found {', '.join(strange)} not planned for {where} on that date, expected "
                f"some of {' '.join(m.name for m in run.planned)}; nothing was run"
            )
    return [run for run in runs if only is None or not {m.name for m in run.planned}.isdisjoint(only)]


# --- one portfolio ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Run:
    app: App
    portfolio: str
    business_date: str
    planned: list[Module]
    post_file: PostFile
    progress: Progress | None
    halted: Callable[[], bool]
    only: Collection[str] | None
    skip: frozenset[str]
    run_id: int = 0  # 0: there is none yet
    over: bool = False  # the date is closed for good
    before: dict[str, _Was] = field(default_factory=dict)

    def look(self, connection: Connection) -> None:
        """Gather the run as it stands."""
        row = connection.execute(
            text("SELECT run_id, state FROM eop_run WHERE portfolio = :p AND business_date = :d"),
            {"p": self.portfolio, "d": self.business_date},
        ).one_or_none()
        if row is None:
            return
        self.run_id, self.over = int(row.run_id), row.state == RunState.DONE
        rows = connection.execute(
            text("SELECT module, state, message FROM eop_module WHERE run_id = :run"), {"run": self.run_id}
        )
        self.before = {r.module: (ModuleState(r.state), r.message) for r in rows}
        if self.over:
            self.planned = [m for m in MODULES if m.name in self.before]

    @property
    def period(self) -> Period:
        return Period(self.portfolio, self.business_date, self.before)

    def refuse(self) -> None:
        """With ``only``, a chosen module waits to run, and what it needs is settled or chosen too; else Refused."""
        states = {name: state for name, (state, _) in self._begins().items()}
        for module in self._chosen():
            if self.only is None or states[module.name] is ModuleState.DONE:
                continue
            if states[module.name] is ModuleState.SKIPPED:
                raise Refused(
                    f"{module.name} of portfolio {self.portfolio}: found it skipped, expected one that waits to run; nothing "
                    "runs any more on a day that is closed, nor what --skip or eop_skip of the portfolio names"
                )
            needs = needs_of(module, self.planned)
            open_needs = [n for n in needs if states[n] not in SETTLED and n not in self.only]
            if open_needs:
                raise Refused(
                    f"{module.name} of portfolio {self.portfolio}: found {', '.join(open_needs)} not done, expected "
                    "what it needs first; add them to --module, or run End of Period whole"
                )

    def go(self) -> PortfolioResult:
        if not self.over:
            self._take_up()
        for module in self._chosen():
            before = self._states()
            if before[module.name] in SETTLED:
                continue
            held = self._held_by(module, before)
            if held is not None:
                self._set(module.name, held, None)
            elif self.halted():
                self._set(module.name, ModuleState.HALTED, "halted before it began")
            else:
                self._run(module)
            if self.progress is not None:
                settled = sum(state in SETTLED for state in self._states().values())
                self.progress(self.portfolio, module.name, settled, len(self.planned))
        return self._result()

    def _chosen(self) -> list[Module]:
        return [m for m in self.planned if self.only is None or m.name in self.only]

    def _held_by(self, module: Module, states: dict[str, ModuleState]) -> ModuleState | None:
        """Why a module cannot run: something it needs failed or was halted."""
        parents = {states[name] for name in needs_of(module, self.planned)}
        if parents & {ModuleState.FAILED, ModuleState.PARENT_FAILED}:
            return ModuleState.PARENT_FAILED
        if parents & {ModuleState.HALTED, ModuleState.PARENT_HALTED}:
            return ModuleState.PARENT_HALTED
        return None

    def _run(self, module: Module) -> None:
        """Run one module; what goes wrong becomes its state."""
        logger = log.get("eop").bind(portfolio=self.portfolio, business_date=self.business_date, module=module.name)
        self._set(module.name, ModuleState.RUNNING, None)
        reached(Step.MODULE_STARTED)
        context = Context(self.app, self.run_id, self.portfolio, self.business_date, module.name, self.post_file)
        try:
            module.run(context)
        except KeyboardInterrupt:
            self._set(module.name, ModuleState.HALTED, INTERRUPTED)
            raise
        except Exception as error:
            message = str(error) if isinstance(error, GatewayError) else f"{type(error).__name__}: {error}"
            if self._set(module.name, ModuleState.FAILED, message):
                logger.error("alarm.module_failed", error=message, exc_info=not isinstance(error, GatewayError))
                return
            # The effect was committed before this: a file could not be put into the outbox. Settled at next start.
            logger.error("alarm.module_done_with_error", error=message)
        logger.info("module.done", message=context.message)
        reached(Step.MODULE_DONE)

    # --- rows ---

    def _begins(self) -> dict[str, _Was]:
        """How each planned module stands when the run is taken up: what is done stays, what is skipped says so, the rest
        is pending again. What ``only`` does not name stays as it ended, so that one module does not take up another
        that failed or was skipped."""
        if self.over:
            return self.before
        begins: dict[str, _Was] = {}
        skipped: set[str] = set()
        for module in self.planned:
            state, message = self.before.get(module.name, (ModuleState.PENDING, None))
            chosen = self.only is None or module.name in self.only
            if state is not ModuleState.DONE and (module.name in self.skip or module.skipped_with in skipped):
                if state is not ModuleState.SKIPPED:  # else it keeps who said so
                    message = f"by {self._who}" if module.name in self.skip else f"{SKIPPED_WITH}{module.skipped_with}"
                state = ModuleState.SKIPPED
            elif state is not ModuleState.DONE and (chosen or state is ModuleState.RUNNING):
                state, message = ModuleState.PENDING, None
            if state is ModuleState.SKIPPED:
                skipped.add(module.name)
            begins[module.name] = (state, message)
        return begins

    def _take_up(self) -> None:
        """The run's row and its modules: new, or as they stood with what did not settle made pending again."""
        with self.app.db.write() as connection:
            self.app.db.lock_portfolios(connection, [self.portfolio])
            if not self.run_id:
                self.run_id = self.app.db.insert_returning_id(
                    connection,
                    schema.eop_run,
                    "run_id",
                    {
                        "portfolio": self.portfolio, "business_date": self.business_date,
                        "state": RunState.RUNNING.value, "operator": self.app.operator.code,
                        "started_at": self.app.now(),
                    },
                )  # fmt: skip
            connection.execute(
                text("UPDATE eop_run SET state = 'RUNNING', ended_at = NULL WHERE run_id = :run"), {"run": self.run_id}
            )
            connection.execute(
                text(
                    "INSERT INTO eop_module (run_id, module, position, state, message) "
                    "VALUES (:run, :module, :position, :state, :message) ON CONFLICT (run_id, module) "
                    "DO UPDATE SET state = excluded.state, message = excluded.message, position = excluded.position "
                    "WHERE eop_module.state <> 'DONE'"
                ),
                [
                    {"run": self.run_id, "module": name, "position": position, "state": state.value, "message": message}
                    for position, (name, (state, message)) in enumerate(self._begins().items(), 1)
                ],
            )

    @property
    def _who(self) -> str:
        return self.app.operator.code

    def _states(self) -> dict[str, ModuleState]:
        with self.app.db.read() as connection:
            rows = connection.execute(
                text("SELECT module, state FROM eop_module WHERE run_id = :run"), {"run": self.run_id}
            )
            return {name: ModuleState(state) for name, state in rows}

    def _set(self, module: str, state: ModuleState, message: str | None) -> bool:
        """Change a state; a module that is done stays done, and False says so."""
        running = state is ModuleState.RUNNING
        with self.app.db.write() as connection:
            return bool(
                connection.execute(
                    text(
                        "UPDATE eop_module SET state = :state, message = :message, "
                        f"{'started_at' if running else 'ended_at'} = :at "
                        "WHERE run_id = :run AND module = :module AND state <> 'DONE'"
                    ),
                    {
                        "state": state.value, "message": message, "at": self.app.now(), "run": self.run_id,
                        "module": module,
                    },
                ).rowcount
            )  # fmt: skip

    def _result(self) -> PortfolioResult:
        titles = {m.name: m.title for m in MODULES}
        with self.app.db.write() as connection:
            rows = connection.execute(
                text("SELECT module, state, message FROM eop_module WHERE run_id = :run ORDER BY position"),
                {"run": self.run_id},
            ).all()
            states = {ModuleState(row.state) for row in rows}
            state = RunState.DONE
            if any(row.module == LAST and row.state != ModuleState.DONE for row in rows):
                state = RunState.RUNNING
                if states & {ModuleState.FAILED, ModuleState.PARENT_FAILED}:
                    state = RunState.FAILED
                elif states & {ModuleState.HALTED, ModuleState.PARENT_HALTED}:
                    state = RunState.HALTED
                connection.execute(
                    text("UPDATE eop_run SET state = :state, ended_at = :at WHERE run_id = :run"),
                    {
                        "state": state.value,
                        "at": None if state is RunState.RUNNING else self.app.now(),
                        "run": self.run_id,
                    },
                )
            following, _ = accounts.business_date(connection, self.portfolio)
        return PortfolioResult(
            self.portfolio,
            self.run_id,
            state,
            following,
            tuple(ModuleResult(r.module, titles[r.module], ModuleState(r.state), r.message) for r in rows),
        )
