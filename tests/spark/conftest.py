"""One Spark on this machine for all of these tests; without pyspark there are none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests/stage"), str(ROOT / "tools")]

if find_spec("pyspark") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Two threads, loopback, UTC: as the tables of the conformance suite are written.

    Its catalog is Hive's, in memory: with its own, Delta-Spark 4.0 can't replace a table.
    """
    from write_spark_tables import session

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.chdir(tmp_path_factory.mktemp("spark"))
        spark = session(
            **{
                "spark.sql.catalogImplementation": "hive",
                "spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:derby:memory:catalog;create=true",
            }
        )
        spark.sparkContext.setLogLevel("ERROR")
        yield spark
        spark.stop()


@pytest.fixture(scope="session")
def with_spark(spark: SparkSession) -> Callable[[Path], pa.Table]:
    """What Spark reads of a table."""
    return lambda uri: spark.read.format("delta").load(str(uri)).toArrow()
