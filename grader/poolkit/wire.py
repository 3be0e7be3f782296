"""What crosses between lab and judge: JSON, one message a line, at most 1 MiB each.

Cells of a row cross as JSON primitives; what JSON lacks is tagged: `{"b": base64}` for bytes, `{"f": "inf"}`
for the floats that JSON cannot write. Nothing is unpickled or evaluated on either side.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from poolkit.errors import WireFault
from poolkit.events import Value

MAX_MESSAGE = 1 << 20
"""The largest message in bytes, its newline included."""

Message = dict[str, Any]


def encode(message: Mapping[str, Any]) -> bytes:
    """Return the line for a message.

    Raises:
        WireFault: the line would be longer than `MAX_MESSAGE`.
    """
    line = json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"
    if len(line) > MAX_MESSAGE:
        raise WireFault(f"a message of {len(line)} bytes is over the limit of {MAX_MESSAGE}")
    return line


def decode(line: bytes) -> Message:
    """Return the message in a line.

    Raises:
        WireFault: the line is too long, is not JSON, or holds no JSON object.
    """
    if len(line) > MAX_MESSAGE:
        raise WireFault(f"a message of {len(line)} bytes is over the limit of {MAX_MESSAGE}")
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WireFault(f"a line is not JSON: {type(error).__name__}") from error
    if not isinstance(message, dict):
        raise WireFault(f"a message must be a JSON object, not {type(message).__name__}")
    return message


def pack_value(value: Value) -> Any:  # noqa: ANN401  (any JSON value)
    """Return a cell or parameter as JSON can hold it."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"b": base64.b64encode(bytes(value)).decode("ascii")}
    if isinstance(value, float) and not math.isfinite(value):
        return {"f": repr(value)}
    return value


def unpack_value(value: Any) -> Value:  # noqa: ANN401  (any JSON value)
    """Return the cell or parameter that `pack_value` wrote.

    Raises:
        WireFault: it is nothing that `pack_value` writes.
    """
    if value is None or isinstance(value, (int, float, str)):
        return value
    if isinstance(value, dict) and len(value) == 1:
        if isinstance(text := value.get("b"), str):
            try:
                return base64.b64decode(text, validate=True)
            except ValueError as error:
                raise WireFault("a blob is not base64") from error
        if value.get("f") in ("inf", "-inf", "nan"):
            return float(value["f"])
    raise WireFault(f"not a database value: {type(value).__name__}")


def pack_row(row: Iterable[Value]) -> list[Any]:
    """Return a row, or a list of parameters, as JSON can hold it."""
    return [pack_value(value) for value in row]


def unpack_row(row: Any) -> tuple[Value, ...]:  # noqa: ANN401  (any JSON value)
    """Return the row that `pack_row` wrote.

    Raises:
        WireFault: it is no list, or holds something that is no database value.
    """
    if not isinstance(row, list):
        raise WireFault(f"a row must be a list, not {type(row).__name__}")
    return tuple(unpack_value(value) for value in row)
