"""What a runtime's writes read of the log: what came since the write before, and not the table anew."""

from __future__ import annotations

from collections import Counter

import dfd
import pyarrow as pa
from dfd_storage import S3Profile, Secret, StaticCredentials
from recording_proxy import recording_proxy
from servers import Server

ROW = pa.table({"n": [1]})


def test_twenty_appends_read_each_commit_a_few_times(gateway: Server) -> None:
    """Whoever opens the table for each of them reads its first commit twenty times."""
    with recording_proxy(gateway.endpoint) as recording:
        profile = S3Profile(
            uri="s3://lake",
            endpoint=recording.endpoint,
            allow_http=True,
            credentials=StaticCredentials(gateway.key_id, Secret(gateway.secret)),
        )
        with dfd.connect(storage=(profile,)) as runtime:
            requests = []
            for version in range(21):
                assert runtime.write("s3://lake/log_reads", ROW).version == version
                requests.append(recording.take())
    read = Counter(
        request.path.rpartition("/")[2]
        for made in requests
        for request in made
        if request.method == "GET" and not request.is_list and "_delta_log" in request.path
    )
    assert {name for name in read if name.endswith(".json")} >= {f"{n:020}.json" for n in range(20)}
    assert max(read.values()) < 10
    # No more for the last than for the third.
    assert len(requests[-1]) <= len(requests[2])
