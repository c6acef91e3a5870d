"""Many refunds of one payment at once, through a provider that half of the time does not answer."""

import asyncio
from random import Random
from typing import Any

import pytest

from integration.payments.payments_bench import SECRET, Bench
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.payments.outcomes import NoAnswer
from tiffin.services.payments.provider import SandboxProvider
from tiffin.services.payments.service import PaymentsService

TAKEN = 1250
KEYS = 10
"""Refunds of one payment; each is asked for by two at once."""
AT_ONCE = 25
PATIENCE_S = 60


class Unsure(SandboxProvider):
    """Of three questions one is lost on the way, and of one the answer, after the deed."""

    def __init__(self, bench: Bench, random: Random) -> None:
        super().__init__(bench._session, bench._sandbox_url, "http://127.0.0.1:9/notices", SECRET)
        self._random = random

    async def _send(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        luck = self._random.randrange(3)
        if luck == 0:
            return NoAnswer("lost on the way")
        answer = await super()._send(method, path, body)
        return NoAnswer("lost on the way back") if luck == 1 else answer


async def _refund_at_once(bench: Bench, payments: int) -> None:
    random = Random(payments)
    services = [bench.service(Unsure(bench, random)) for _ in range(2)]
    sure = bench.service(bench.quiet_provider())
    for start in range(0, payments, AT_ONCE):
        some = range(start, min(start + AT_ONCE, payments))
        await asyncio.gather(*(_of_one_payment(bench, services, sure, random) for _ in some))


async def _of_one_payment(
    bench: Bench, services: list[PaymentsService], sure: PaymentsService, random: Random
) -> None:
    order = bench.order(amount=TAKEN)
    payment = await bench.pay(order, service=sure)
    asked = {f"k{number}": random.randrange(50, 400) for number in range(KEYS)}

    async def ask(key: str, service: PaymentsService) -> c.Refund | None:
        try:
            return await bench.refund(order, asked[key], key, service)
        except Refusal as refusal:
            assert refusal.code == "refund_too_large"
            return None

    await asyncio.gather(*(ask(key, service) for key in asked for service in services))
    async with asyncio.timeout(PATIENCE_S):
        while (await bench.row(payment)).refunding:
            await bench.settle(services[0])
    accepted = [refund for key in asked if (refund := await ask(key, sure))]
    assert {refund.state for refund in accepted} == {"succeeded"}
    back = [amount for kind, amount in await bench.statement(order) if kind == "refund"]
    assert sorted(-amount for amount in back) == sorted(refund.amount.amount for refund in accepted)
    row = await bench.row(payment)
    assert (row.refunding, row.refunded) == (0, -sum(back))
    assert row.refunded <= row.captured == TAKEN
    left = TAKEN - row.refunded
    refused = asked.keys() - {refund.key for refund in accepted}
    assert all(asked[key] > left for key in refused), "what is refused would have been too much"


async def test_fifty_refunds_at_once_with_lost_answers_give_each_back_once(bench: Bench) -> None:
    await _refund_at_once(bench, 5)


@pytest.mark.soak
async def test_a_thousand_refunds_at_once_with_lost_answers_give_each_back_once(bench: Bench) -> None:
    await _refund_at_once(bench, 100)
