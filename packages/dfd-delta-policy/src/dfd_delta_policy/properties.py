"""Table properties: which there are, what their texts mean, and how a table is given them.

    text -> what it means to Delta-Spark -> the one spelling that every reader takes

Delta-Spark takes `30 days`, `INTERVAL 30 DAYS` and `TRUE`, and keeps the text as it is; delta_kernel, and
with it deltalake, passes over all but `interval 30 days` and `true`, and goes by the default. So texts are
read as Delta-Spark reads them (`DeltaConfig`, `CalendarInterval`), and written as delta_kernel does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from deltalake import DeltaTable

from dfd_delta_policy.errors import InvalidOperation, UnsupportedTable

T = TypeVar("T")
D = TypeVar("D")

_UNITS = {
    "microsecond": timedelta(microseconds=1),
    "millisecond": timedelta(milliseconds=1),
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_PART = re.compile(rf"([0-9]{{1,18}})\s+({'|'.join(_UNITS)})s?", re.ASCII)
_INTERVAL = re.compile(rf"(?:interval\s+)?({_PART.pattern}(?:\s+{_PART.pattern})*)", re.ASCII)
# As delta_kernel takes one.
_PLAIN_INTERVAL = re.compile(rf"\s*interval\s+{_PART.pattern}\s*", re.ASCII)
# Beyond, delta_kernel and deltalake lose count.
_LONGEST = timedelta(days=36_525_000)
_SIZE = re.compile(r"([0-9]{1,19})\s*(b|[kmgtp]b?)?", re.ASCII)
_FACTORS = {"": 1, "b": 1, **{unit: 1024**power for power, unit in enumerate("kmgtp", start=1)}}
# As delta_kernel lists columns: names of letters, digits and `_`, or anything between backticks.
_NAME = r"\s*(?:[A-Za-z_][A-Za-z0-9_]*|`(?:[^`]|``)+`)\s*"
_COLUMNS = re.compile(rf"{_NAME}(?:[.,]{_NAME})*", re.ASCII)
_INT, _LONG = 2**31 - 1, 2**63 - 1
_UNREADABLE = (KeyError, OverflowError, ValueError)


@dataclass(frozen=True)
class _Type(Generic[T]):
    """The type of a property.

    - `meant`: the values, for people.
    - `parse`: the value of a text; one of `_UNREADABLE` where it is none.
    - `spell`: the spelling of a text that every reader takes; itself, where they take it as it is.
    """

    meant: str
    parse: Callable[[str], T]
    spell: Callable[[str], str]


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.strip().lower()]


def _interval(text: str) -> timedelta:
    found = _INTERVAL.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(text)
    length = sum(
        (int(number) * _UNITS[unit] for number, unit in _PART.findall(found[1])), timedelta()
    )
    if length > _LONGEST:
        raise ValueError(text)
    return length


def _spell_interval(text: str) -> str:
    length = _interval(text)
    if _PLAIN_INTERVAL.fullmatch(text):
        return text
    parts = _PART.findall(text.lower())
    if len(parts) == 1:
        ((number, unit),) = parts
    else:
        unit = next(unit for unit in reversed(_UNITS) if not length % _UNITS[unit])
        number = length // _UNITS[unit]
    return f"interval {int(number)} {unit}s"


def _bytes(text: str) -> int:
    found = _SIZE.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(text)
    size = int(found[1]) * _FACTORS[(found[2] or "")[:1]]
    return _within(size, 1, _LONG)


def _within(number: int, least: int, greatest: int) -> int:
    if not least <= number <= greatest:
        raise ValueError(number)
    return number


def _whole(least: int) -> _Type[int]:
    def parse(text: str) -> int:
        if re.fullmatch(r"[+-]?[0-9]{1,10}", text.strip()) is None:
            raise ValueError(text)
        return _within(int(text), least, _INT)

    return _Type(f"a whole number from {least}", parse, lambda text: str(parse(text)))


def _one_of(*values: str) -> _Type[str]:
    known = {value.lower(): value for value in values}

    def parse(text: str) -> str:
        return known[text.strip().lower()]

    *others, last = values
    meant = f"{', '.join(others)} or {last}" if others else last
    return _Type(meant, parse, parse)


def _columns(text: str) -> str:
    if _COLUMNS.fullmatch(text) is None:
        raise ValueError(text)
    return text


_BOOLEAN = _Type("true or false", _boolean, lambda text: str(_boolean(text)).lower())
_DURATION = _Type(
    "an interval in weeks, days, hours, minutes or less, as 'interval 30 days'",
    _interval,
    _spell_interval,
)
_BYTES = _Type(
    "a number of bytes, as '104857600' or '100mb'", _bytes, lambda text: str(_bytes(text))
)

# Delta's documentation, "Table properties"; those that dfd keeps, with the features that they ask for, or that
# are other writers' alone and change no protocol.
_PROPERTIES: Mapping[str, _Type[Any]] = {
    "delta.appendOnly": _BOOLEAN,
    "delta.autoOptimize.autoCompact": _one_of("true", "false", "auto"),
    "delta.autoOptimize.optimizeWrite": _BOOLEAN,
    "delta.checkpoint.writeStatsAsJson": _BOOLEAN,
    "delta.checkpoint.writeStatsAsStruct": _BOOLEAN,
    "delta.checkpointInterval": _whole(1),
    "delta.dataSkippingNumIndexedCols": _whole(-1),
    "delta.dataSkippingStatsColumns": _Type(
        "names of columns, as 'a, b.c, `d e`'", _columns, _columns
    ),
    "delta.deletedFileRetentionDuration": _DURATION,
    "delta.enableChangeDataFeed": _BOOLEAN,
    "delta.enableDeletionVectors": _BOOLEAN,
    "delta.enableExpiredLogCleanup": _BOOLEAN,
    # Every commit of dfd's is serializable; a promise of less would be kept by no one.
    "delta.isolationLevel": _one_of("Serializable"),
    "delta.logRetentionDuration": _DURATION,
    "delta.setTransactionRetentionDuration": _DURATION,
    "delta.targetFileSize": _BYTES,
    "delta.tuneFileSizesForRewrites": _BOOLEAN,
}


def checked_properties(properties: Mapping[str, str]) -> dict[str, str]:
    """Properties that a table may be given, each in the spelling that every reader takes.

    Names of the user's own take any text; of those that begin with `delta.` the ones that Delta
    defines and that dfd keeps are taken, with values that they can have. `30 days` becomes
    `interval 30 days`, `TRUE` becomes `true`, `100mb` becomes `104857600`.

    Raises:
        InvalidOperation: none is given, one is unknown, or one has another value.
    """
    if not properties:
        raise InvalidOperation("`properties` names no property.")
    return {key: _checked(key, value) for key, value in properties.items()}


def _checked(key: str, value: str) -> str:
    if not isinstance(key, str) or not isinstance(value, str):
        raise InvalidOperation(f"Properties are texts; {key!r} has {value!r}.")
    if not key.lower().startswith("delta."):
        return value
    if key.startswith("delta.constraints."):
        raise InvalidOperation(f"{key} is a constraint: `add_constraint` sets it.")
    if key not in _PROPERTIES:
        raise InvalidOperation(
            f"{key} can't be set. What can: {', '.join(_PROPERTIES)}, and names without `delta.`."
        )
    try:
        return _PROPERTIES[key].spell(value)
    except _UNREADABLE:
        raise InvalidOperation(f"{key} is {_PROPERTIES[key].meant}, not {value!r}.") from None


def refuse_kept(names: Sequence[str]) -> None:
    """Refuse to take away properties that Delta needs: of those that begin with `delta.` the ones that dfd sets may go.

    Raises:
        InvalidOperation: one may not go, or none is given.
    """
    if not names:
        raise InvalidOperation("`names` names no property.")
    for name in names:
        if not isinstance(name, str):
            raise InvalidOperation(f"The name of a property is text, not {type(name).__name__}.")
        if name.lower().startswith("delta.") and name not in _PROPERTIES:
            raise InvalidOperation(f"{name} can't be taken away. Nothing was changed.")


class TableProperties:
    """What the properties of a table mean, whoever set them; defaults are those of deltalake.

    Each raises UnsupportedTable where its text means nothing.
    """

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        self._configuration = configuration

    @classmethod
    def of(cls, table: DeltaTable) -> TableProperties:
        """The properties of the version that a handle stands on."""
        return cls(table.metadata().configuration)

    @property
    def appends_only(self) -> bool:
        """Whether rows may only be added (`delta.appendOnly`)."""
        return self._value("delta.appendOnly", _BOOLEAN, False)

    @property
    def has_in_commit_timestamps(self) -> bool:
        """Whether commits say when they were made (`delta.enableInCommitTimestamps`)."""
        return self._value("delta.enableInCommitTimestamps", _BOOLEAN, False)

    @property
    def checkpoint_interval(self) -> int:
        """Commits from one checkpoint to the next (`delta.checkpointInterval`); 100 by default."""
        return self._value("delta.checkpointInterval", _whole(1), 100)

    @property
    def deleted_file_retention(self) -> timedelta:
        """How long removed files are kept (`delta.deletedFileRetentionDuration`); a week by default."""
        return self._value("delta.deletedFileRetentionDuration", _DURATION, timedelta(weeks=1))

    @property
    def cleans_log(self) -> bool:
        """Whether deltalake may take commits from the log after a checkpoint.

        That is `delta.enableExpiredLogCleanup`, true by default, and a `delta.logRetentionDuration` that
        deltalake understands: by any other it would take commits that are to be kept.
        """
        is_wanted = self._value("delta.enableExpiredLogCleanup", _BOOLEAN, True)
        return is_wanted and self.is_plain("delta.logRetentionDuration")

    @property
    def target_file_bytes(self) -> int | None:
        """About how large data files are to be (`delta.targetFileSize`); None where it isn't said."""
        return self._value("delta.targetFileSize", _BYTES, None)

    def is_plain(self, key: str) -> bool:
        """Whether deltalake takes this property as it is meant; so too where it isn't set."""
        text = self._configuration.get(key)
        try:
            return text is None or _PROPERTIES[key].spell(text) == text
        except _UNREADABLE:
            return False

    def _value(self, key: str, kind: _Type[T], default: D) -> T | D:
        text = self._configuration.get(key)
        if text is None:
            return default
        try:
            return kind.parse(text)
        except _UNREADABLE:
            raise UnsupportedTable(
                f"The table's {key} is {text!r}, and not {kind.meant}. Nothing was changed. "
                "`set_properties` gives it a value."
            ) from None
