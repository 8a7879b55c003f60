"""Coverage-guided fuzzing of what dfd-storage reads: locations, TOML profiles, environments.

    nox -s fuzz -- -max_total_time=60

No input gives anything but a profile or a `StorageError`, and every canonical URI is a fixed point. The
arguments are libFuzzer's; an input that breaks this is left as a file.
"""

from __future__ import annotations

import sys

import atheris
import tomllib

with atheris.instrument_imports(include=["dfd_storage"]):
    from dfd_storage import StorageError, StorageProfile, canonical_uri

KEYS = (
    "kind",
    "uri",
    "credentials",
    "region",
    "endpoint",
    "extra",
    "commits",
    "timeout_s",
    "account",
)
VALUES = (
    "s3://bucket/t", "az://lake", "abfss://lake@acc.dfs.core.windows.net/t", "gs://b", "https://h/x", "/t",
    "s3", "azure", "static", "anonymous", "sas", True, 1, 0.5, None, {}, [], {"kind": "anonymous"},
    {"kind": "static", "access_key_id": "a", "secret_access_key": {"env": "HOME"}},
)  # fmt: skip


SCHEMES = (
    "s3://",
    "s3a://",
    "gs://",
    "az://",
    "abfss://",
    "https://",
    "http://",
    "web+https://",
    "file://",
    "memory://",
    "",
)
HOSTS = (
    "bucket",
    "lake@acc.dfs.core.windows.net",
    "acc.blob.core.windows.net/lake",
    "host:443",
    "[::1]",
    "",
)


def one(data: bytes) -> None:
    """One input: a location, and a profile of pieces."""
    pieces = atheris.FuzzedDataProvider(data)
    written = pieces.PickValueInList(list(SCHEMES)) + pieces.PickValueInList(list(HOSTS))
    written += pieces.ConsumeUnicode(pieces.ConsumeIntInRange(0, 20))
    try:
        uri = canonical_uri(written)
        assert canonical_uri(uri) == uri
        StorageProfile.from_uri(uri)
    except StorageError:
        pass
    mapping: dict[str, object] = {"uri": pieces.PickValueInList(list(VALUES))}
    environ: dict[str, str] = {}
    for _ in range(pieces.ConsumeIntInRange(0, 5)):
        key = (
            pieces.PickValueInList(list(KEYS)) if pieces.ConsumeBool() else pieces.ConsumeUnicode(8)
        )
        value = (
            pieces.PickValueInList(list(VALUES))
            if pieces.ConsumeBool()
            else pieces.ConsumeUnicode(8)
        )
        mapping[key] = value
        environ[f"DFD_S3_{key.upper()}"] = str(value)
    for work in (
        lambda: StorageProfile.from_toml(mapping),
        lambda: StorageProfile.from_env("s3://b", environ),
    ):
        try:
            profile = work()
            assert StorageProfile.from_toml(tomllib.loads(profile.to_toml())) == profile
        except StorageError:
            pass


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
