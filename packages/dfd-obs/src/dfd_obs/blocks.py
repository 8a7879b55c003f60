"""Values that hold for the code within a block, which another task or thread may leave."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Block(Generic[Value]):
    """A value for as long as a block lasts, and the block around it."""

    def __init__(self, value: Value, outer: Block[Value] | None) -> None:
        self.value = value
        self.outer = outer
        self.is_over = False


BlockVar = ContextVar[Block[Value] | None]


@contextlib.contextmanager
def entered(variable: BlockVar[Value], value: Value) -> Iterator[Value]:
    """Let a variable have a value for as long as the block lasts."""
    block = Block(value, variable.get())
    token = variable.set(block)
    try:
        yield value
    finally:
        try:
            if variable.get() is not block:
                raise ValueError("another block was entered since, or in another context")
            variable.reset(token)
        except ValueError:
            # Left by another task or thread: the context that entered it can't be changed from here,
            # and finds by this that the block is over.
            block.is_over = True


def current(variable: BlockVar[Value]) -> Value | None:
    """The value of the innermost block that isn't over; None outside of all."""
    block = variable.get()
    while block is not None and block.is_over:
        block = block.outer
    return None if block is None else block.value
