"""A run on the terminal: progress while it goes on, tables when it is over."""

from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tiffin.load.bench import HttpBench
from tiffin.load.tally import Snapshot, Summary
from tiffin.load.undoing import RESULTS


class Display:
    """Shows a run's snapshots: give it as the `watch` of a replay, and enter it around the run."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        )
        self._tasks: dict[str, TaskID] = {}
        self._figures = Text()
        self._console = console
        self._live = Live(self, console=console, refresh_per_second=4)

    def __rich__(self) -> RenderableType:
        return Group(self._progress, self._figures)

    def __call__(self, seen: Snapshot) -> None:
        if seen.phase not in self._tasks:
            self._tasks[seen.phase] = self._progress.add_task(seen.phase)
        self._progress.update(self._tasks[seen.phase], completed=seen.done, total=seen.total)
        if seen.phase == "orders":
            self._figures = Text(_figures(seen), style="dim")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        self._console.print()


def summary_tables(summary: Summary) -> list[Table | Text]:
    """What a run amounts to."""
    parts: list[Table | Text] = [_outcomes(summary), _payments(summary)]
    if summary.cases:
        parts += [_cases(summary), _answers(summary), Text(_words_of_cases(summary))]
    if summary.refusals:
        parts.append(_refusals(summary))
    parts += [_latencies(summary), Text(_closing_words(summary))]
    if summary.unexpected_count:
        shown = "\n".join(summary.unexpected)
        parts.append(Text(f"{summary.unexpected_count:,} unexpected:\n{shown}", style="bold red"))
    return parts


def bench_table(rounds: Sequence[HttpBench]) -> Table:
    """What a placed order costs over HTTP, a row a round."""
    table = Table(title=f"Placing over HTTP, {rounds[0].callers} callers", title_justify="left")
    for column in ("orders", "orders/s", "p50", "p99"):
        table.add_column(column, justify="right")
    for process in rounds[0].cpu_us:
        table.add_column(f"{process} CPU", justify="right")
    table.add_column("CPU an order", justify="right", style="bold")
    for bench in rounds:
        table.add_row(
            f"{bench.orders:,}", f"{bench.orders_per_s:,.0f}", _ms(bench.latency.p50_s),
            _ms(bench.latency.p99_s), *(f"{us:.0f} us" for us in bench.cpu_us.values()),
            f"{sum(bench.cpu_us.values()):.0f} us",
        )  # fmt: skip
    return table


def _figures(seen: Snapshot) -> str:
    words = ("placed", "paid", "delivered", "completed", "cancelled", "cases")
    counts = "  ".join(f"{word} {seen.counts[word]:,}" for word in words)
    refused = "".join(f"  {code} {n:,}" for code, n in seen.refused.most_common(3))
    wrong = f"  unexpected {seen.unexpected:,}" if seen.unexpected else ""
    return (
        f"{counts}{refused}{wrong}\n"
        f"in flight {seen.in_flight:,}  {seen.orders_per_s:,.0f} orders/s  p99 {_ms(seen.p99_s)} to an order"
    )


def _outcomes(summary: Summary) -> Table:
    states = [state for state, _ in _totals(summary.outcomes, 1).most_common()]
    table = Table(title="What became of the orders", title_justify="left", show_footer=True)
    table.add_column("fate", footer="all")
    for state in states:
        table.add_column(state, f"{_totals(summary.outcomes, 1)[state]:,}", justify="right")
    for fate, _ in _totals(summary.outcomes, 0).most_common():
        table.add_row(fate, *(f"{n:,}" if (n := summary.outcomes[fate, state]) else "" for state in states))
    return table


def _payments(summary: Summary) -> Table:
    table = Table("payment", title="How they were paid", title_justify="left")
    table.add_column("orders", justify="right")
    for name, orders in summary.payments.most_common():
        table.add_row(name, f"{orders:,}")
    return table


def _cases(summary: Summary) -> Table:
    kinds, totals = _totals(summary.cases, 0), _totals(summary.cases, 1)
    results = [result for result in RESULTS if totals[result]]
    table = Table(title="What became of the cases", title_justify="left", show_footer=True)
    table.add_column("kind", footer="all")
    table.add_column("cases", f"{kinds.total():,}", justify="right")
    for result in results:
        table.add_column(result, f"{totals[result]:,}", justify="right")
    for kind, cases in kinds.most_common():
        each = (f"{n:,}" if (n := summary.cases[kind, result]) else "" for result in results)
        table.add_row(kind.replace("_", " "), f"{cases:,}", *each)
    return table


def _answers(summary: Summary) -> Table:
    table = Table("answer", title="How they were decided", title_justify="left")
    table.add_column("cases", justify="right")
    for answer, cases in summary.answers.most_common():
        table.add_row(answer, f"{cases:,}")
    return table


def _words_of_cases(summary: Summary) -> str:
    refunds = sum(n for (_, result), n in summary.cases.items() if result in ("given back", "owed"))
    return (
        f"{summary.given:,} of {summary.placed:,} orders got something back by a case "
        f"({summary.given / max(summary.placed, 1):.1%}).\n"
        f"Of {refunds:,} refunds {summary.read_back:,} were found among the payments as they had been quoted."
    )


def _refusals(summary: Summary) -> Table:
    table = Table("operation", "code", title="Refused on the way", title_justify="left")
    table.add_column("times", justify="right")
    for (operation, code), times in summary.refusals.most_common():
        table.add_row(operation, code, f"{times:,}")
    return table


def _latencies(summary: Summary) -> Table:
    table = Table(title="How long it took", title_justify="left")
    table.add_column("operation", no_wrap=True)
    for column in ("count", "p50", "p90", "p99", "p99.9", "max"):
        table.add_column(column, justify="right", no_wrap=True)
    for operation, took in summary.latencies.items():
        spans = (took.p50_s, took.p90_s, took.p99_s, took.p999_s, took.max_s)
        table.add_row(operation, f"{took.count:,}", *map(_ms, spans))
    return table


def _closing_words(summary: Summary) -> str:
    city, second, orders = summary.busiest_of_day
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    return (
        f"{summary.placed:,} of {summary.orders:,} orders placed in {summary.duration_s:,.1f} s, "
        f"{summary.placed / max(summary.duration_s, 1e-9):,.0f} a second; at most {summary.busiest_placed:,} "
        f"in one second.\nThe day's fullest second: {city} {clock}, {orders:,} orders. "
        f"Asked again: {summary.resent:,}."
    )


def _totals(outcomes: Counter[tuple[str, str]], side: int) -> Counter[str]:
    totals: Counter[str] = Counter()
    for names, orders in outcomes.items():
        totals[names[side]] += orders
    return totals


def _ms(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
    return f"{seconds:,.2f} s"
