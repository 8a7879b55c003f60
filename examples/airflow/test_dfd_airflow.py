"""A DAG that Airflow itself runs, with its database, and what the table has then."""

import os
import subprocess
import sys
from pathlib import Path

import dfd
import pyarrow as pa
import pytest

HERE = Path(__file__).parent
DAG = """
from datetime import datetime, timezone

from airflow.sdk import DAG
from dfd_airflow import DfdWriteOperator

with DAG("daily", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
    DfdWriteOperator(
        task_id="late",
        sql="select id, delay, '{{ ds }}' as day from lake.flights where delay > cast($low as bigint)",
        values={"low": "10"},
        table="LAKE/late",
        schemas={"lake": "LAKE"},
    )

if __name__ == "__main__":
    run = dag.test(logical_date=datetime(2026, 1, 2, tzinfo=timezone.utc))
    print("STATE", run.state)
"""


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    folder = tmp_path / "lake"
    dfd.connect().write(folder / "flights", pa.table({"id": [1, 2, 3], "delay": [5, 20, 30]}))
    return folder


def airflow(home: Path, *arguments: str) -> str:
    """What a process of Airflow's prints, with a database of its own."""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    return done.stdout


def test_a_run_lands_once_however_often_it_is_sent(tmp_path: Path, lake: Path) -> None:
    home = tmp_path / "airflow"
    (home / "dags").mkdir(parents=True)
    dag = home / "dags/daily.py"
    dag.write_text(DAG.replace("LAKE", str(lake)))
    airflow(home, "-m", "airflow", "db", "migrate")
    for _ in range(2):
        assert "STATE success" in airflow(home, str(dag))
    with dfd.connect() as runtime:
        runtime.register_schema("lake", lake)
        query = runtime.sql("select id, delay, day from lake.late order by id")
        assert query.fetch_all() == [(2, 20, "2026-01-02"), (3, 30, "2026-01-02")]
        versions = [commit["version"] for commit in runtime.table(lake / "late").history()]
    assert versions == [0]
