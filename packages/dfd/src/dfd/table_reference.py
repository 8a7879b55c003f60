"""A table's name in SQL, resolved to the one table that a session means by it."""

from __future__ import annotations

import re

import msgspec

from dfd.errors import ConfigurationError

# Identifiers of DataFusion's dialect: plain ones are folded to lower case, in quotes they are as they stand.
_PART = r'"(?:[^"]|"")+"|`(?:[^`]|``)+`|[^\W\d][\w$]*'
_NAME = re.compile(rf"(?:{_PART})(?:\.(?:{_PART})){{0,2}}")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_ASCII_LOWER = str.maketrans({chr(code): chr(code + 32) for code in range(ord("A"), ord("Z") + 1)})


class TableReference(msgspec.Struct, frozen=True):
    """A catalog, a schema and a table, each in the case in which the session has it."""

    catalog: str
    schema: str
    table: str

    @classmethod
    def parse(cls, name: str, catalog: str, schema: str, folds_case: bool = True) -> TableReference:
        """Resolve a name as DataFusion does; `catalog` and `schema` are of names that have none.

        `folds_case` is DataFusion's `enable_ident_normalization`: without it plain identifiers stay as
        they stand.

        What is no identifier and has neither dots nor quotes, like `daily-2024`, is a table's name as
        it stands; SQL then writes it in double quotes.

        Raises:
            ConfigurationError: it is no name of a table.
        """
        if not isinstance(name, str) or not name.strip():
            raise refused(name)
        text = name.strip()
        if _NAME.fullmatch(text):
            parts = [_identifier(part, folds_case) for part in re.findall(_PART, text)]
        elif not re.search('[."`]', text):
            parts = [text]
        else:
            raise refused(name)
        return cls(*(catalog, schema)[: 3 - len(parts)], *parts)

    @property
    def parts(self) -> tuple[str, str, str]:
        """Catalog, schema and table."""
        return (self.catalog, self.schema, self.table)

    def __str__(self) -> str:
        return ".".join(_quoted(part) for part in (self.catalog, self.schema, self.table))


def refused(name: object, why: str = "that is no name of a table") -> ConfigurationError:
    """The error of a name under which no table can be registered, and why."""
    return ConfigurationError(
        f"No table can be registered as {name!r}: {why}. A name is `table`, `schema.table` or "
        "`catalog.schema.table`, of a schema that exists, with double quotes around a part that has a "
        "dot, a quote or capitals."
    )


def _identifier(part: str, folds_case: bool) -> str:
    quote = part[0]
    if quote in '"`':
        return part[1:-1].replace(quote * 2, quote)
    return part.translate(_ASCII_LOWER) if folds_case else part


def as_written(part: str) -> str:
    """A part of a name as SQL takes it: in double quotes where it has capitals or the like."""
    return part if _PLAIN.fullmatch(part) else _quoted(part)


def _quoted(part: str) -> str:
    return '"' + part.replace('"', '""') + '"'
