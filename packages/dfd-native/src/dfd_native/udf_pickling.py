"""Whether a Python function that crosses as a pickled copy is as good as the original.

datafusion writes a Python function into a plan with cloudpickle. An importable function comes back as
itself; any other as a copy. A copy that captures something that may change, like a list to which the
original appends, would change its own, so such a function stays in the session.
"""

from __future__ import annotations

import builtins
import pickle
import sys
import types
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

# datafusion's frame: seven letters for the kind, the frame's version, and Python's (major, minor).
_HEADER = 10
_UNCHANGING = (int, float, complex, str, bytes, type(None), types.ModuleType, types.CodeType)


def captured_state(payload: bytes) -> str | None:
    """The state that a copy wouldn't share with the original, by name, or None where there is none.

    `payload` is a function as datafusion's codec wrote it, in this very process.
    """
    _, function, *_ = pickle.loads(payload[_HEADER:])  # noqa: S301 (written by this process)
    return next(_state(function, getattr(function, "__name__", "it"), set()), None)


def _state(value: Any, name: str, seen: set[int]) -> Iterator[str]:
    """The names under which something changeable is reached."""
    if id(value) in seen or isinstance(value, _UNCHANGING) or _is_importable(value):
        return
    seen.add(id(value))
    if isinstance(value, (tuple, frozenset)):
        for item in value:
            yield from _state(item, name, seen)
    elif isinstance(value, (staticmethod, classmethod)):
        yield from _state(value.__func__, name, seen)
    elif isinstance(value, property):
        for part in (value.fget, value.fset, value.fdel):
            yield from _state(part, name, seen)
    elif isinstance(value, types.FunctionType):
        for key, item in _reached(value):
            yield from _state(item, key, seen)
    elif isinstance(value, type):
        for base in value.__bases__:
            yield from _state(base, base.__name__, seen)
        for key, item in vars(value).items():
            if not (key.startswith("__") and not callable(item)) and not _is_slot(item):
                yield from _state(item, f"{value.__name__}.{key}", seen)
    else:
        yield name


def _reached(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    names = function.__code__.co_freevars
    for key, cell in zip(names, function.__closure__ or (), strict=True):
        try:
            yield key, cell.cell_contents
        except ValueError:  # a cell that is still empty
            continue
    # cloudpickle gives a copy those globals alone that its code names.
    for key, item in function.__globals__.items():
        if not key.startswith("__"):
            yield key, item
    yield from ((function.__name__, item) for item in function.__defaults__ or ())
    yield from (function.__kwdefaults__ or {}).items()


def _is_importable(value: Any) -> bool:
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if isinstance(value, types.BuiltinFunctionType) and module is None:
        module = builtins.__name__
    if not isinstance(module, str) or not isinstance(name, str):
        return False
    try:
        return attrgetter(name)(sys.modules[module]) is value
    except (KeyError, AttributeError):
        return False


def _is_slot(value: Any) -> bool:
    return isinstance(value, (types.GetSetDescriptorType, types.MemberDescriptorType))
