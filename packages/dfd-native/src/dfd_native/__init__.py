"""The Rust half of dfd: Delta tables, the engine, Arrow streams, functions and the handshake."""

import logging
from importlib.metadata import version as _version

from dfd_native import cpu as _cpu  # noqa: F401  first: it looks before the library is loaded
from dfd_native._native import AdaptedStream, DeltaTable, EngineRun, LogTable, RecordBatch
from dfd_native.caches import (
    CacheLimit,
    cache_stats,
    process_cache_limits,
    process_cache_stats,
    set_process_cache_limits,
)
from dfd_native.changes import (
    DefinitionChange,
    Restore,
    add_columns,
    change_properties,
    plan_restore,
)
from dfd_native.commits import OperationInfo, commit, commit_files, create_table
from dfd_native.counters import request_counts
from dfd_native.engine import DeltaExtension, Engine
from dfd_native.errors import (
    CommitError,
    EngineError,
    EngineRefusal,
    ErrorCause,
    IncompatibleInstallation,
    InvalidCommit,
    NativeError,
    RuleViolation,
    SnapshotGone,
    SourceError,
    SqlSyntaxError,
    StageError,
    StatementError,
    StreamError,
    TableError,
)
from dfd_native.features import table_features, unsupported_features
from dfd_native.functions import register_functions
from dfd_native.handshake import capabilities_snapshot, ensure_compatible
from dfd_native.log import (
    ActiveFiles,
    LoggedCommit,
    active_files,
    commits_since,
    misread_columns,
)
from dfd_native.row_changes import (
    MarkedFiles,
    MergeClause,
    RowChange,
    delete_rows,
    merge_rows,
    update_rows,
)
from dfd_native.session_catalog import (
    CatalogTable,
    QueryVersions,
    SessionCatalog,
    TableStaleness,
)
from dfd_native.sql import sql_mentions, sql_script, sql_subqueries, sql_with_values
from dfd_native.stage import (
    AbandonedStage,
    LiveStage,
    StagedFiles,
    abandoned_stages,
    live_stages,
    rewrite,
    stage,
)
from dfd_native.streams import adapt_stream, arrow_stream_to_batches
from dfd_native.table import delta_table, refresh, refreshed, version_at
from dfd_native.table_description import TableDescription
from dfd_native.table_files import (
    LogLength,
    OpeningCost,
    list_files,
    log_length,
    opening_cost,
    read_file,
    tables_beneath,
)
from dfd_native.table_functions import register_table_functions

__all__ = [
    "AbandonedStage",
    "ActiveFiles",
    "AdaptedStream",
    "CacheLimit",
    "CatalogTable",
    "CommitError",
    "DefinitionChange",
    "DeltaExtension",
    "DeltaTable",
    "Engine",
    "EngineError",
    "EngineRefusal",
    "EngineRun",
    "ErrorCause",
    "IncompatibleInstallation",
    "InvalidCommit",
    "LiveStage",
    "LogLength",
    "LogTable",
    "LoggedCommit",
    "MarkedFiles",
    "MergeClause",
    "NativeError",
    "OpeningCost",
    "OperationInfo",
    "QueryVersions",
    "RecordBatch",
    "Restore",
    "RowChange",
    "RuleViolation",
    "SessionCatalog",
    "SnapshotGone",
    "SourceError",
    "SqlSyntaxError",
    "StageError",
    "StagedFiles",
    "StatementError",
    "StreamError",
    "TableDescription",
    "TableError",
    "TableStaleness",
    "abandoned_stages",
    "active_files",
    "adapt_stream",
    "add_columns",
    "arrow_stream_to_batches",
    "cache_stats",
    "capabilities_snapshot",
    "change_properties",
    "commit",
    "commit_files",
    "commits_since",
    "create_table",
    "delete_rows",
    "delta_table",
    "ensure_compatible",
    "list_files",
    "live_stages",
    "log_length",
    "merge_rows",
    "misread_columns",
    "opening_cost",
    "plan_restore",
    "process_cache_limits",
    "process_cache_stats",
    "read_file",
    "refresh",
    "refreshed",
    "register_functions",
    "register_table_functions",
    "request_counts",
    "rewrite",
    "set_process_cache_limits",
    "sql_mentions",
    "sql_script",
    "sql_subqueries",
    "sql_with_values",
    "stage",
    "table_features",
    "tables_beneath",
    "unsupported_features",
    "update_rows",
    "version_at",
]
__version__ = _version("dfd-native")

logging.getLogger(__name__).addHandler(logging.NullHandler())
