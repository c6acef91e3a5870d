"""Frames come out of any stream that contains them, and nothing is kept for one that is too long."""

import pytest

from tiffin.rpc.frames import Frames, FrameTooLong

PAYLOADS = [b"first", b"", b"the third"]
STREAM = b"".join(len(payload).to_bytes(4, "big") + payload for payload in PAYLOADS)


@pytest.mark.parametrize("size", range(1, len(STREAM) + 1))
def test_frames_are_found_however_they_arrive(size: int):
    frames = Frames(100)
    found = [payload for at in range(0, len(STREAM), size) for payload in frames.feed(STREAM[at : at + size])]
    assert found == PAYLOADS
    assert not frames.is_unfinished


@pytest.mark.parametrize(
    "length", [b"\x00\x00\x00\x65", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\xff\xff\xff\xff"]
)
def test_a_frame_too_long_or_of_negative_length_ends_the_stream_at_its_length(length: bytes):
    with pytest.raises(FrameTooLong):
        Frames(100).feed(STREAM + length)


def test_a_frame_may_be_as_long_as_the_limit():
    assert Frames(100).feed(b"\x00\x00\x00\x64" + b"x" * 100) == [b"x" * 100]


def test_an_unfinished_frame_is_known():
    frames = Frames(100)
    assert frames.feed(STREAM[:7]) == []
    assert frames.is_unfinished
