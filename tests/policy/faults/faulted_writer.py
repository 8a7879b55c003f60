"""A process that mutates tables on S3, one call for each line of its input: JSON in, JSON out.

It is a process of its own, as deltalake holds the GIL in some calls, which the proxy needs.
"""

from __future__ import annotations

import json
import sys

from dfd_delta_policy import Clock, DeltaRetryPolicy, GuardedTable
from dfd_storage import S3Profile, Secret, StaticCredentials
from faulted_operations import MUTATIONS, lay_out


def main(endpoint: str, key_id: str, secret: str, timeout_s: str) -> None:
    """Answer until the input ends."""
    profile = S3Profile(
        uri="s3://lake",
        endpoint=endpoint,
        allow_http=True,
        credentials=StaticCredentials(key_id, Secret(secret)),
        timeout_s=float(timeout_s),
    )
    for line in sys.stdin:
        asked = json.loads(line)
        conflicts: list[str] = []
        table = GuardedTable(
            asked["uri"],
            storage=profile,
            policy=DeltaRetryPolicy(attempts=asked["attempts"]),
            commit_metadata=lambda: {"mark": asked["mark"]},  # noqa: B023  called within this round
            on_attempt=lambda event: conflicts.append(event.verdict.reason),  # noqa: B023
            clock=Clock(sleep=lambda seconds: None),
        )
        try:
            if asked["mutation"] is None:
                lay_out(table, asked["uri"].rpartition("/")[2])
                answer = {}
            else:
                outcome = MUTATIONS[asked["mutation"]].run(table)
                answer = {"status": outcome.status, "version": outcome.version}
        except Exception as error:  # noqa: BLE001  whatever a user would see
            answer = {"error": type(error).__name__, "text": str(error)}
        print(json.dumps({**answer, "conflicts": conflicts}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
