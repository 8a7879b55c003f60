"""What a table says of itself beside its columns."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TableDescription:
    """What a table is given where it is made, or replaced.

    - `name`, `description`: for people.
    - `properties`: table properties. Their names and values are the caller's to check; the protocol has what they
      ask for, as `change_properties` says.
    - `columns`: metadata of columns, by name: `comment`, and `delta.generationExpression`, an expression of Spark's
      SQL that rows without a value get theirs by. That of a column that isn't there is passed over.
    """

    name: str | None = None
    description: str | None = None
    properties: dict[str, str] = field(default_factory=dict)
    columns: dict[str, dict[str, str]] = field(default_factory=dict)


PLAIN = TableDescription()
