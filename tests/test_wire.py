"""`poolkit.wire`: what crosses between lab and judge comes out as it went in, or is refused."""

from __future__ import annotations

import math
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poolkit import wire
from poolkit.errors import WireFault
from poolkit.events import Value

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(),
    st.binary(),
)


@PATIENT
@given(st.lists(VALUES))
def test_a_row_comes_out_as_it_went_in(row: list[Value]) -> None:
    """Every value that SQLite stores keeps its type and its bits on the way through a line."""
    line = wire.encode({"row": wire.pack_row(row)})
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert repr(wire.unpack_row(wire.decode(line)["row"])) == repr(tuple(row))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0, 5e-324, sys.float_info.max])
def test_a_float_that_json_cannot_write_crosses(value: float) -> None:
    """Infinities and NaN are tagged, so that no side depends on how a JSON parser takes them."""
    packed = wire.pack_value(value)
    assert isinstance(packed, float) is math.isfinite(value)
    assert repr(wire.unpack_value(packed)) == repr(value)


@pytest.mark.parametrize("value", [bytearray(b"ab\x00"), memoryview(b"ab\x00")])
def test_every_kind_of_bytes_crosses_as_bytes(value: bytearray | memoryview) -> None:
    """A parameter may be any of them."""
    assert wire.unpack_value(wire.pack_value(value)) == b"ab\x00"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "packed",
    [
        *([], [1], {}, {"b": 1}, {"b": "a"}, {"b": "***="}, {"b": "é"}, {"f": "1e999"}, {"f": 1}, {"f": []}),
        *({"b": "", "f": "nan"}, {"x": ""}, {"b": None}),
    ],
    ids=repr,
)
def test_what_no_value_is_packed_as_is_refused(packed: object) -> None:
    """It is the protocol's error and no other, which would be the grader's."""
    with pytest.raises(WireFault):
        wire.unpack_value(packed)


@pytest.mark.parametrize("packed", [None, 1, "ab", {"0": 1}])
def test_a_row_is_a_list(packed: object) -> None:
    """Nothing else passes for one."""
    with pytest.raises(WireFault, match="a row must be a list"):
        wire.unpack_row(packed)


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"\n", b"{", b"[]\n", b'"text"\n', b"null\n", b"1\n", b"\xff\xfe\n", b"\x80{}", b"{'a': 1}\n"),
        *(b"[" * 500_000, b'{"a":' * 100_000, b'{"a": ' + b"9" * 10_000 + b"}"),
    ],
    ids=lambda line: str(line[:20]),
)
def test_what_is_no_message_is_refused(line: bytes) -> None:
    """Broken, deep or huge: one kind of error, in one short line."""
    with pytest.raises(WireFault) as caught:
        wire.decode(line)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


def test_a_message_has_at_most_a_mebibyte() -> None:
    """Up to the limit it passes both ways, one byte over it is refused on both sides."""
    frame = len(wire.encode({"text": ""}))
    largest = {"text": "x" * (wire.MAX_MESSAGE - frame)}
    line = wire.encode(largest)
    assert len(line) == wire.MAX_MESSAGE
    assert wire.decode(line) == largest
    with pytest.raises(WireFault, match="over the limit"):
        wire.encode({"text": largest["text"] + "x"})
    with pytest.raises(WireFault, match="over the limit"):
        wire.decode(b" " + line)
