"""A session goes on with credentials that were renewed under it."""

from __future__ import annotations

import subprocess
from datetime import datetime, timedelta, timezone

import dfd
import msgspec
import pytest
from deltalake import write_deltalake
from dfd_storage import ProviderCredentials, S3Profile, Secret, StaticCredentials
from lake import on_s3
from orders import CUSTOMERS
from servers import VERSITYGW, Server


def admin(gateway: Server, *command: str) -> None:
    subprocess.run(
        [
            str(VERSITYGW.path), "admin", "--access", gateway.key_id, "--secret", gateway.secret,
            "--endpoint-url", gateway.endpoint, *command,
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip


def test_a_session_outlives_its_credentials(gateway: Server) -> None:
    direct = on_s3(gateway)
    uri = direct.uri("renewed")
    write_deltalake(uri, CUSTOMERS, storage_options=direct.options)
    for name in ("first", "second"):
        admin(
            gateway,
            "create-user",
            "--access",
            name,
            "--secret",
            f"{name}-secret",
            "--role",
            "admin",
        )
    answers = iter(("first", "second"))
    given: list[str] = []

    def provide() -> tuple[StaticCredentials, datetime]:
        given.append(next(answers))
        name = given[-1]
        lasts = timedelta(seconds=60 if name == "first" else 36000)
        end = datetime.now(timezone.utc) + lasts
        return StaticCredentials(name, Secret(f"{name}-secret")), end

    ahead = [0.0]

    class Ahead(float):
        """A distance from the end that the test moves, so that nothing waits for a clock."""

        def __lt__(self, other: object) -> bool:
            return ahead[0] < other  # type: ignore[operator]

        def __gt__(self, other: object) -> bool:
            return ahead[0] > other  # type: ignore[operator]

    profile = S3Profile(
        uri="s3://lake",
        endpoint=gateway.endpoint,
        allow_http=True,
        credentials=ProviderCredentials(provider=provide, refresh_ahead_s=Ahead(0)),
    )
    with dfd.connect(dfd.DataFusionRuntimeProfile(storage=(profile,))) as runtime:
        runtime.register("t", uri)
        runtime.register("pinned", uri, pinned=True)
        assert runtime.sql("select sum(id) as s from t").to_arrow_table()["s"].to_pylist() == [780]
        assert (given, profile.credentials_generation) == (["first"], 1)
        admin(gateway, "delete-user", "--access", "first")
        ahead[0] = 100.0
        for name in ("t", "pinned"):
            query = runtime.sql(f"select sum(id) as s, max(name) as m from {name}")
            assert query.to_arrow_table()["s"].to_pylist() == [780]
        assert (given, profile.credentials_generation) == (["first", "second"], 2)
        assert runtime.write(uri, CUSTOMERS).version == 1
    assert isinstance(msgspec.structs.asdict(profile)["credentials"], ProviderCredentials)
    with pytest.raises(StopIteration):
        next(answers)
