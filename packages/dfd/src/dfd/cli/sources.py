"""Rows that a command is given in files: CSV, JSON, NDJSON, Parquet, Arrow, by name, pattern or folder, or on stdin."""

from __future__ import annotations

import glob
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dfd.cli.parameters import STDIN
from dfd.errors import ConfigurationError, SourceError
from dfd.suggestions import did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

SourceFormat = Literal["csv", "tsv", "json", "ndjson", "parquet", "arrow"]
_BY_SUFFIX: dict[str, SourceFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
_COMPRESSED = ".gz"
_BINARY = ("parquet", "arrow")
# What a file in Arrow's file format begins with, as Parquet's and gzip's do; a stream has no such mark.
_MAGIC = ((b"PAR1", "parquet"), (b"ARROW1", "arrow"), (b"\xff\xff\xff\xff", "arrow"))
_GZIP = b"\x1f\x8b"
_LOOK_BYTES = 4096


def file_rows(names: Sequence[str], format: SourceFormat | None = None) -> Callable[[], Any]:
    """The rows of files, from their start each time that they are asked for; of stdin once.

    - `names`: files, patterns (`*.csv`, `**/*.parquet`) and folders, which are taken with all beneath
      them but names that begin with `.` or `_`; or `-` alone, stdin. A name may end in `.gz`.
    - `format`: of all of them. Default: what the names' endings say, which is one format, and what stdin
      begins with.

    Raises:
        ConfigurationError: names that are no files, or endings of none or several formats.
    """
    if STDIN in names:
        if len(names) > 1:
            raise ConfigurationError("`-`, stdin, is a source alone: leave the files out.")
        return lambda: _said_of("stdin", lambda: _stdin(sys.stdin.buffer, format))
    paths = [path for name in names for path in _paths(name)]
    formats = {format or _format_of(path) for path in paths}
    if len(formats) > 1:
        raise ConfigurationError(
            f"The files are of several formats: {', '.join(sorted(formats))}. Give those of one, or --input-format."
        )
    (found,) = formats
    return lambda: _reader(paths, found)


def _paths(name: str) -> list[Path]:
    path = Path(name)
    if (path / "_delta_log").is_dir():
        raise ConfigurationError(
            f'{name} is a Delta table: read it with --query "select * from delta.`{name}`".'  # noqa: S608
        )
    if path.is_dir():
        found = [file for file in sorted(path.rglob("*")) if _is_data(file, path)]
        if not found:
            raise ConfigurationError(f"No file of data is in {name}.")
        return found
    if glob.has_magic(name) and not path.exists():
        found = [Path(hit) for hit in sorted(glob.glob(name, recursive=True))]  # noqa: PTH207
        files = [file for file in found if file.is_file()]
        if not files:
            raise ConfigurationError(f"No file is called like {name}.")
        return files
    return [path]


def _is_data(file: Path, folder: Path) -> bool:
    parts = file.relative_to(folder).parts
    return file.is_file() and not any(part.startswith((".", "_")) for part in parts)


def _format_of(path: Path) -> SourceFormat:
    name = path.with_suffix("") if path.suffix == _COMPRESSED else path
    found = _BY_SUFFIX.get(name.suffix.lower())
    if found is None:
        raise ConfigurationError(
            f"{path} doesn't say by its ending what it is. "
            f"{did_you_mean(name.suffix, _BY_SUFFIX, 'endings')} --input-format names a format."
        )
    return found


def _reader(paths: list[Path], format: SourceFormat) -> Any:
    """The rows of files of one format under the columns of all of them."""
    import pyarrow as pa

    readers = [_said_of(str(path), partial(_of_file, path, format)) for path in paths]
    if len(readers) == 1:
        return readers[0]
    schema = pa.unify_schemas([reader.schema for reader in readers], promote_options="permissive")
    batches = (_under(batch, schema) for reader in readers for batch in reader)
    return pa.RecordBatchReader.from_batches(schema, batches)


def _said_of(name: str, open_reader: Callable[[], pa.RecordBatchReader]) -> pa.RecordBatchReader:
    """A reader whose errors, now and later, say which file they are of."""
    import pyarrow as pa

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from reader
        except (pa.ArrowException, OSError, EOFError) as error:
            raise SourceError(name, _reason(error)) from error

    try:
        reader = open_reader()
    except (pa.ArrowException, OSError, EOFError) as error:
        raise SourceError(name, _reason(error)) from error
    return pa.RecordBatchReader.from_batches(reader.schema, batches())


def _reason(error: BaseException) -> str:
    """What an error says, without a file's name, which is said already."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _under(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch with all columns of `schema`: nulls where it lacks one, values cast exactly."""
    import pyarrow as pa

    names = batch.schema.names
    columns = [
        batch.column(field.name).cast(field.type)
        if field.name in names
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _of_file(path: Path, format: SourceFormat) -> pa.RecordBatchReader:
    if format == "parquet":
        import pyarrow.dataset as ds

        return ds.dataset(path, format="parquet").scanner().to_reader()
    # It stays open as long as the reader, which holds it.
    file = path.open("rb")
    return _of_stream(_decompressed(file), format)


def _stdin(stream: Any, format: SourceFormat | None) -> pa.RecordBatchReader:
    import io

    stream = _decompressed(stream if hasattr(stream, "peek") else io.BufferedReader(stream))
    head = stream.peek(_LOOK_BYTES)
    return _of_stream(stream, format or _guessed(head))


def _guessed(head: bytes) -> SourceFormat:
    """The format of bytes by what they begin with; CSV where that is nothing else's."""
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found  # type: ignore[return-value]
    return "json" if head.lstrip()[:1] in (b"[", b"{") else "csv"


def _decompressed(stream: Any) -> Any:
    import gzip
    import io

    if stream.peek(len(_GZIP)).startswith(_GZIP):
        return io.BufferedReader(gzip.GzipFile(fileobj=stream))
    return stream


def _of_stream(stream: Any, format: SourceFormat) -> pa.RecordBatchReader:
    import pyarrow as pa

    if format in ("csv", "tsv"):
        import pyarrow.csv as csv

        parted = csv.ParseOptions(
            delimiter="\t" if format == "tsv" else ",", newlines_in_values=True
        )
        # `""` is the empty text, and nothing at all is NULL, as `--format csv` writes them.
        nulls = csv.ConvertOptions(
            strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
        )
        return csv.open_csv(stream, parse_options=parted, convert_options=nulls)
    if format in ("json", "ndjson"):
        return _json(stream)
    if format == "parquet":
        import pyarrow.parquet as pq

        file = pq.ParquetFile(pa.BufferReader(stream.read()))
        return pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())
    if stream.peek(6).startswith(b"ARROW1"):
        file = pa.ipc.open_file(pa.BufferReader(stream.read()))
        batches = (file.get_batch(number) for number in range(file.num_record_batches))
        return pa.RecordBatchReader.from_batches(file.schema, batches)
    return pa.ipc.open_stream(stream)


def _json(stream: Any) -> pa.RecordBatchReader:
    """Objects in lines, batch by batch; an array of objects is held whole."""
    import pyarrow as pa

    if stream.peek(_LOOK_BYTES).lstrip()[:1] == b"[":
        import msgspec

        try:
            rows = msgspec.json.decode(stream.read(), type=list[dict[str, Any]])
        except msgspec.DecodeError as error:
            raise pa.ArrowInvalid(str(error)) from error
        return pa.Table.from_pylist(_with_all_names(rows)).to_reader()
    import pyarrow.json as pj

    return pj.open_json(stream)


def _with_all_names(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows whose first has all names there are: pyarrow looks at no other for them."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [{**dict.fromkeys(names), **rows[0]}, *rows[1:]] if rows else []
