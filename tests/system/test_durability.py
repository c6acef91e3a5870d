"""What was answered 2xx is there, whatever happens to the server."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from system.survival import PAYMENT_S, survives
from tiffin_process import TiffinProcess


async def _survives_kills(data_directory: Path, orders: int, kills: int, seed: int) -> Counter[str]:
    process, rng = TiffinProcess(data_directory, payment_s=PAYMENT_S), random.Random(seed)

    async def kill_at_random() -> None:
        for _ in range(kills):
            await asyncio.sleep(rng.uniform(0.2, 2.0))
            await asyncio.to_thread(process.kill)
            await asyncio.to_thread(process.start)

    return await survives(process, orders, seed, kill_at_random)


async def test_every_acknowledged_order_survives_ten_kills_of_the_server(data_directory: Path) -> None:
    seen = await _survives_kills(data_directory, orders=1500, kills=10, seed=1)
    assert seen["acknowledged"] > 1000
    assert seen["resent"] > 10, "the kills have hit nothing"


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 7))
async def test_every_acknowledged_order_survives_sixty_kills_of_the_server(
    data_directory: Path, seed: int
) -> None:
    await _survives_kills(data_directory, orders=8000, kills=60, seed=seed)
