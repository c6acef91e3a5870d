"""When a process is to stop: on a signal, or when its supervisor is gone."""

import asyncio
import multiprocessing
import signal


def stop_event() -> asyncio.Event:
    """Set once the process is to stop. A second signal changes nothing.

    A supervised process also hears of its supervisor's end, however that came about: nobody stays behind.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if supervisor := multiprocessing.parent_process():
        alive = supervisor.sentinel

        def gone() -> None:
            loop.remove_reader(alive)
            stop.set()

        loop.add_reader(alive, gone)
    return stop
