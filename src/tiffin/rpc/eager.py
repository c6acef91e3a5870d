"""Work that begins at once: what never waits is over before `start` returns, what waits goes on as a task.

A call that becomes a task is carried out a turn of the loop after it was read, when it has left the caches:
some 5 us of CPU. Python 3.12 has `asyncio.eager_task_factory` for this; here it is made of what asyncio
offers to other implementations of tasks. The first step is taken by hand, in the name of a spare task that
has nothing to do yet. Whatever the step asks for or leaves behind (the current task, timeouts, variables of
the context) is that task's own, and if the work then waits, that task goes on with it.
"""

import asyncio
from asyncio import _enter_task, _leave_task  # pyright: ignore
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any

Work = Coroutine[Any, Any, None]


class EagerTasks:
    """The tasks of one loop that are under way."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._spare: _Spare | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Work) -> None:
        """Begin. What `work` raises is told to the loop's exception handler."""
        if (
            asyncio.current_task(self._loop) is not None
        ):  # one task cannot step in the middle of another's step
            self._keep(self._loop.create_task(work))
            return
        spare, self._spare = self._spare or _Spare(self._loop), None
        if spare.begin(work):
            self._keep(spare.task)
        elif spare.is_as_new:
            self._spare = spare
        else:
            spare.task.cancel()

    async def idle(self) -> None:
        """Until none is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def cancel(self) -> int:
        """End what is under way. Returns how much that was."""
        left = [*self._tasks]
        ending = left if self._spare is None else [*left, self._spare.task]
        self._spare = None
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        return len(left)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Spare(Coroutine[Any, Any, None]):
    """What the spare task runs: nothing, then the rest of the work that was begun in its name."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._context = copy_context()
        self._context_before = self._context.copy()
        self._work: Work | None = None
        self._is_told = True
        """Whether the task knows what the work waits for."""
        self._waits_for: Any = None
        self._begun: asyncio.Future[None] = loop.create_future()
        self.task: asyncio.Task[None] = loop.create_task(self, context=self._context)

    @property
    def is_as_new(self) -> bool:
        """Whether work that is over has left no trace: it did not cancel its task nor set a variable."""
        return not self.task.cancelling() and self._context == self._context_before

    def begin(self, work: Work) -> bool:
        """Take the first step of `work`. True if it waits: the task goes on with it. False if it is over."""
        _enter_task(self._loop, self.task)
        try:
            self._waits_for = self._context.run(work.send, None)
        except (StopIteration, asyncio.CancelledError):
            return False
        except Exception as error:
            said = "work that nobody waits for has failed"
            self._loop.call_exception_handler({"message": said, "exception": error})
            return False
        finally:
            _leave_task(self._loop, self.task)
        self._work, self._is_told = work, False
        if not self._begun.done():
            self._begun.set_result(None)
        return True

    def send(self, value: None) -> Any:
        """A step of the task: gives what it has to wait for."""
        if self._work is None:
            return _awaited(self._begun)
        if not self._is_told:
            self._is_told = True
            return self._waits_for
        return self._work.send(value)

    def throw(self, *error: Any) -> Any:
        """A step of the task into which `error` comes: what it waited for has failed, or it is cancelled."""
        if self._work is None:
            raise error[0]
        if not self._is_told:
            self._is_told = True
            if self._waits_for is not None and self._waits_for.cancel():
                return self._waits_for
        return self._work.throw(*error)

    def close(self) -> None:
        """As `Coroutine`."""
        if self._work is not None:
            self._work.close()

    def __await__(self) -> Generator[Any, Any, None]:
        """As `Coroutine`; tasks do not ask for it."""
        raise NotImplementedError


def _awaited(future: asyncio.Future[None]) -> asyncio.Future[None]:
    """As `await` hands a future to a task."""
    return next(iter(future.__await__()))
