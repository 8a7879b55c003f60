"""Operations of plain deltalake, observed: writes, changes of rows, and the upkeep of tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dfd_obs.observer import Observer
from dfd_obs.patches import Patches
from dfd_obs.scopes import is_observed

_OF_TABLES = ("delete", "update", "restore", "vacuum", "repair", "create_checkpoint")
_OF_ALTERERS = (
    "add_columns", "add_constraint", "add_feature", "drop_column_not_null", "drop_constraint",
    "set_column_metadata", "set_table_description", "set_table_name", "set_table_properties",
)  # fmt: skip


class DeltaLakeCalls:
    """Calls of deltalake, as an observer sees them."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def observe(self, patches: Patches) -> None:
        """Observe them; who has imported `write_deltalake` by its name before calls it unobserved."""
        import deltalake
        from deltalake import table

        patches.wrap(deltalake, "write_deltalake", self._write)
        for name in _OF_TABLES:
            patches.wrap(deltalake.DeltaTable, name, self._named(name, lambda one: one.table_uri))
        patches.wrap(
            table.TableMerger, "execute", self._named("merge", lambda one: one._table.table_uri())
        )
        for name, operation in (("compact", "optimize"), ("z_order", "z_order")):
            patches.wrap(
                table.TableOptimizer, name, self._named(operation, lambda one: one.table.table_uri)
            )
        for name in _OF_ALTERERS:
            patches.wrap(
                table.TableAlterer, name, self._named(name, lambda one: one.table.table_uri)
            )

    def _named(self, name: str, uri: Callable[[Any], str]) -> Callable[..., Any]:
        def called(function: Callable[..., Any], owner: Any, *more: Any, **options: Any) -> Any:
            return self._observed(name, uri(owner), lambda: function(owner, *more, **options))

        return called

    def _write(self, write: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        table = arguments[0] if arguments else options["table_or_uri"]
        name = "overwrite" if options.get("mode") == "overwrite" else "append"
        uri = str(getattr(table, "table_uri", table))
        return self._observed(name, uri, lambda: write(*arguments, **options))

    def _observed(self, name: str, uri: str, run: Callable[[], Any]) -> Any:
        if is_observed():
            return run()
        with self._observer.operation(name, uri):
            return run()
