"""Providers through Apprise: its own code over HTTP to a server that does what a test says."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from integration.notifications.desk import Desk
from scripted_server import NEVER, Reply, Scripted
from tiffin.services.notifications import through_apprise
from tiffin.services.notifications.providers import NotTaken, Parcel, Taken
from tiffin.services.notifications.through_apprise import Apprise, InvalidProvider

# Loading Apprise's plugins loads a module of the standard library that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

PARCEL = Parcel(key="a1b2", phone="+49 151 1234567", text="Ihr Code: 123456 — 您好")


@pytest.fixture
async def phone_company() -> AsyncIterator[Scripted]:
    scripted = Scripted()
    await scripted.start()
    yield scripted
    await scripted.stop()


def url_of(scripted: Scripted) -> str:
    return f"json://127.0.0.1:{scripted.port}/sms?:to={{phone}}&+Idempotency-Key={{key}}"


async def test_text_number_and_key_reach_the_provider(phone_company: Scripted) -> None:
    provider = Apprise([url_of(phone_company)])
    assert await provider.deliver(PARCEL) == Taken()
    (asked,) = phone_company.asked
    assert (asked.path, asked.json["message"], asked.json["to"]) == ("/sms", PARCEL.text, "+491511234567")
    assert asked.headers["idempotency-key"] == "a1b2"
    provider.close()


@pytest.mark.parametrize("failures", [0, 1, 3])
async def test_a_provider_that_fails_so_often_takes_the_message_in_the_end(
    desk: Desk, phone_company: Scripted, failures: int
) -> None:
    phone_company.answer = lambda request: Reply(503 if len(phone_company.asked) <= failures else 200)
    provider = Apprise([url_of(phone_company)])
    ana = desk.customer()
    await desk.send(ana)
    for _ in range(failures):
        await desk.run(desk.sender(provider))
        row = await desk.message(ana)
        assert row.state == "waiting"
        assert "503" in (row.reason or "")
        desk.clock.advance(40)
    await desk.run(desk.sender(provider))
    assert (await desk.message(ana)).state == "sent"
    assert len({request.headers["idempotency-key"] for request in phone_company.asked}) == 1
    assert len(phone_company.asked) == failures + 1
    provider.close()


async def test_the_second_provider_is_asked_where_the_first_fails(phone_company: Scripted) -> None:
    phone_company.answer = lambda request: Reply(500 if request.path == "/first" else 200)
    first, second = (f"json://127.0.0.1:{phone_company.port}/{name}" for name in ("first", "second"))
    provider = Apprise([first, second])
    assert await provider.deliver(PARCEL) == Taken()
    assert phone_company.paths() == ["/first", "/second"]
    provider.close()


async def test_a_provider_that_says_nothing_is_given_up_in_time(
    phone_company: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(through_apprise, "DEADLINE_S", 0.2)
    phone_company.answer = lambda request: NEVER
    provider = Apprise([url_of(phone_company)])
    assert await provider.deliver(PARCEL) == NotTaken("no answer within 0.2 s", again=True)
    provider.close()


async def test_a_provider_that_is_not_there_is_no_end_either() -> None:
    gone = Scripted()
    await gone.start()
    await gone.stop()
    provider = Apprise([url_of(gone)])
    answer = await provider.deliver(PARCEL)
    assert isinstance(answer, NotTaken)
    assert answer.again
    provider.close()


async def test_without_a_number_nobody_is_asked(phone_company: Scripted) -> None:
    provider = Apprise([url_of(phone_company)])
    answer = await provider.deliver(Parcel(key="k", phone=None, text="t"))
    assert answer == NotTaken("no_phone_number", again=False)
    assert phone_company.asked == []
    provider.close()


async def test_many_at_once_get_through(phone_company: Scripted) -> None:
    provider = Apprise([url_of(phone_company)])
    answers = await asyncio.gather(
        *(provider.deliver(Parcel(key=f"k{number}", phone="+15550001", text="t")) for number in range(50))
    )
    assert answers == [Taken()] * 50
    assert {request.headers["idempotency-key"] for request in phone_company.asked} == {
        f"k{number}" for number in range(50)
    }
    provider.close()


async def test_reasons_name_nobody(phone_company: Scripted) -> None:
    """Apprise names whom it could not reach: here a host that is spelled as the number is."""
    await phone_company.stop()
    provider = Apprise([f"json://127.0.0.1:{phone_company.port}/{{phone}}"])
    answer = await provider.deliver(Parcel(key="k", phone="127.0.0.1", text="t"))
    assert isinstance(answer, NotTaken)
    assert "127.0.0.1" not in answer.reason
    assert "…" in answer.reason
    provider.close()
    await phone_company.start()


@pytest.mark.parametrize("url", ["nonsense", "nonsense://x", "twilio://secret-sid", ""])
def test_a_url_that_is_no_provider_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(InvalidProvider) as refused:
        Apprise([url])
    assert "secret-sid" not in str(refused.value)
