import asyncio

import pytest

from scripted_server import NEVER, Reply, problem
from tiffin.load.http import Http, NoAnswer


@pytest.fixture
async def http(scripted):
    http = Http(scripted.url, connections_max=4, deadline_s=5)
    yield http
    await http.close()


async def test_a_request_arrives_as_it_was_sent_and_the_answer_as_it_was_given(scripted, http):
    scripted.answer = lambda request: Reply(201, {"id": "17"})
    answer = await http.request("POST", "/v1/orders", "a.b.c", b'{"x":1}', "key-1")
    (request,) = scripted.asked
    assert (request.method, request.path, request.body) == ("POST", "/v1/orders", b'{"x":1}')
    assert request.headers["authorization"] == "Bearer a.b.c"
    assert request.headers["idempotency-key"] == "key-1"
    assert request.headers["content-type"] == "application/json"
    assert (answer.status, answer.body, answer.ok) == (201, b'{"id":"17"}', True)


async def test_a_problem_tells_its_code_and_any_other_error_its_status(scripted, http):
    scripted.answer = lambda request: problem(409, "out_of_stock")
    assert (await http.request("GET", "/")).code == "out_of_stock"
    scripted.answer = lambda request: Reply(502, None)
    assert (await http.request("GET", "/")).code == "http_502"


async def test_one_connection_serves_request_after_request(scripted, http):
    for _ in range(5):
        await http.request("GET", "/")
    assert scripted.connections == 1


async def test_no_more_connections_are_open_than_allowed(scripted, http):
    await asyncio.gather(*(http.request("GET", f"/{number}") for number in range(50)))
    assert scripted.connections <= 4
    assert sorted(scripted.paths()) == sorted(f"/{number}" for number in range(50))


async def test_answers_of_many_requests_at_once_go_to_who_asked(scripted, http):
    scripted.answer = lambda request: Reply(200, {"code": request.path})
    paths = [f"/{number}" for number in range(50)]
    answers = await asyncio.gather(*(http.request("GET", path) for path in paths))
    assert [answer.code for answer in answers] == paths


async def test_a_connection_the_server_closed_after_its_answer_is_not_used_again(scripted, http):
    scripted.answer = lambda request: Reply(keep=False)
    await http.request("GET", "/1")
    await scripted.gone.wait()
    await asyncio.sleep(0.01)  # the client's end hears of it
    scripted.answer = lambda request: Reply()
    assert (await http.request("GET", "/2")).ok
    assert scripted.connections == 2


async def test_a_connection_the_server_says_it_will_close_is_not_used_again(scripted, http):
    scripted.answer = lambda request: Reply(headers={"Connection": "close"})
    await http.request("GET", "/1")
    assert (await http.request("GET", "/2")).ok
    assert scripted.connections == 2


@pytest.mark.parametrize("cut_after", [0, 20, 60])
async def test_an_answer_cut_short_is_no_answer(scripted, http, cut_after):
    scripted.answer = lambda request: Reply(200, {"id": "x" * 100}, cut_after=cut_after)
    with pytest.raises(NoAnswer) as caught:
        await http.request("POST", "/v1/orders", body=b"{}")
    assert caught.value.sent
    scripted.answer = lambda request: Reply()
    assert (await http.request("GET", "/")).ok


async def test_an_answer_later_than_the_deadline_is_no_answer_and_its_connection_is_left(scripted):
    http = Http(scripted.url, deadline_s=0.05)
    scripted.answer = lambda request: NEVER
    with pytest.raises(NoAnswer, match=r"within 0\.05 s") as caught:
        await http.request("GET", "/")
    assert caught.value.sent
    scripted.answer = lambda request: Reply()
    http_after = Http(scripted.url)
    assert (await http.request("GET", "/")).ok
    assert scripted.connections == 2
    await http.close()
    await http_after.close()


async def test_a_server_that_is_away_is_no_answer_and_nothing_was_sent(scripted):
    url = scripted.url
    await scripted.stop()
    with pytest.raises(NoAnswer) as caught:
        await Http(url).request("GET", "/")
    assert not caught.value.sent
    await scripted.start()


async def test_a_server_that_comes_back_is_used_again(scripted, http):
    assert (await http.request("GET", "/")).ok
    await scripted.stop()
    with pytest.raises(NoAnswer):
        for _ in range(2):  # the first may still find the lost connection
            await http.request("GET", "/")
    await scripted.start()
    assert (await http.request("GET", "/")).ok


async def test_what_is_not_http_is_no_answer(scripted, http):
    class Noise(Reply):
        def encode(self):
            return b"SSH-2.0-OpenSSH_9.2\r\n\r\n"

    scripted.answer = lambda request: Noise()
    with pytest.raises(NoAnswer, match="not HTTP"):
        await http.request("GET", "/")


async def test_a_caller_that_gives_up_frees_its_connections_place(scripted):
    http = Http(scripted.url, connections_max=1)
    scripted.answer = lambda request: NEVER if request.path == "/slow" else Reply()
    slow = asyncio.ensure_future(http.request("GET", "/slow"))
    while not scripted.asked:
        await asyncio.sleep(0)
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
    await asyncio.wait_for(scripted.gone.wait(), 5)
    assert (await http.request("GET", "/")).ok
    await http.close()


@pytest.mark.parametrize("url", ["https://example.org", "127.0.0.1:80", "http://"])
async def test_an_address_it_cannot_speak_to_is_refused_at_once(url):
    with pytest.raises(ValueError, match="an address such as"):
        Http(url)
