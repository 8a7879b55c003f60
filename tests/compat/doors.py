"""Tries every door into the native half, and prints what each did: one JSON line a door, as it is tried.

    python doors.py DIRECTORY

A door is open (`["open", ...]`) or says `["IncompatibleInstallation", installed, required, command]`;
anything else is what went wrong. A process that dies leaves the name of the door as its last line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dfd
import dfd_native
import pyarrow as pa
from datafusion import SessionContext, udf
from deltalake import write_deltalake
from dfd_native import _native

QUERY = (
    "select p, sum(n) as s, dfd_hhmm_minutes(max(n)) as m from t where n > 2 group by p order by p"
)
ROWS = {"p": ["x", "y"], "s": [4 + 6, 3 + 5], "m": [6, 5]}


def leaf(uri: str) -> str:
    session = SessionContext()
    dfd_native.register_functions(session)
    session.register_table("t", dfd_native.delta_table(uri))
    assert pa.table(session.sql(QUERY)).to_pydict() == ROWS
    return "rows"


def engine(uri: str) -> str:
    with dfd.connect() as runtime:
        runtime.register("t", uri)
        query = runtime.sql(QUERY)
        assert query.route == "engine", query.route_reason
        assert query.to_arrow_table().to_pydict() == ROWS
    return "rows"


def connect() -> str:
    with dfd.connect():
        return "connected"


def extended() -> Any:
    extension = dfd_native.DeltaExtension()
    return SessionContext().with_extensions(extension)


def function() -> Any:
    return _native.functions()[0]


def doors(uri: str) -> dict[str, Callable[[], Any]]:
    """By name; those of `_native` go around the Python half."""
    return {
        "ensure_compatible": dfd_native.ensure_compatible,
        "register_functions": lambda: dfd_native.register_functions(SessionContext()),
        "register_table_functions": lambda: dfd_native.register_table_functions(SessionContext()),
        "udf": lambda: udf(function()),
        "delta_table": lambda: dfd_native.delta_table(uri),
        "register_table": lambda: leaf(uri),
        "with_extensions": extended,
        "Engine": dfd_native.Engine,
        "Engine.run": lambda: engine(uri),
        "connect": connect,
        "_native.udf": lambda: function().__datafusion_scalar_udf__(),
        "_native.delta_table": lambda: _native.delta_table(uri, {}),
        "_native.register_table": lambda: SessionContext().register_table(
            "t", _native.cache_table()
        ),
        "_native.Engine": _native.Engine,
        "_native.logical_codec": lambda: _native.DeltaCodec(
            None
        ).__datafusion_logical_extension_codec__(SessionContext()),
        "_native.physical_codec": lambda: _native.DeltaCodec(
            None
        ).__datafusion_physical_extension_codec__(),
        # Arrow's own interface is the same in every version, so this one is always open.
        "adapt_stream": lambda: pa.table(dfd_native.adapt_stream(pa.table({"a": [1]}))).num_rows,
    }


def tried(door: Callable[[], Any]) -> list[str]:
    try:
        return ["open", str(door())]
    except dfd_native.IncompatibleInstallation as error:
        return ["IncompatibleInstallation", error.installed, error.required, error.command]
    except BaseException as error:  # noqa: BLE001 (a PanicException is no Exception)
        return [type(error).__name__, str(error)]


def main(directory: Path) -> None:
    """Write a table, and try the doors."""
    rows = pa.table({"n": [1, 2, 3, 4, 5, 6], "p": ["y", "x", "y", "x", "y", "x"]})
    write_deltalake(directory / "t", rows, partition_by=["p"])
    for name, door in doors((directory / "t").as_uri()).items():
        print(json.dumps(name), flush=True)
        print(json.dumps([name, tried(door)]), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
