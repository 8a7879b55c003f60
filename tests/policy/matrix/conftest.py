"""Places for the small table, and the table that every case begins with."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[3] / "tools")]

from places import Place, on_s3, write_base  # noqa: E402
from race import Serial  # noqa: E402
from servers import versitygw  # noqa: E402

BASES = {"partitioned": (["key"], False), "whole": (None, False), "marked": (None, True)}


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The tables that cases copy: by partitions, without any, and without any but with deletion vectors on."""
    made = {}
    for name, (partition_by, vectors) in BASES.items():
        made[name] = tmp_path_factory.mktemp(name) / "t"
        write_base(made[name], partition_by, vectors)
    return made


@pytest.fixture(scope="session")
def base(bases: dict[str, Path]) -> Path:
    """The table by partitions."""
    return bases["partitioned"]


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The local disk."""
    directory = tmp_path_factory.mktemp("disk")
    return Place(directory, str(directory))


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A bucket of versitygw."""
    directory = tmp_path_factory.mktemp("s3")
    with versitygw(directory) as server:
        (directory / "buckets/lake").mkdir(exist_ok=True)
        yield on_s3(server, directory / "buckets")


@pytest.fixture(scope="session")
def serials(tmp_path_factory: pytest.TempPathFactory, bases: dict[str, Path]) -> dict[str, Serial]:
    """What operations come to one after the other, on each of the tables."""
    made = {}
    for name, base in bases.items():
        directory = tmp_path_factory.mktemp(f"serial_{name}")
        made[name] = Serial(Place(directory, str(directory)), base)
    return made


@pytest.fixture(scope="session")
def serial(serials: dict[str, Serial]) -> Serial:
    """The same on the table by partitions."""
    return serials["partitioned"]


@pytest.fixture
def name() -> str:
    """A name that no other table has."""
    return uuid.uuid4().hex
