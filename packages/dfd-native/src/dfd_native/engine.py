"""Whole plans of a session, run in dfd's own DataFusion; and the codec that carries them there."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from dfd_base import renamed_keywords

from dfd_native import _native
from dfd_native._native import EngineRun
from dfd_native.caches import CacheLimit
from dfd_native.errors import EngineRefusal
from dfd_native.handshake import ensure_compatible
from dfd_native.location import table_uri
from dfd_native.plan_roundtrip import ambiguous_functions, unsupported
from dfd_native.repeated_names import WithoutDynamicFilters, confuses_filters
from dfd_native.weak_methods import weakly

if TYPE_CHECKING:
    from datafusion import SessionContext
    from datafusion.extensions import SessionExtensionComponents
    from datafusion.plan import LogicalPlan

Resolve = Callable[[str, str], "Mapping[str, str] | None"]


class DeltaExtension:
    """Delta tables in serialized plans, for `SessionContext.with_extensions`.

    With it `LogicalPlan.to_bytes(ctx)` and `ExecutionPlan.to_bytes(ctx)` write a Delta table as
    its URI, its version and the name of its storage profile, never a credential; a session of
    another process that has the extension reads the plan again. Every other table of the session
    travels as a number that is good in this process alone, once.

    - `resolve`: `(uri, profile_name) -> options`, the object store's options of the profile that a plan
      names, or None where it isn't known. Local tables need none. The session holds a bound method
      weakly: keep its object.
    """

    def __init__(self, resolve: Resolve | None = None) -> None:
        ensure_compatible()
        self._codec = _native.DeltaCodec(None if resolve is None else weakly(resolve))

    def __datafusion_session_components__(self, ctx: SessionContext) -> SessionExtensionComponents:
        """The components that `with_extensions` installs: one logical and one physical codec."""
        from datafusion.extensions import SessionExtensionComponents

        return SessionExtensionComponents(
            logical_extension_codecs=(self._codec,), physical_extension_codecs=(self._codec,)
        )


class Engine:
    """A DataFusion of dfd's own: caches, memory, functions. It runs the plans of any session.

    - `memory_limit_bytes`: of all its queries together; sorts, joins and aggregates spill beyond
      it. A query that runs out of it is begun again in leaner ways before it fails. No limit by default.
    - `spill_directory`: where they spill; a temporary directory of the system by default.
    - `parquet_metadata_limit_bytes`: footers of Parquet files that are kept; 50 MiB by default.
    - `list_files_limit_bytes`, `list_files_ttl_s`: listings of directories that are kept, and for how many
      seconds; for ever without the latter. By default each query lists them anew.

    Its caches may be given other limits at any time (`set_cache_limits`).

    Raises:
        IncompatibleInstallation: the installed libraries don't fit together.
    """

    @renamed_keywords(footer_cache_bytes="parquet_metadata_limit_bytes")
    def __init__(
        self,
        memory_limit_bytes: int | None = None,
        spill_directory: str | os.PathLike[str] | None = None,
        parquet_metadata_limit_bytes: int | None = None,
        list_files_limit_bytes: int = 0,
        list_files_ttl_s: int | None = None,
    ) -> None:
        ensure_compatible()
        self._native = _native.Engine(memory_limit_bytes, spill_directory)
        limits = {"list_files": CacheLimit(list_files_limit_bytes, list_files_ttl_s)}
        if parquet_metadata_limit_bytes is not None:
            limits["parquet_meta"] = CacheLimit(parquet_metadata_limit_bytes)
        self.set_cache_limits(limits)

    @property
    def reserved_bytes(self) -> int:
        """The bytes of memory that the engine's queries have reserved now."""
        return self._native.reserved_bytes

    @property
    def cache_limits(self) -> dict[str, CacheLimit]:
        """What its caches may hold, as they say it: `parquet_meta`, `list_files`, `file_statistics`."""
        return {name: CacheLimit(*limit) for name, limit in self._native.cache_limits().items()}

    def set_cache_limits(self, limits: Mapping[str, CacheLimit]) -> None:
        """Set what its caches may hold, by their names; those that aren't named stay as they are.

        What is too much goes at once. Where another time to live is set, all that is held goes.

        Raises:
            ValueError: there is no such cache, or a time is none.
        """
        self._native.set_cache_limits(
            {name: (limit[0], limit[1]) for name, limit in limits.items()}
        )

    def cache_stats(self) -> dict[str, dict[str, int]]:
        """How its caches are doing: look-ups and evictions since it was made, entries and bytes now.

        The names are those of `dfd_native.cache_stats`.
        """
        return self._native.cache_stats()

    def forget_listings(self) -> None:
        """List directories anew from now on, as after a statement that wrote into one."""
        self._native.forget_listings()

    def register_store(self, uri: str | os.PathLike[str], options: Mapping[str, str]) -> None:
        """Read files under the scheme and host of `uri` with these options of an object store.

        For tables of a session that name their files by URL, like Parquet; a Delta table brings its own.

        Raises:
            TableError: the URI isn't one, or an option is refused.
        """
        self._native.register_store(table_uri(uri), dict(options))

    @renamed_keywords(session="session_context")
    def run(
        self,
        plan: LogicalPlan | bytes,
        session_context: SessionContext,
        schema: Any = None,
        is_sql: bool = False,
    ) -> EngineRun:
        """Plan an optimized plan of a session under the session's settings; it runs as it is consumed.

        Built-in functions and dfd's own are native here; Delta tables are scanned without a border
        in between. Functions and tables of Python, and those of other libraries, run where they live. A Python
        function crosses pickled (cloudpickle), so state that it captures is a copy.

        - `plan`: a `LogicalPlan`, or the bytes of one (`to_bytes(session_context)`), from
          `DataFrame.optimized_logical_plan()`.
        - `session_context`: the session of the plan; it has a `DeltaExtension`.
        - `schema`: anything with `__arrow_c_schema__`; names and types that must come back. Give it: a
          relation without rows loses its columns in a plan's bytes.
        - `is_sql`: the plan was made from SQL, so that each function is the session's of that name. In a
          plan of the DataFrame API a call of `concat` may be one of `datafusion.functions.spark`.

        Raises:
            EngineRefusal: the plan can't be written, read or planned, is a statement, has a function that may
                be another one here, or comes back with other columns. Nothing has run.
        """
        reason = unsupported(plan)
        if reason is not None:
            raise EngineRefusal(reason, "no_rows")
        names = ambiguous_functions(session_context, is_sql)
        if confuses_filters(plan):
            return self._native.run(plan, WithoutDynamicFilters(session_context), schema, names)
        return self._native.run(plan, session_context, schema, names)
