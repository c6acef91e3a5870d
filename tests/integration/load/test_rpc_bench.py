"""The RPC bench: both sides carry the same menu, and what it says adds up."""

import pytest

from tiffin.cli.clock import utc_now
from tiffin.load import rpc_bench, rpc_echo
from tiffin.load.rpc_bench import SIDES, Mode, bench_rpc, is_installed
from tiffin.rpc import wire


def test_every_side_is_measured_in_every_mode_and_round(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rpc_bench, "MODES", (Mode(2, 2),))
    sides = [side for side in SIDES if is_installed(side)]
    said: list[str] = []
    (result,) = bench_rpc(utc_now, sides, 0.2, 1, said.append)
    assert set(result.rounds) == set(sides)
    assert len(said) == len(sides)
    for (measured,) in result.rounds.values():
        assert measured.calls > 0
        assert measured.p50_s <= measured.p99_s


def test_a_side_that_is_not_installed_is_known(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(SIDES, "grpc.aio", "no_such_module")
    assert is_installed("tiffin")
    assert not is_installed("grpc.aio")


def test_both_sides_carry_the_same_and_it_is_a_kilobyte():
    grpc_echo = pytest.importorskip("tiffin.load.grpc_echo")
    message = grpc_echo._as_message(rpc_echo.menu(), rpc_echo.caller_context(utc_now))
    ours, theirs = rpc_echo.menu().items, message.items
    for field in ("id", "name", "price", "category", "description", "available"):
        assert [getattr(item, field) for item in ours] == [getattr(item, field) for item in theirs]
    assert [item.options[0].name for item in ours] == [item.options[0].name for item in theirs]
    assert 700 <= len(message.SerializeToString()) <= 1200
    frame = wire.services["Restaurants"]["set_menu"].encode_call(
        1, rpc_echo.caller_context(utc_now), rpc_echo.menu()
    )
    assert 1000 <= len(frame) <= 1300
