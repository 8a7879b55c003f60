"""What stands in a log beside its commits: hints that are wrong, and names that mean nothing.

`_last_checkpoint` says where a reader may begin, and no more (protocol, section "Last Checkpoint File"): whatever it
says, the table is what commits and checkpoints are.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dfd
import dfd_native
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext
from deltalake import DeltaTable
from judges import by_duckdb, by_polars
from written_by_hand import Log, field

NEWEST, CHECKPOINT = 5, 3
START = datetime(2024, 1, 1, tzinfo=timezone.utc)
Change = Callable[[Path], object]


def named(version: int, kind: str = "json") -> str:
    return f"{version:020}.{kind}"


SINGLE = named(CHECKPOINT, "checkpoint.parquet")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version `n` added the row `n`; the files of commits are of a day each, and at one of them is a checkpoint."""
    log = Log(tmp_path_factory.mktemp("log") / "t", [field("id", "long")])
    for number in range(1, NEWEST + 1):
        log.commit(log.file(f"{number}.parquet", pa.table({"id": [number]})))
    DeltaTable(log.root, version=CHECKPOINT).create_checkpoint()
    for version in range(NEWEST + 1):
        time = (START + timedelta(days=version)).timestamp()
        os.utime(log.root / "_delta_log" / named(version), (time, time))
    return log.root


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "t"))


def ids_of(session: SessionContext, table: dfd_native.DeltaTable) -> list[int]:
    session.register_table("t", table)
    return sorted(session.sql("select id from t").to_arrow_table()["id"].to_pylist())


def newest(root: Path) -> list[int]:
    table = dfd_native.delta_table(root.as_uri())
    assert table.version == NEWEST
    return ids_of(SessionContext(), table)


def newest_in_the_engine(root: Path) -> list[int]:
    with dfd.connect() as runtime:
        runtime.register("t", root)
        query = runtime.sql("select id from t order by id")
        assert query.route == "engine"
        return query.to_arrow_table()["id"].to_pylist()


def at_each_version(root: Path) -> list[int]:
    for version in range(NEWEST + 1):
        table = dfd_native.delta_table(root.as_uri(), version=version)
        assert ids_of(SessionContext(), table) == list(range(1, version + 1)), version
    return list(range(1, NEWEST + 1))


def at_each_time(root: Path) -> list[int]:
    with dfd.connect() as runtime:
        for version in range(NEWEST + 1):
            runtime.register("t", root, timestamp=START + timedelta(days=version, hours=1))
            found = runtime.sql("select id from t order by id").to_arrow_table()["id"]
            assert found.to_pylist() == list(range(1, version + 1)), version
    return list(range(1, NEWEST + 1))


def in_the_feed(root: Path) -> list[int]:
    with dfd.connect() as runtime:
        sql = f"select id, _commit_version as v from read_delta_cdf('{root}', 0) order by id"
        rows = runtime.sql(sql).to_arrow_table().to_pylist()
    assert all(row["id"] == row["v"] for row in rows)
    return [row["id"] for row in rows]


def after_a_write(root: Path) -> list[int]:
    """What the table has before one more row is written, which is the next version."""
    with dfd.connect() as runtime:
        outcome = runtime.write(root, pa.table({"id": [100]}))
        assert outcome.version == NEWEST + 1
        found = runtime.sql(f"select id from read_delta('{root}') order by id").to_arrow_table()
    *before, last = found["id"].to_pylist()
    assert last == 100
    return before


def after_maintenance(root: Path) -> list[int]:
    """What is left where files are merged, listed and removed."""
    with dfd.connect() as runtime:
        assert runtime.table(root).audit().violations == ()
        assert runtime.optimize(root).version == NEWEST + 1
        runtime.vacuum(root)
        runtime.vacuum(root, dry_run=False)
        found = runtime.sql(f"select id from read_delta('{root}') order by id").to_arrow_table()
    return found["id"].to_pylist()


LOOKS = [
    newest,
    newest_in_the_engine,
    at_each_version,
    at_each_time,
    in_the_feed,
    after_a_write,
    after_maintenance,
]
JUDGES = [by_duckdb, by_polars]


def hint(said: bytes | dict[str, Any]) -> Change:
    text = said if isinstance(said, bytes) else json.dumps(said).encode()
    return lambda log: (log / "_last_checkpoint").write_bytes(text)


def all_of(*changes: Change) -> Change:
    return lambda log: [change(log) for change in changes]


def without(name: str) -> Change:
    return lambda log: (log / name).unlink()


def a_directory(log: Path) -> None:
    (log / "_last_checkpoint").unlink()
    (log / "_last_checkpoint").mkdir()


def in_parts(log: Path, count: int = 3) -> list[Path]:
    """The checkpoint as files of some of its rows each."""
    whole = pq.read_table(log / SINGLE)
    (log / SINGLE).unlink()
    size = -(-whole.num_rows // count)
    paths = []
    for number in range(count):
        name = named(CHECKPOINT, f"checkpoint.{number + 1:010}.{count:010}.parquet")
        pq.write_table(whole.slice(number * size, size), log / name)
        paths.append(log / name)
    return paths


def two_checkpoints(log: Path) -> None:
    DeltaTable(log.parent).create_checkpoint()


AT = {"version": CHECKPOINT, "size": 6}
HINTS: dict[str, Change] = {
    "none": without("_last_checkpoint"),
    "right": hint(AT),
    "no bytes": hint(b""),
    "no JSON": hint(b"garbage"),
    "no text": hint(b"\xff\xfe\x00"),
    "half of it": hint(b'{"version":3'),
    "a list": hint(b"[]"),
    "a null": hint(b"null"),
    "nothing in it": hint({}),
    "a byte order mark": hint(b"\xef\xbb\xbf" + json.dumps(AT).encode()),
    "a version as text": hint(AT | {"version": "3"}),
    "a fraction": hint(AT | {"version": 3.5}),
    "a negative version": hint(AT | {"version": -1}),
    "a version without end": hint(AT | {"version": 10**30}),
    "another checksum": hint(AT | {"checksum": "0" * 32}),
    "more than is known": hint(AT | {"later": [1], "v2Checkpoint": None}),
    "a directory": a_directory,
    "a version that isn't there": hint(AT | {"version": 99}),
    "the newest, which has no checkpoint": hint(AT | {"version": NEWEST}),
    "the first, which has no checkpoint": hint(AT | {"version": 0}),
    "parts that aren't": hint(AT | {"parts": 3}),
    "parts": all_of(in_parts, hint(AT | {"parts": 3})),
    "other parts": all_of(in_parts, hint(AT | {"parts": 2})),
    "a part that is gone": all_of(lambda log: in_parts(log)[1].unlink(), hint(AT | {"parts": 3})),
    "a checkpoint that is gone": without(SINGLE),
    "a newer one that is gone": all_of(
        two_checkpoints, without(named(NEWEST, "checkpoint.parquet"))
    ),
    "an older one that is gone": all_of(two_checkpoints, hint(AT), without(SINGLE)),
    "an older one": all_of(two_checkpoints, hint(AT)),
}

# Files with a name in the log; those of directories end in a slash.
STRAYS = [
    "a%20b", "a%FF", "latest_vacuum_info", "_commits/", "_sidecars/", "_staged_commits/",
    # Files of other systems beside the log's.
    ".00000000000000000005.json.crc", "00000000000000000005.crc", "00000000000000000002.crc",
    "00000000000000000006.crc",
    # Commits that aren't.
    "6.json", "00000000000000000006.json.tmp", "00000000000000000006.json~", "00000000000000000006",
    "000000000000000000006.json", "99999999999999999999.json", "0000000000000000006a.json",
    "00000000000000000006.JSON", " 0000000000000000006.json", "+0000000000000000006.json",
    "-0000000000000000006.json", "00000000000000000006.json?x", "00000000000000000009.json/",
    "\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660"
    "\u0660\u0660\u0660\u0666.json",
    # Checkpoints that aren't.
    "00000000000000000006.checkpoint", "00000000000000000005.checkpoint.parquet.tmp",
    "00000000000000000005.checkpoint.bogus.parquet", "00000000000000000005.checkpoint.parquet/",
    "00000000000000000005.checkpoint.0000000001.0000000002.parquet",
    "00000000000000000005.checkpoint.0000000003.0000000002.parquet",
    "00000000000000000005.00000000000000000003.compacted.json",
    "00000000000000000006.00000000000000000008.compacted.json",
    # Names that are no texts, or no paths elsewhere.
    b"\xff\xfe.json", b"00000000000000000006.json\xff", b"\xff/", "two\nlines", "a\\b", "a\x7f",
]  # fmt: skip

BESIDE_DATA = [
    b"\xff.parquet",
    b"\xff",
    b"\xff/",
    "two\nlines",
    "a%FF.parquet",
    "a\\b",
    ".hidden/",
    "_x/",
]


def put(directory: Path, name: str | bytes) -> None:
    text = os.fsdecode(name)
    if text.endswith("/"):
        (directory / text).mkdir()
    else:
        (directory / text).write_bytes(b"garbage")


# Hints that others take for promises, and deltalake too, by which a table is kept.
OTHERS = {"by_duckdb", "by_polars", "after_a_write", "after_maintenance"}
PROMISES = {
    "a version that isn't there": OTHERS,
    "the newest, which has no checkpoint": OTHERS,
    "parts that aren't": {"by_duckdb"},
    "other parts": {"by_duckdb"},
    "a part that is gone": OTHERS,
    "a checkpoint that is gone": OTHERS,
    "a newer one that is gone": OTHERS,
}
# Names beside which others read nothing, nor does deltalake, by which a table is kept.
REFUSED: set[str | bytes] = {
    b"\xff\xfe.json", b"00000000000000000006.json\xff", b"\xff/", "two\nlines", "a\x7f",
    "00000000000000000006.crc",
}  # fmt: skip


def hinted(*looks: Callable[..., Any]) -> list[Any]:
    """Every look under every hint."""
    reason = "delta_kernel takes `_last_checkpoint` for a promise"
    refused = pytest.mark.xfail(strict=True, reason=reason)
    return [
        pytest.param(case, look, marks=[refused] if look.__name__ in PROMISES.get(case, ()) else [])
        for case in HINTS
        for look in looks
    ]


@pytest.mark.parametrize(("case", "look"), hinted(*LOOKS))
def test_the_last_checkpoint_is_a_hint(
    root: Path, case: str, look: Callable[[Path], list[int]]
) -> None:
    HINTS[case](root / "_delta_log")
    assert look(root) == list(range(1, NEWEST + 1))


@pytest.mark.parametrize(("case", "judge"), hinted(*JUDGES))
def test_hints_as_others_take_them(root: Path, case: str, judge: Any) -> None:
    HINTS[case](root / "_delta_log")
    found = judge(root, "select id from t order by id")["id"].to_pylist()
    assert found == list(range(1, NEWEST + 1))


def check_every_look(root: Path, tmp_path: Path, *, alone: bool = False) -> None:
    """Every look sees every row; only those of dfd alone, where others are refused."""
    for number, look in enumerate(LOOKS):
        if alone and look in (after_a_write, after_maintenance):
            continue
        copy = Path(shutil.copytree(root, tmp_path / str(number)))
        assert look(copy) == list(range(1, NEWEST + 1)), look.__name__
    for judge in () if alone else JUDGES:
        found = judge(root, "select id from t order by id")["id"].to_pylist()
        assert found == list(range(1, NEWEST + 1)), judge.__name__


@pytest.mark.parametrize("name", STRAYS)
def test_names_that_are_not_the_logs(root: Path, tmp_path: Path, name: str | bytes) -> None:
    put(root / "_delta_log", name)
    check_every_look(root, tmp_path, alone=name in REFUSED)


@pytest.mark.parametrize("name", BESIDE_DATA)
def test_names_beside_the_data_files(root: Path, tmp_path: Path, name: str | bytes) -> None:
    put(root, name)
    check_every_look(root, tmp_path)
