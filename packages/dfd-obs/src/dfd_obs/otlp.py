"""Spans as OTLP has them in protobuf: the few fields of a span that dfd makes a span of its own of.

The fields and their numbers: https://github.com/open-telemetry/opentelemetry-proto, trace.proto and common.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

Value = int | bytes
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_STATUS_ERROR = 2


class ReceivedSpan(NamedTuple):
    """A span of another library. Of its attributes the numbers alone: texts may hold values of rows."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str
    start_ns: int
    end_ns: int
    attributes: dict[str, int | float]
    has_failed: bool


def spans_of(request: bytes) -> Iterator[ReceivedSpan]:
    """The spans of an `ExportTraceServiceRequest`.

    Raises:
        ValueError: it is none.
    """
    try:
        for resource_spans in _messages(request, 1):
            for scope_spans in _messages(resource_spans, 2):
                yield from map(_span, _messages(scope_spans, 2))
    except (IndexError, struct.error) as error:
        raise ValueError("the message ends too early") from error


def _span(message: bytes) -> ReceivedSpan:
    found = dict(_fields(message))
    status = dict(_fields(_as_bytes(found.get(15, b""))))
    return ReceivedSpan(
        trace_id=_as_bytes(found.get(1, b"")),
        span_id=_as_bytes(found.get(2, b"")),
        parent_id=_as_bytes(found.get(4, b"")),
        name=_as_bytes(found.get(5, b"")).decode(),
        start_ns=_as_int(found.get(7, 0)),
        end_ns=_as_int(found.get(8, 0)),
        attributes=dict(_numbers(message)),
        has_failed=status.get(3) == _STATUS_ERROR,
    )


def _numbers(span: bytes) -> Iterator[tuple[str, int | float]]:
    for attribute in _messages(span, 9):
        found = dict(_fields(attribute))
        value = dict(_fields(_as_bytes(found.get(2, b""))))
        name = _as_bytes(found.get(1, b"")).decode()
        if 2 in value:
            yield name, bool(value[2])
        elif 3 in value:
            yield name, _signed(_as_int(value[3]))
        elif 4 in value:
            yield name, struct.unpack("<d", _as_int(value[4]).to_bytes(8, "little"))[0]


def _messages(message: bytes, number: int) -> Iterator[bytes]:
    return (_as_bytes(value) for found, value in _fields(message) if found == number)


def _fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """Each field's number and value, in the order in which they are written."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
        elif kind == _BYTES:
            length, at = _varint(message, at)
            if at + length > len(message):
                raise ValueError("a field goes beyond its message")
            yield number, message[at : at + length]
            at += length
        elif kind in (_FIXED64, _FIXED32):
            format_, length = ("<Q", 8) if kind == _FIXED64 else ("<I", 4)
            yield number, struct.unpack_from(format_, message, at)[0]
            at += length
        else:
            raise ValueError(f"fields of kind {kind} are no part of OTLP")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("a number has more than 64 bits")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _as_bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number stands where bytes are meant")
    return value


def _as_int(value: Value) -> int:
    if not isinstance(value, int):
        raise ValueError("bytes stand where a number is meant")
    return value
