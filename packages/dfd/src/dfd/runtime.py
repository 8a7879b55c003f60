"""`connect()` and the runtime: the parts put together, and no rule of its own."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import dfd_cache
import dfd_native
import dfd_obs
import msgspec
from datafusion import DataFrame, SessionConfig, SessionContext
from dfd_base import renamed_keywords
from dfd_delta_policy import CommitHook, GuardedTable, MergeBuilder, Outcome
from dfd_obs import DiagnosticsReport, Observer, Preparation, QueryScope
from dfd_obs.query_summary import has_run
from dfd_storage import StorageFailure, StorageProfile, StorageResolver, UnsupportedSetting

from dfd.advice import Advice, advise
from dfd.errors import ConfigurationError, QueryError
from dfd.guarded_tables import GuardedTables
from dfd.observed_operations import ObservedOperations
from dfd.panics import is_panic
from dfd.pins import Pin, Staleness
from dfd.planning_errors import planning_message
from dfd.preparing import default_namespace, preparing
from dfd.profile import (
    AGGREGATE_FILTERS,
    DataFusionRuntimeProfile,
    aggregate_filters_refused,
)
from dfd.progress import Progress, ProgressWatch
from dfd.query import Query
from dfd.session_tables import RegisteredTable, SessionTables, TableVersions
from dfd.sql.folders import Folders
from dfd.table_health import measured_tables
from dfd.table_reference import TableReference

_logger = logging.getLogger("dfd")


def _profile_name(storage: StorageProfile) -> str | None:
    """The name of a storage profile in plans: its location and a digest of its settings without secrets."""
    return f"{storage.uri}#{storage.fingerprint}" if storage.kind != "local" else None


def _options(resolver: StorageResolver, uri: str, profile_name: str) -> dict[str, str] | None:
    """The options of the profile that a plan names, for whoever reads the plan."""
    storage = resolver.resolve(uri)
    return storage.to_native_options() if _profile_name(storage) == profile_name else None


def _locate(resolver: StorageResolver, uri: str) -> tuple[str, dict[str, str], str | None]:
    """The location of a table, the options of its store, and the name of its profile in plans."""
    storage = resolver.resolve(uri)
    return storage.canonical_uri(uri), storage.to_native_options(), _profile_name(storage)


def _describe(failure: StorageFailure | None) -> str:
    """The summary and the remedy of a failure, to be put before an error's message."""
    return "" if failure is None else f"{failure.summary} {failure.remedy} "


class Runtime:
    """One DataFusion session with Delta tables, mutations under policy, and observation.

    Made by `connect()`. A context manager: its block is one run (`dfd_obs.run`), which is that of threads too that
    know of none.
    """

    @renamed_keywords(profile="runtime_profile")
    def __init__(
        self,
        runtime_profile: DataFusionRuntimeProfile,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        dfd_native.ensure_compatible()
        self.profile = runtime_profile
        self._watch = None if progress is None else ProgressWatch(progress)
        config = SessionConfig().with_information_schema(True)
        for key, value in runtime_profile.settings.items():
            try:
                config = config.set(key, value)
            except Exception as error:
                raise ConfigurationError(
                    f"`session` has {key} = {value!r}, which DataFusion refuses: {error}"
                ) from error
        self._resolver = StorageResolver(runtime_profile.storage)
        self.session = SessionContext(config).with_extensions(
            dfd_native.DeltaExtension(partial(_options, self._resolver))
        )
        self.engine = dfd_native.Engine(
            memory_limit_bytes=runtime_profile.engine.memory_limit_bytes,
            spill_directory=runtime_profile.engine.spill_directory,
        )
        self.cache = dfd_cache.apply(self.session, runtime_profile.cache, self.engine)
        dfd_native.register_functions(self.session)
        # What the session calls doesn't hold the runtime, which holds the session.
        self._locate = partial(_locate, self._resolver)
        self._tables = SessionTables(self.session)
        dfd_native.register_table_functions(self.session, self._locate, self._tables.catalog)
        self._tables.freshness_s = runtime_profile.cache.freshness_s
        self._guarded_tables = GuardedTables(self._guarded_table)
        self.folders = Folders(self)
        self._generations: dict[str, int] = {}
        self._renewing = threading.RLock()
        for storage in runtime_profile.storage:
            for issue in storage.validate():
                log = _logger.warning if issue.severity == "error" else _logger.info
                log("%s: %s %s", storage.uri, issue.message, issue.remedy)
            # Asked before: what is opened may be of newer credentials, never of older ones.
            self._generations[storage.uri] = storage.credentials_generation
            self._open_store(storage)
        for schema in runtime_profile.schemas:
            self.register_schema(schema.name, schema.uri)
        for entry in runtime_profile.tables:
            self.folders.put_table(entry)
        self.observer = Observer(runtime_profile.observability)
        self._run: dfd_obs.Run | None = None
        self._operations = ObservedOperations(self.observer, lambda: self._run, self._watch)
        self._namespace = default_namespace(self.session)
        dfd_obs.RunFilter.install()
        dfd_obs.export_cache_metrics(dfd_cache.cache_stats)
        self._stack = contextlib.ExitStack()
        if runtime_profile.observability.delta_tracing:
            dfd_obs.init_delta_tracing()

    def _open_store(self, storage: StorageProfile) -> None:
        """Make a store known to the session and the engine, for tables that name their files by URL, like Parquet."""
        if storage.kind == "local":
            return
        # Files there are read in the session: the engine knows the web by another scheme.
        if storage.kind != "http":
            options = storage.to_native_options()
            for root in storage.store_uris():
                self.engine.register_store(root, options)
        try:
            storage.register(self.session)
        except UnsupportedSetting as error:
            _logger.warning(
                "Delta tables under %s are read with all settings of their profile; other tables "
                "aren't there, because the session can't have its store: %s",
                storage.canonical_uri(),
                error,
            )

    def _renew(self) -> None:
        """Open stores and tables again whose credentials are others by now."""
        if not any(map(self._is_outdated, self.profile.storage)):
            return
        # Who comes second waits, rather than read with what the first is about to replace.
        with self._renewing:
            for storage in filter(self._is_outdated, self.profile.storage):
                generation = storage.credentials_generation
                try:
                    self._open_store(storage)
                    self._tables.reopen(partial(self._open_again, storage))
                finally:
                    self._generations[storage.uri] = generation

    def _is_outdated(self, storage: StorageProfile) -> bool:
        return storage.credentials_generation != self._generations.get(storage.uri, 0)

    def _open_again(
        self, storage: StorageProfile, uri: str, version: int
    ) -> dfd_native.DeltaTable | None:
        """A table's version with the new credentials of its storage; None where that isn't `storage`."""
        if self._resolver.resolve(uri) != storage:
            return None
        location, options, profile_name = self._locate(uri)
        return dfd_native.delta_table(location, options, version=version, profile_name=profile_name)

    def __enter__(self) -> Runtime:
        self._run = self._stack.enter_context(dfd_obs.run())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        tables, profiles = len(self.tables()), len(self.profile.storage)
        return f"<dfd.Runtime: {tables} table(s) registered, {profiles} storage profile(s)>"

    def close(self) -> None:
        """End the runtime's run. Calling it twice is harmless."""
        self._guarded_tables.clear()
        self._run = None
        self._stack.close()

    def register(
        self,
        name: str,
        uri: str | Path,
        version: int | None = None,
        timestamp: datetime | None = None,
        pinned: bool = False,
    ) -> None:
        """Make the Delta table at `uri` a table of the session.

        Without `version`, `timestamp` or `pinned` a query reads the newest version there is when it
        is planned: by `sql` at once, of a DataFrame when its `Query` is first asked for anything.
        So do DataFrames that were kept, views and prepared statements. One query reads one version
        of a table, however often it names it, and no query an older one than those before. With
        one of the three, or with `CacheConfig.pin_tables`, every query reads the same version, until
        it is `refresh`ed or `unpin`ned. `timestamp` has a time zone; see
        `dfd_native.delta_table` for what the time of a version is.

        Whatever else had the name is replaced, in one step.

        Raises:
            ConfigurationError: no table can have this name.
            QueryError: there is no such table or version, or none is as old as `timestamp`.
            dfd_storage.StorageError: the URI or its profile is refused.
        """
        if version is not None and timestamp is not None:
            raise ConfigurationError("Give `version` or `timestamp`, not both.")
        if timestamp is not None and timestamp.tzinfo is None:
            raise ConfigurationError("`timestamp` needs a time zone.")
        self._tables.reference(name)  # Refused before anything is read.
        location, options, profile_name = self._locate(str(uri))
        try:
            table = dfd_native.delta_table(
                location, options, version=version, timestamp=timestamp, profile_name=profile_name
            )
        except dfd_native.TableError as error:
            failure = self._failure(location, error)
            raise QueryError(
                f"No Delta table could be read at {location}: {_describe(failure)}{error}"
            ) from (failure or error)
        is_of_a_time = version is not None or timestamp is not None
        pinned = pinned or is_of_a_time or self.profile.cache.pin_tables
        self._tables.put(name, location, table, pinned)

    def unregister(self, name: str) -> bool:
        """Take a Delta table out of the session; False where none is registered under the name.

        Raises:
            ConfigurationError: it is no name of a table.
        """
        return self._tables.remove(name)

    def tables(self) -> list[RegisteredTable]:
        """The Delta tables of the session, sorted by name; nothing is asked of their stores."""
        return self._tables.tables()

    def pin(self, *names: str) -> Pin:
        """Have every query read the versions of these tables, without names of all, that are the newest now.

        Their logs are looked at all at once. Kept DataFrames and views read them too. A table that is pinned already
        stays as it is. What this gives may be used as a context manager, which lets them go at the end.

        Raises:
            ConfigurationError: a name is no Delta table's of the session.
            QueryError: a log can't be read; nothing is pinned then.
        """
        with self._telling_outdated():
            return self._tables.pin(names)

    def unpin(self, *names: str) -> None:
        """Have queries read the newest versions of these tables again, without names of all.

        Raises:
            ConfigurationError: a name is no Delta table's of the session.
        """
        self._tables.unpin(names)

    def refresh(self, *names: str) -> dict[str, int]:
        """Look for newer versions of these tables, without names of all, and move pins to them; what is read now, by name.

        Raises:
            ConfigurationError: a name is no Delta table's of the session.
            QueryError: a log can't be read; no pin is moved then.
        """
        with self._telling_outdated():
            return self._tables.refresh(names)

    def staleness(self, name: str) -> Staleness:
        """How far what queries read of a table is behind its newest version: one look at its log.

        Raises:
            ConfigurationError: the name is no Delta table's of the session.
            QueryError: its log can't be read.
        """
        with self._telling_outdated():
            return self._tables.staleness(name)

    @contextlib.contextmanager
    def _telling_outdated(self) -> Iterator[None]:
        try:
            yield
        except dfd_native.TableError as error:
            raise self._out_of_date(error) from error

    def _failure(self, uri: str, error: Exception) -> StorageFailure | None:
        """The store's refusal behind an error, as writes say it too; None where it wasn't the store."""
        failure = self._resolver.resolve(uri).failure_of(error, uri, "dfd-native")
        if failure is not None:
            failure.__cause__ = error
        return failure

    def _out_of_date(self, error: dfd_native.TableError) -> QueryError:
        """The error of a query whose tables' newest versions can't be had."""
        failure = None if error.uri is None else self._failure(error.uri, error)
        made = QueryError(f"The tables can't be brought up to date: {_describe(failure)}{error}")
        made.__cause__ = failure or error
        return made

    def sql(self, sql: str, params: Mapping[str, Any] | None = None) -> Query:
        """Plan a query, or run a statement that changes or keeps Delta tables; `$name` takes its value from `params`.

        Statements are run at once, under this runtime's policy, and their result has the figures of the `outcome`:
        INSERT, DELETE, UPDATE, MERGE, CREATE TABLE ... USING DELTA, ALTER TABLE, OPTIMIZE, VACUUM, RESTORE; DESCRIBE
        HISTORY and DETAIL give rows. Tables are names of the session or delta.`uri`, in queries also `t VERSION AS OF 3`
        and `t TIMESTAMP AS OF '2026-01-31'`. Of several statements, which semicolons part, the last gives the result.

        Raises:
            ConfigurationError: the text switches on a setting with which results are wrong.
            QueryError: the text doesn't parse, or names what isn't there.
            ScriptError: one of several statements failed; those before it stand.
            dfd_delta_policy.DeltaPolicyError, dfd_native.StageError: a table can't be changed so.
        """
        from dfd.sql.script import run_script

        with dfd_obs.working_for(self._run), self.preparing(sql) as preparation:
            self._renew()
            return run_script(self, sql, params, preparation)

    def results(self, sql: str, params: Mapping[str, Any] | None = None) -> Iterator[Query]:
        """The result of each statement of a text, as `sql` runs them, one after the other as they are taken."""
        from dfd.sql.script import results

        self._renew()
        return results(self, sql, params)

    def preparing(self, text: str) -> AbstractContextManager[Preparation]:
        """Prepare a statement within the block: its run begins with that, and what fails there is recorded."""
        return preparing(self.observer, text, self._namespace)

    def plan_sql(
        self,
        sql: str,
        params: Mapping[str, Any] | None = None,
        preparation: Preparation | None = None,
    ) -> Query:
        """Plan one statement as DataFusion has it, over the registered tables.

        `preparation`: that of the statement which this is, and not one that another needs.

        Raises:
            ConfigurationError: the text switches on a setting with which results are wrong.
            QueryError: the text doesn't parse, or names what isn't there.
        """
        values = dict(params) if params else None
        versions = TableVersions(self._out_of_date)
        prepared = preparation or self.observer.prepare(sql, self._namespace)
        try:
            with prepared.taking("refresh"):
                self._tables.choose(sql, versions)
            with prepared.taking("plan"), versions.reading():
                dataframe = self.session.sql(sql, param_values=values)
        except QueryError:
            raise
        except BaseException as error:
            if not (isinstance(error, Exception) or is_panic(error)):
                raise
            raise QueryError(planning_message(error, self.session, self.folders.refusal)) from error
        statement = None
        if has_run(dataframe):
            self._keep_filters_off(sql)
            self._namespace = default_namespace(self.session)
            statement = self.observer.ran(prepared, "session", "statement")
        return self._query(
            dataframe, sql, versions, is_sql=True, preparation=prepared, statement=statement
        )

    def value_of(self, expression: str, params: Mapping[str, Any] | None = None) -> Any:
        """The value of an SQL expression without columns.

        Raises:
            QueryError: it is none.
        """
        query = self.plan_sql(f"SELECT {expression} AS value", params)
        return query.to_arrow_table().column(0)[0].as_py()

    def registered(self, name: str) -> RegisteredTable | None:
        """The Delta table that the session means by a name in SQL; None where it means none."""
        return self._tables.named(name)

    def table_reference(self, name: str) -> TableReference:
        """A name in SQL as the session resolves it.

        Raises:
            ConfigurationError: it is no name of a table, or of a schema that isn't there.
        """
        return self._tables.reference(name)

    def register_schema(self, name: str, uri: str | Path) -> None:
        """Make the Delta tables right beneath a folder tables of a schema: `lake.orders` is the one at `uri/orders`.

        A table is looked for when SQL names it first, or asks for all (SHOW TABLES), and is then registered like any other. CREATE TABLE makes
        tables there.

        Raises:
            ConfigurationError: it is no name of a schema.
            dfd_storage.StorageError: the URI or its profile is refused.
        """
        location, _, _ = self._locate(str(uri))
        reference = self._tables.new_schema(name)
        self.folders.put(reference.catalog, reference.schema, location)

    def opened(self, uri: str) -> dfd_native.DeltaTable:
        """The newest version of a table."""
        location, options, profile_name = self._locate(uri)
        return dfd_native.delta_table(location, options, profile_name=profile_name)

    def advise(self, uri: str | Path) -> Advice:
        """What a table costs who opens and reads it, measured now, and the verbs that make it less.

        The newest version is opened once anew. Nothing of the table is changed.

        Raises:
            QueryError: there is no such table, or it can't be read.
            dfd_storage.StorageError: the URI or its profile is refused.
        """
        table = self.table(uri)
        location, options, _ = self._locate(table.uri)
        try:
            return advise(table, options, self.session)
        except dfd_native.TableError as error:
            failure = self._failure(location, error)
            raise QueryError(
                f"No Delta table could be read at {location}: {_describe(failure)}{error}"
            ) from (failure or error)

    def version_at(self, uri: str, timestamp: datetime) -> int:
        """The newest version of a table that was there at a time."""
        location, options, _ = self._locate(uri)
        return dfd_native.version_at(location, options, timestamp=timestamp)

    def tables_beneath(self, uri: str) -> list[str]:
        """The names of the Delta tables right beneath a folder."""
        location, options, _ = self._locate(uri)
        try:
            return dfd_native.tables_beneath(location, options)
        except dfd_native.TableError as error:
            failure = self._failure(location, error)
            raise QueryError(
                f"The tables of {location} can't be listed: {_describe(failure)}{error}"
            ) from (failure or error)

    def storage_options(self, uri: str) -> dict[str, str]:
        """The options of a table's store, as deltalake takes them."""
        return self._resolver.resolve(uri).to_deltalake_options()

    def _query(
        self,
        dataframe: DataFrame,
        text: str,
        versions: TableVersions,
        is_sql: bool,
        preparation: Preparation,
        statement: QueryScope | None = None,
    ) -> Query:
        query = Query(
            dataframe,
            self.observer,
            text,
            self.session,
            self.engine,
            is_sql,
            versions=versions,
            preparation=preparation,
            statement=statement,
            watch=self._watch,
        )
        preparation.table_versions = partial(
            self._tables.versions_read, versions, preparation.summary.tables
        )
        return query

    def _keep_filters_off(self, sql: str) -> None:
        """Undo what a SET or RESET, also of all dynamic filters at once, has switched on."""
        if f"{AGGREGATE_FILTERS} = true" in repr(self.session):
            self.session.sql(f"set {AGGREGATE_FILTERS} = false")
            if AGGREGATE_FILTERS in sql.lower():
                raise aggregate_filters_refused("The statement")

    def query(self, dataframe: DataFrame) -> Query:
        """Observe any DataFrame of `session` as a `Query`.

        Raises:
            ConfigurationError: it is none; SQL text goes to `sql`.
        """
        if not hasattr(dataframe, "logical_plan"):
            raise ConfigurationError(
                f"runtime.query() takes a DataFrame of runtime.session, not a {type(dataframe).__name__}. "
                "SQL text goes to runtime.sql(), data of other libraries to runtime.session.from_arrow()."
            )
        if not isinstance(dataframe, DataFrame):
            # Some methods of datafusion 55 give what a DataFrame is made of, `select_exprs` for one.
            dataframe = DataFrame(dataframe)
        with dfd_obs.working_for(self._run):
            prepared = self.observer.prepare(str(dataframe.logical_plan()), self._namespace)
        with prepared.taking("plan"):
            self._renew()
        versions = TableVersions(self._out_of_date)
        return self._query(dataframe, prepared.text, versions, is_sql=False, preparation=prepared)

    def _observed(self, data: Any) -> Any:
        """Data as it is written: a DataFrame of `session` as a `Query`, of a callable too."""
        if isinstance(data, DataFrame):
            return self.query(data)
        if callable(data):
            return lambda: self._observed(data())
        return data

    def table(
        self,
        uri: str | Path,
        hooks: Iterable[CommitHook] = (),
        commit_metadata: Mapping[str, str] | None = None,
    ) -> GuardedTable:
        """The table at `uri`, or of a registered name, under this runtime's policy, its commits with run and query ids.

        A name that the session or the profile has a table for wins over a path: './orders' is the path beside it.
        `hooks` are asked before every commit that is made through what this gives, and `commit_metadata` stands in
        its commitInfo (`GuardedTable.with_commit_metadata`). Its handle is kept for the next operation at the same
        location, as those of the last 32 locations are.

        Raises:
            QueryError: it is a name that stands for one version.
            dfd_storage.StorageError: the URI or its profile is refused.
        """
        place = self._place(uri)
        storage = self._resolver.resolve(place)
        table = self._guarded_tables.get(storage.canonical_uri(place), storage)
        return table.with_hooks(*hooks).with_commit_metadata(commit_metadata or {})

    def _place(self, uri: str | Path) -> str:
        """The URI that is given, or that of the table whose name is given: the name wins over a path.

        Raises:
            QueryError: the name stands for one version.
        """
        if not isinstance(uri, str):
            return str(uri)
        named = self._tables.named(uri)
        if named is None:
            return self.folders.location(uri) or uri
        if named.pinned:
            raise QueryError(
                f"{uri!r} stands for version {named.version}, and what is older than the newest can't be "
                f"changed. Give the table's URI, {named.uri}."
            )
        return named.uri

    def _guarded_table(self, uri: str, storage: StorageProfile) -> GuardedTable:
        return GuardedTable(
            uri,
            storage=storage,
            policy=self.profile.retry,
            commit_metadata=dfd_obs.current_ids,
            on_attempt=self._operations.attempt_failed,
            observe=self._observe,
            step=self._operations.step,
        )

    def create_table(
        self,
        uri: str | Path,
        schema: Any,
        *,
        partition_by: list[str] | None = None,
        properties: Mapping[str, str] | None = None,
        name: str | None = None,
        description: str | None = None,
        exist_ok: bool = False,
        or_replace: bool = False,
        commit_metadata: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Make a Delta table without rows, of an Arrow schema, with properties and a description.

        `GuardedTable.create` says more. A table that is there is refused, with `exist_ok` left as it is, or with
        `or_replace` replaced by one commit.
        """
        return self.table(uri, commit_metadata=commit_metadata).create(
            schema,
            partition_by=partition_by,
            properties=properties,
            name=name,
            description=description,
            exist_ok=exist_ok,
            or_replace=or_replace,
        )

    def write(
        self,
        uri: str | Path,
        data: Any,
        mode: Literal["append", "overwrite"] = "append",
        partition_by: list[str] | None = None,
        predicate: str | None = None,
        schema_mode: Literal["merge", "overwrite"] | None = None,
        app_id: str | None = None,
        app_version: int | None = None,
        sort_by: list[str] | None = None,
        partition_overwrite_mode: Literal["static", "dynamic"] = "static",
        commit_metadata: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Append to or overwrite a table from anything with `__arrow_c_stream__`, or a callable giving one.

        A `Query`, or a DataFrame of `session`, runs in the engine and is written there: no batch crosses
        Python. The data is read once, whatever the commit meets. `schema_mode="merge"` adds columns that the table
        lacks, "overwrite" gives it those of the data, with mode="overwrite" and no predicate.
        With mode="overwrite" and `partition_overwrite_mode="dynamic"` the partitions that the data has rows of are
        replaced, and no others.

        With `app_id` and `app_version` a write lands once, however often it is sent. Each file's rows
        are in the order of `sort_by`, so that readers skip more of it. `commit_metadata` stands in the commitInfo, as
        of every operation here: `{"userMetadata": "..."}` is what Delta-Spark's history shows.

        Raises:
            dfd_delta_policy.ConflictError: it was not committed.
            dfd_native.StageError: the data doesn't fit the table, or its files couldn't be written.
        """
        table = self.table(uri, commit_metadata=commit_metadata)
        data = self._observed(data)
        if mode == "append":
            if predicate is not None:
                raise ConfigurationError("`predicate` belongs to mode='overwrite'.")
            if schema_mode == "overwrite":
                raise ConfigurationError("schema_mode='overwrite' belongs to mode='overwrite'.")
            if partition_overwrite_mode != "static":
                raise ConfigurationError("`partition_overwrite_mode` belongs to mode='overwrite'.")
            return table.append(
                data,
                app_id=app_id,
                app_version=app_version,
                partition_by=partition_by,
                schema_mode=schema_mode,
                sort_by=sort_by,
            )
        if mode != "overwrite":
            raise ConfigurationError(f"mode is 'append' or 'overwrite', not {mode!r}.")
        return table.overwrite(
            data,
            predicate=predicate,
            partition_by=partition_by,
            schema_mode=schema_mode,
            sort_by=sort_by,
            app_id=app_id,
            app_version=app_version,
            partition_overwrite_mode=partition_overwrite_mode,
        )

    def delete(
        self,
        uri: str | Path,
        predicate: str | None = None,
        *,
        app_id: str | None = None,
        app_version: int | None = None,
        commit_metadata: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Delete the rows that match `predicate`, or all."""
        table = self.table(uri, commit_metadata=commit_metadata)
        return table.delete(predicate, app_id=app_id, app_version=app_version)

    def update(
        self,
        uri: str | Path,
        updates: Mapping[str, str],
        predicate: str | None = None,
        *,
        app_id: str | None = None,
        app_version: int | None = None,
        commit_metadata: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Set columns to SQL expressions where `predicate` holds."""
        table = self.table(uri, commit_metadata=commit_metadata)
        return table.update(updates, predicate, app_id=app_id, app_version=app_version)

    def merge(
        self,
        uri: str | Path,
        source: Any,
        predicate: str,
        source_alias: str = "s",
        target_alias: str = "t",
        *,
        merge_schema: bool = False,
        app_id: str | None = None,
        app_version: int | None = None,
        commit_metadata: Mapping[str, str] | None = None,
    ) -> MergeBuilder:
        """A MERGE with deltalake's verbs; it runs at `.execute()`.

        `source` is as the data of `write`; a DataFrame of `session` runs as a `Query`. With `merge_schema` columns
        that only the source has, and that a clause sets, are added to the table.
        """
        return self.table(uri, commit_metadata=commit_metadata).merge(
            self._observed(source),
            predicate,
            source_alias=source_alias,
            target_alias=target_alias,
            merge_schema=merge_schema,
            app_id=app_id,
            app_version=app_version,
        )

    def optimize(
        self,
        uri: str | Path,
        z_order: Sequence[str] | None = None,
        *,
        commit_metadata: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Compact small files; with `z_order`, rewrite all files along a curve over these columns."""
        table = self.table(uri, commit_metadata=commit_metadata)
        return table.optimize() if z_order is None else table.z_order(z_order)

    def vacuum(
        self,
        uri: str | Path,
        retention_hours: int | None = None,
        dry_run: bool = True,
        full: bool = False,
    ) -> Outcome:
        """Remove files no version within the retention needs; only list them by default.

        `full` takes files that were never committed too, as a killed writer leaves them.
        """
        return self.table(uri).vacuum(retention_hours, dry_run=dry_run, full=full)

    def abandoned_stages(self, uri: str | Path) -> list[dfd_native.AbandonedStage]:
        """The files that writers that are gone have staged at a table and never committed."""
        location, options, _ = self._locate(self._place(uri))
        return dfd_native.abandoned_stages(location, options)

    def restore(
        self,
        uri: str | Path,
        version: int | None = None,
        *,
        timestamp: datetime | None = None,
        commit_metadata: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Make an earlier version the newest: that of this number, or the newest that was there at a time."""
        table = self.table(uri, commit_metadata=commit_metadata)
        return table.restore(version, timestamp=timestamp)

    @contextlib.contextmanager
    def _observe(self, name: str, uri: str) -> Iterator[Callable[[Outcome], None]]:
        """An operation; what it commits is seen by the next query, whatever `freshness_s` is."""
        with self._operations.operation(name, uri) as ended:
            try:
                yield ended
            finally:
                self._tables.outdate(uri)

    def report(self, *, health: bool = True) -> DiagnosticsReport:
        """A report of what ran, failed and was slow, with plans, and of what is installed and set.

        - `health`: measure the tables as `advise` does, the first 20 of those that follow the newest version: files,
          small files, log. Each is opened anew; False asks no store for anything.
        """
        queries, operations = self.observer.records, self.observer.operations
        caches = {
            "applied": msgspec.to_builtins(self.cache),
            "counted": dfd_native.cache_stats(),
            "engine": self.engine.cache_stats(),
        }
        tables, warnings = measured_tables(self.tables(), self.advise if health else None)
        return DiagnosticsReport.of_records(
            queries,
            operations,
            created_at=self.observer.now(),
            run_id=dfd_obs.current_run().id,
            capabilities=dfd_native.capabilities_snapshot(),
            settings={
                "session": self.profile.settings,
                "engine": msgspec.to_builtins(self.profile.engine),
                "retry": msgspec.to_builtins(self.profile.retry),
                "observability": msgspec.to_builtins(self.profile.observability),
                "storage": [
                    {"uri": p.canonical_uri(), "fingerprint": p.fingerprint}
                    for p in self.profile.storage
                ],
            },
            caches=caches,
            tables=tables,
            warnings=warnings,
        )


@renamed_keywords(profile="runtime_profile")
def connect(
    runtime_profile: str | Path | DataFusionRuntimeProfile | None = None,
    *,
    progress: Callable[[Progress], None] | None = None,
    **overrides: Any,
) -> Runtime:
    """A runtime from a profile, a TOML file, `DFD_PROFILE`, or the safe defaults.

    `overrides` replace fields of the profile (`cache=...`, `observability=...`). `progress` is called with a `Progress`
    of each query and operation that takes longer than a second, four times a second and at its end, by another thread.

    Raises:
        dfd_native.IncompatibleInstallation: the installed libraries don't fit together.
        ConfigurationError: the profile or an override is refused.
    """
    if runtime_profile is None:
        runtime_profile = DataFusionRuntimeProfile.from_env()
    elif not isinstance(runtime_profile, DataFusionRuntimeProfile):
        runtime_profile = DataFusionRuntimeProfile.from_toml(runtime_profile)
    try:
        runtime_profile = msgspec.structs.replace(runtime_profile, **overrides)
    except TypeError as error:
        raise ConfigurationError(f"connect(): {error}.") from error
    return Runtime(runtime_profile, progress)
