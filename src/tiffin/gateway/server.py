"""The socket under the gateway: uvicorn, run from within our own loop."""

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn

from tiffin.gateway.app import Gateway
from tiffin.gateway.one_write import OneWriteProtocol

BACKLOG_MAX = 2048
KEEP_ALIVE_S = 75
STOP_MAX_S = 10


class Server:
    """A gateway that is listening. `port` is the real one, also when any free one was asked for."""

    def __init__(self, gateway: Gateway, listening: socket.socket) -> None:
        self.host, self.port = listening.getsockname()[:2]
        self._gateway = gateway
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                gateway, interface="asgi3", http=OneWriteProtocol, ws="none", lifespan="off",
                proxy_headers=False, log_config=None, log_level="warning",
                access_log=False, server_header=False, backlog=BACKLOG_MAX,
                timeout_keep_alive=KEEP_ALIVE_S, timeout_graceful_shutdown=STOP_MAX_S,
            )
        )  # fmt: skip
        self._serving = asyncio.create_task(self._uvicorn.serve([listening]), name="http server")

    @property
    def url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:8000`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def started(self) -> None:
        """Until it accepts connections; raises what kept it from starting."""
        listening = asyncio.create_task(self._uvicorn.listening.wait())
        await asyncio.wait({listening, self._serving}, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if self._serving.done():
            self._serving.result()

    async def stop(self) -> None:
        """Take no more connections, end streams, let the requests under way finish (at most `STOP_MAX_S`)."""
        self._gateway.close()
        self._uvicorn.should_exit = True
        await self._serving


async def serve(gateway: Gateway, host: str, port: int) -> Server:
    """Listen on `host`:`port` (0: any free one); returns once it accepts connections, or `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = Server(gateway, socket.create_server((host, port), family=family, backlog=BACKLOG_MAX))
    await server.started()
    return server


class _Uvicorn(uvicorn.Server):
    """Signals are the command's business; and somebody wants to know when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
