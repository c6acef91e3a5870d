"""Work that begins at once is what it would be as a task: its own current task, context and cancellation."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest
import pytest_asyncio

from tiffin.rpc.eager import EagerTasks

Trace = list[Any]
told: ContextVar[str] = ContextVar("told", default="nothing")


@pytest_asyncio.fixture
async def tasks() -> AsyncIterator[EagerTasks]:
    tasks = EagerTasks()
    yield tasks
    await tasks.cancel()


async def started(tasks: EagerTasks, work: Any) -> None:
    """Begin outside of any task, as what arrives on a connection does."""
    begun = asyncio.get_running_loop().create_future()

    def begin() -> None:
        tasks.start(work)
        begun.set_result(None)

    asyncio.get_running_loop().call_soon(begin)
    await begun


async def test_what_never_waits_is_over_at_once_and_leaves_no_task(tasks: EagerTasks):
    trace: Trace = []

    async def work() -> None:
        trace.append("done")

    asyncio.get_running_loop().call_soon(lambda: (tasks.start(work()), trace.append("after start")))
    await asyncio.sleep(0)
    assert trace == ["done", "after start"]
    assert await tasks.cancel() == 0


async def future_result(trace: Trace) -> None:
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, "result")
    trace.append(await future)


async def future_error(trace: Trace) -> None:
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_exception, ValueError("no"))
    try:
        await future
    except ValueError as error:
        trace.append(str(error))


async def another_task(trace: Trace) -> None:
    async def other() -> str:
        await asyncio.sleep(0)
        return "of another task"

    trace.append(await asyncio.create_task(other()))


async def bare_yields(trace: Trace) -> None:
    for turn in range(3):
        trace.append(turn)
        await asyncio.sleep(0)


async def times_out(trace: Trace) -> None:
    try:
        async with asyncio.timeout(0):
            await asyncio.get_running_loop().create_future()
    except TimeoutError:
        trace.append("timeout")
    await asyncio.sleep(0)
    trace.append(asyncio.current_task().cancelling())


async def times_out_twice(trace: Trace) -> None:
    await times_out(trace)
    await times_out(trace)


async def group(trace: Trace) -> None:
    async with asyncio.TaskGroup() as members:
        members.create_task(future_result(trace))
        members.create_task(bare_yields(trace))


async def failing_group(trace: Trace) -> None:
    async def fails() -> None:
        raise ValueError("member")

    try:
        async with asyncio.TaskGroup() as members:
            members.create_task(fails())
            await asyncio.get_running_loop().create_future()
    except* ValueError as errors:
        trace.append(len(errors.exceptions))


async def cancels_itself(trace: Trace) -> None:
    asyncio.current_task().cancel()
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        trace.append("cancelled")
    asyncio.current_task().uncancel()
    await future_result(trace)


async def same_task_and_context(trace: Trace) -> None:
    before = asyncio.current_task()
    token = told.set("something")
    await asyncio.sleep(0)
    trace.append((asyncio.current_task() is before, told.get()))
    told.reset(token)
    trace.append(told.get())


Scenario = Callable[[Trace], Awaitable[None]]
SCENARIOS = [
    future_result, future_error, another_task, bare_yields, times_out, times_out_twice, group, failing_group,
    cancels_itself, same_task_and_context,
]  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
@pytest.mark.parametrize("again", [False, True], ids=["a new spare task", "one that has waited"])
async def test_work_goes_as_it_would_as_a_task(tasks: EagerTasks, scenario: Scenario, again: bool):
    as_task: Trace = []
    await asyncio.create_task(scenario(as_task))
    if again:
        await started(tasks, _nothing())
        await asyncio.sleep(0)
    eager: Trace = []
    await started(tasks, scenario(eager))
    await tasks.idle()
    assert eager == as_task != []


async def _nothing() -> None: ...


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("again", [False, True], ids=["a new spare task", "one that has waited"])
async def test_cancelled_at_any_turn_work_and_what_it_waits_for_end(
    tasks: EagerTasks, turns: int, again: bool
):
    loop, trace = asyncio.get_running_loop(), Trace()
    waits_for = loop.create_future()

    async def work() -> None:
        cancel_in(turns, asyncio.current_task())
        try:
            await waits_for
        finally:
            trace.append("ended")

    def cancel_in(turns: int, task: asyncio.Task[Any]) -> None:
        if turns:
            loop.call_soon(cancel_in, turns - 1, task)
        else:
            task.cancel()

    if again:
        await started(tasks, _nothing())
        await asyncio.sleep(0)
    await started(tasks, work())
    await tasks.idle()
    assert (trace, waits_for.cancelled()) == (["ended"], True)


async def test_what_is_under_way_can_be_ended(tasks: EagerTasks):
    waits_for = [asyncio.get_running_loop().create_future() for _ in range(3)]

    async def work(future: asyncio.Future[None]) -> None:
        await future

    for future in waits_for:
        await started(tasks, work(future))
    assert await tasks.cancel() == 3
    assert all(future.cancelled() for future in waits_for)


async def test_a_context_variable_is_not_left_to_the_next(tasks: EagerTasks):
    heard: Trace = []

    async def tells() -> None:
        heard.append(told.get())
        told.set("something")

    for _ in range(3):
        await started(tasks, tells())
    assert heard == ["nothing"] * 3


async def test_nor_is_a_cancellation(tasks: EagerTasks):
    async def gives_up() -> None:
        asyncio.current_task().cancel()

    await started(tasks, gives_up())
    trace: Trace = []
    await started(tasks, future_result(trace))
    await tasks.idle()
    assert trace == ["result"]


async def test_work_begun_within_a_task_is_a_task_of_its_own(tasks: EagerTasks):
    trace: Trace = []
    tasks.start(same_task_and_context(trace))
    assert trace == []
    await tasks.idle()
    assert trace == [(True, "something"), "nothing"]


async def test_a_failure_is_told_to_the_loop(tasks: EagerTasks):
    async def fails() -> None:
        raise ValueError("ours")

    loop, errors = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))
    try:
        await started(tasks, fails())
    finally:
        loop.set_exception_handler(None)
    assert [str(error) for error in errors] == ["ours"]
