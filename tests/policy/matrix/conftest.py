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


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table that every case copies."""
    path = tmp_path_factory.mktemp("base") / "t"
    write_base(path, ["key"])
    return path


@pytest.fixture(scope="session")
def unpartitioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without partitions."""
    path = tmp_path_factory.mktemp("unpartitioned") / "t"
    write_base(path, None)
    return path


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
def serial(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Serial:
    """What operations come to one after the other."""
    directory = tmp_path_factory.mktemp("serial")
    return Serial(Place(directory, str(directory)), base)


@pytest.fixture
def name() -> str:
    """A name that no other table has."""
    return uuid.uuid4().hex
