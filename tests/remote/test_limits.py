"""`max_concurrency`: requests at once of all that dfd-native does with one profile."""

from __future__ import annotations

import threading
from dataclasses import replace

import dfd
import dfd_native
import msgspec
import pytest
from lake import on_s3
from orders import write
from recording_proxy import Request, recording_proxy
from servers import Server
from test_stage import noise


class Crowd:
    """How many requests were under way together; each is held, so that others may come beside it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = self.peak = 0

    def hold(self, request: Request) -> bool:
        with self._lock:
            self._now += 1
            self.peak = max(self.peak, self._now)
        threading.Event().wait(0.02)
        with self._lock:
            self._now -= 1
        return False


@pytest.fixture(scope="module")
def written(gateway: Server) -> str:
    place = replace(on_s3(gateway), root="s3://lake/limits")
    write(place)
    return place.root


@pytest.mark.parametrize("most", [1, 3, None])
def test_requests_at_once(gateway: Server, written: str, most: int | None) -> None:
    """One is enough for all that is done: nothing waits for another while it holds its turn."""
    crowd = Crowd()
    with recording_proxy(gateway.endpoint, crowd.hold) as proxy:
        profile = on_s3(replace(gateway, endpoint=proxy.endpoint)).profile
        assert profile is not None
        profile = msgspec.structs.replace(profile, max_concurrency=most)
        with dfd.connect(dfd.DataFusionRuntimeProfile(storage=(profile,))) as runtime:
            for name in ("orders", "customers"):
                runtime.register(name, f"{written}/{name}")
            query = runtime.sql(
                "select c.name, max(o.note) as n from orders o join customers c on o.customer = c.id group by c.name"
            )
            assert query.to_arrow_table().num_rows == 40
            assert query.route == "engine"
        options = profile.to_native_options()
        with dfd_native.stage(f"{written}/t{most}", noise(24), options, writers=2):
            pass
    assert crowd.peak > 3 if most is None else crowd.peak <= most
