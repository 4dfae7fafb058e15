"""What becomes of an answer's header block, whole, broken or made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.push.headers import HEADER_LIMIT, Block, parsed


@pytest.mark.parametrize(
    ("block", "status", "headers"),
    [
        (b"HTTP/1.1 200 OK\r\nX-One: 1\r\nx-two:2 \r\n\r\n", 200, {"x-one": "1", "x-two": "2"}),
        (b"HTTP/1.1 200 OK\nX-One: 1\n\n", 200, {"x-one": "1"}),
        (b"HTTP/2 429 \r\n\r\n", 429, {}),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 x\r\nRetry-After: 7\r\n\r\n", 503, {"retry-after": "7"}),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nTrailer: no\r\n", 200, {"a": "b"}),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n: no name\r\nA: \xff\r\n\r\n", 200, {"a": "\xff"}),
    ],
)
def test_a_whole_block_is_read(block: bytes, status: int, headers: dict[str, str]) -> None:
    found = parsed(block)
    assert (found[0], dict(found[1] or {})) == (status, headers)


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_a_block_that_is_none_or_not_whole_is_no_answer(block: bytes) -> None:
    assert parsed(block) == (0, None)


@given(st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused(block: bytes) -> None:
    status, headers = parsed(b"HTTP/1.1 200 OK\r\n" + block)
    assert (status, headers) == (0, None) or (headers is not None and 0 <= status <= 999)
    parsed(block)


def test_what_an_exchange_heard_is_taken_once_and_nothing_is_left_for_the_next() -> None:
    floods: list[int] = []
    block = Block(lambda: floods.append(1))
    block.buffer.write(b"HTTP/1.1 200 OK\r\n")
    block.buffer.write(b"\r\n")
    assert block.take() == b"HTTP/1.1 200 OK\r\n\r\n"
    assert block.take() == b""
    for _ in range(HEADER_LIMIT // 100 + 1):
        block.buffer.write(b"x" * 100)
    assert floods
    block.take()
    block.buffer.write(b"HTTP/1.1 503 x\r\n\r\n")
    assert block.take() == b"HTTP/1.1 503 x\r\n\r\n"
