"""Beside a process that commits all the time: how old what is read may be."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dfd
import dfd_native
import pyarrow as pa
from datafusion import functions as f
from deltalake import write_deltalake
from dfd_cache import CacheConfig

SECONDS = 20.0


class Writer:
    """The versions that another process has acknowledged, and when."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.acknowledged: list[tuple[int, float]] = [(0, 0.0)]
        self._process = process
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def _follow(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            version, at = line.split()
            self.acknowledged.append((int(version), float(at)))

    @property
    def goes_on(self) -> bool:
        return self._process.poll() is None

    def newest(self) -> int:
        return self.acknowledged[-1][0]

    def newest_at(self, moment: float) -> int:
        """The newest version that was acknowledged at a moment."""
        return max(version for version, at in list(self.acknowledged) if at <= moment)

    def join(self) -> None:
        self._process.wait()
        self._thread.join()


@contextmanager
def writing(uri: Path, seconds: float) -> Iterator[Writer]:
    command = [sys.executable, str(Path(__file__).with_name("writer.py")), str(uri), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        writer = Writer(process)
        try:
            yield writer
        finally:
            process.kill()
            writer.join()


def test_every_read_sees_what_was_acknowledged_and_a_pin_stays(
    runtime: dfd.Runtime, uri: Path
) -> None:
    session = runtime.session
    kept = session.table("t").aggregate([], [f.count_star()])
    runtime.sql("create view seen as select * from t")
    runtime.register("pinned", uri, pinned=True)

    def by_sql(text: str) -> int:
        return int(runtime.sql(text).to_arrow_table().column(0)[0].as_py())

    ways = {
        "sql": lambda: by_sql("select count(*) from t"),
        "view": lambda: by_sql("select count(*) from seen"),
        "uri": lambda: by_sql(f"select count(*) from read_delta('{uri}')"),
        "kept": lambda: int(runtime.query(kept).to_arrow_table().column(0)[0].as_py()),
        "plain": lambda: int(session.sql("select count(*) as n from t").to_pydict()["n"][0]),
        "plain kept": lambda: int(kept.collect()[0].column(0)[0].as_py()),
    }
    asked = dict.fromkeys(ways, 0)
    with writing(uri, SECONDS) as writer:
        while writer.goes_on:
            for name, ask in ways.items():
                # A row a version, and one in version 0.
                wanted = writer.newest() + 1
                found = ask()
                assert found >= wanted, name
                asked[name] += 1
            assert by_sql("select count(*) from pinned") == 1
    assert writer.newest() > 20
    assert min(asked.values()) > 5


def test_a_look_is_never_older_than_it_may_be(uri: Path) -> None:
    with dfd.connect(cache=CacheConfig(freshness_s=1.0)) as runtime:
        runtime.register("t", uri)
        looked = asked = 0
        with writing(uri, SECONDS / 2) as writer:
            while writer.goes_on:
                before, began = dfd_native.request_counts()["head"], time.time()
                query = runtime.sql("select count(*) from t")
                found = int(query.to_arrow_table().column(0)[0].as_py())
                asked += 1
                looked += dfd_native.request_counts()["head"] > before
                assert found >= writer.newest_at(began - 1.0) + 1
                time.sleep(0.02)
        # At most one look in a second, and one at the beginning.
        assert 2 <= looked <= SECONDS / 2 + 2 < asked


def test_what_the_runtime_commits_is_read_at_once(uri: Path) -> None:
    with dfd.connect(cache=CacheConfig(freshness_s=3600)) as runtime:
        runtime.register("t", uri)
        ask = "select count(*) from t"
        for rows in (2, 3):
            runtime.write(uri, pa.table({"n": [rows]}))
            assert runtime.sql(ask).to_arrow_table().column(0)[0].as_py() == rows
        runtime.sql("delete from t where n = 3")
        assert runtime.sql(ask).to_arrow_table().column(0)[0].as_py() == 2
        # What another process commits may wait, until somebody asks for it.
        write_deltalake(uri, pa.table({"n": [9]}), mode="append")
        assert runtime.sql(ask).to_arrow_table().column(0)[0].as_py() == 2
        assert runtime.refresh("t") == {"t": 4}
        assert runtime.sql(ask).to_arrow_table().column(0)[0].as_py() == 3
