"""No address that is not public is ever connected to, however it is spelled, resolved or changed."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import aiohttp
import pytest
from aiohttp import web

from integration.webhooks.private_urls import addresses_of, private_urls
from integration.webhooks.receiver import Receiver
from integration.webhooks.till import Till
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.webhooks.addresses import Allowed, check_url
from tiffin.services.webhooks.outgoing import Answered, Outgoing, Unanswered, open_outgoing

URLS = list(private_urls())
PUBLIC_ONLY = Allowed([])

_watched: list[list[object]] = []


def _note_connections(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        for made in _watched:
            made.append(arguments[1:])


sys.addaudithook(_note_connections)  # for good: Python takes none back


@contextmanager
def connections() -> Iterator[list[object]]:
    """Every address that this process asks the system to connect to, as Python itself tells."""
    made: list[object] = []
    _watched.append(made)
    try:
        yield made
    finally:
        _watched.remove(made)


async def look_up(name: str, _: int) -> list[str]:
    return addresses_of(name)


@pytest.fixture
async def outgoing() -> AsyncIterator[Outgoing]:
    """As on a platform that allows nothing."""
    async with open_outgoing(PUBLIC_ONLY, look_up, timeout_s=5) as outgoing:
        yield outgoing


async def test_two_hundred_private_addresses_make_no_connection(outgoing: Outgoing) -> None:
    assert len(set(URLS)) >= 200
    with connections() as made:
        answers = {url: await outgoing.post(url, {}, "{}") for url in URLS}
    assert made == []
    assert {url: answer for url, answer in answers.items() if not isinstance(answer, Unanswered)} == {}


async def test_nor_do_they_where_only_the_connection_is_checked(outgoing: Outgoing) -> None:
    """What registering refuses would not be reached either."""
    with connections() as made:
        for url in URLS:
            with pytest.raises((aiohttp.ClientError, OSError, ValueError, AssertionError)):
                await outgoing._session.post(url, allow_redirects=False)
    assert made == []


async def test_nobody_can_register_them(till: Till) -> None:
    restaurant = till.new_id("al-dente")
    taken = []
    for url in URLS:
        if "resolves-to" in url or "ip6-localhost" in url:
            continue  # what a name stands for is looked at when it is called
        with connections() as made:
            try:
                check_url(url, PUBLIC_ONLY)
            except Refusal as refusal:
                assert refusal.code == "invalid_webhook_url"
            else:
                taken.append(url)
        assert made == []
    assert taken == []
    request = c.CreateWebhook(restaurant_id=restaurant, url="https://169.254.169.254/", types=["order.*"])
    with pytest.raises(Refusal, match="invalid_webhook_url"):
        await till.service.create(till.context(), request)


async def test_a_name_with_one_private_address_among_public_ones_is_not_called() -> None:
    async def both(*_: object) -> list[str]:
        return ["93.184.216.34", "127.0.0.1"]

    async with open_outgoing(PUBLIC_ONLY, both) as outgoing:
        with connections() as made:
            answer = await outgoing.post("https://both.example/", {}, "{}")
    assert isinstance(answer, Unanswered)
    assert "not public" in answer.error
    assert made == []


async def test_what_is_connected_to_is_what_was_checked_though_the_name_changes(receiver: Receiver) -> None:
    """A name that stands for something allowed when it is looked at and for something else a moment later."""
    port = int(receiver.url.rpartition(":")[2].partition("/")[0])
    async with Receiver.open("127.0.0.2", port) as allowed:
        answers = iter([["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1"]])

        async def rebinding(*_: object) -> list[str]:
            return next(answers)

        async with open_outgoing(Allowed(["127.0.0.2/32"]), rebinding) as outgoing:
            url = f"http://rebinding.example:{port}/hook"
            said = []
            with connections() as made:
                for _ in range(4):
                    said.append(await outgoing.post(url, {"connection": "close"}, "{}"))
    assert [isinstance(each, Answered) for each in said] == [True, False, True, False]
    assert len(made) == 2, "and the watch on connections sees those that are made"
    assert len(allowed.requests) == 2
    assert receiver.requests == []


async def test_a_name_is_looked_up_and_called(receiver: Receiver) -> None:
    async with open_outgoing(Allowed(["127.0.0.0/8", "::1/128"])) as outgoing:
        answer = await outgoing.post(receiver.url.replace("127.0.0.1", "localhost"), {}, "{}")
    assert answer == Answered(200, "thanks")
    assert len(receiver.requests) == 1


async def test_a_redirect_to_a_private_address_is_not_followed(receiver: Receiver) -> None:
    async with Receiver.open("127.0.0.2") as pointing:
        pointing.answer = lambda _: web.Response(status=302, headers={"Location": receiver.url})
        async with open_outgoing(Allowed(["127.0.0.2/32"])) as outgoing:
            answer = await outgoing.post(pointing.url, {}, "{}")
    assert isinstance(answer, Answered)
    assert answer.status == 302
    assert receiver.requests == []


async def test_a_proxy_of_the_environment_is_not_asked(
    receiver: Receiver, outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, receiver.url)
    answer = await outgoing.post("https://resolves-to-10-0-0-1.example/", {}, "{}")
    assert isinstance(answer, Unanswered)
    assert receiver.requests == []


async def test_an_address_that_has_become_forbidden_is_called_no_more(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    await till.happen(restaurant)
    async with open_outgoing(PUBLIC_ONLY) as narrow:
        await till.send(till.sender(narrow))
    assert receiver.requests == []
    (delivery,) = await till.log(endpoint)
    assert "not called" in (delivery.attempts[0].error or "")


@pytest.mark.parametrize(
    ("url", "error"),
    [("https://nobody-knows.example/", "its name is not known"), ("https://127.0.0.1:1/", "no connection")],
)
async def test_the_log_says_why_nobody_answered(url: str, error: str) -> None:
    async with open_outgoing(Allowed(["127.0.0.1/32"]), look_up) as outgoing:
        answer = await outgoing.post(url, {}, "{}")
    assert answer == Unanswered(error)


async def test_a_certificate_that_does_not_hold_is_not_trusted(receiver: Receiver) -> None:
    """TLS with somebody who speaks none is an answer of the log, not a failure of ours."""
    async with open_outgoing(Allowed(["127.0.0.1/32"])) as outgoing:
        answer = await outgoing.post(receiver.url.replace("http:", "https:"), {}, "{}")
    assert isinstance(answer, Unanswered)
    assert receiver.requests == []
