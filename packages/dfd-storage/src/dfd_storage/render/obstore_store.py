"""Stores of obstore, of the location itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfd_storage.errors import InvalidProfile
from dfd_storage.options import RETRIES
from dfd_storage.render.connection import Connection

if TYPE_CHECKING:
    from obstore.store import MemoryStore, ObjectStore

_memories: dict[str, MemoryStore] = {}


def memory_store(location: str) -> ObjectStore:
    """The store in memory of a location: one in the process."""
    from obstore import store

    return _memories.setdefault(location, store.MemoryStore())


def local_store(directory: Path) -> ObjectStore:
    """The store of a directory, which is made where there is none."""
    from obstore import store

    return store.LocalStore(prefix=directory, mkdir=True)


def http_store(url: str, options: Mapping[str, str], connection: Connection) -> ObjectStore:
    """The store of a web server's directory."""
    from obstore import store

    web: ObjectStore = store.HTTPStore.from_url(url, **_arguments(options, connection))
    return web


def s3_store(
    bucket: str, prefix: str | None, options: Mapping[str, str], connection: Connection
) -> ObjectStore:
    """The store of a bucket behind the S3 protocol, below a prefix."""
    from obstore import store

    config: Any = _of_cloud(options)
    return store.S3Store(bucket, prefix=prefix, config=config, **_arguments(options, connection))


def gcs_store(
    bucket: str, prefix: str | None, options: Mapping[str, str], connection: Connection
) -> ObjectStore:
    """The store of a bucket of Google Cloud Storage, below a prefix."""
    from obstore import store

    config: Any = _of_cloud(options)
    return store.GCSStore(bucket, prefix=prefix, config=config, **_arguments(options, connection))


def azure_store(
    container: str, prefix: str | None, options: Mapping[str, str], connection: Connection
) -> ObjectStore:
    """The store of a container of Azure, below a prefix."""
    from obstore import store

    config: Any = _of_cloud(options)
    return store.AzureStore(
        container, prefix=prefix, config=config, **_arguments(options, connection)
    )


def list_first(store: ObjectStore) -> None:
    """List a store as far as the first answer, for the error that it may give."""
    import obstore

    next(iter(obstore.list(store, chunk_size=1)), None)


def _of_cloud(options: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in options.items() if _is_of_cloud(name)}


def _is_of_cloud(option: str) -> bool:
    return option.startswith(("aws_", "azure_", "google_"))


def _arguments(options: Mapping[str, str], connection: Connection) -> dict[str, Any]:
    """The arguments for client and retries, which obstore takes beside the cloud's options."""
    client: dict[str, Any] = {
        name: value
        for name, value in options.items()
        if not _is_of_cloud(name) and name not in RETRIES
    }
    if connection.ca_file is not None:
        client["root_certificate"] = _certificate(connection.ca_file)
    retries: dict[str, Any] = {}
    if connection.max_retries is not None:
        retries["max_retries"] = connection.max_retries
    if connection.retry_timeout_s is not None:
        retries["retry_timeout"] = timedelta(seconds=connection.retry_timeout_s)
    return {"client_options": client, "retry_config": retries or None}


def _certificate(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except (OSError, RuntimeError) as error:
        raise InvalidProfile(
            f"`ca_file`: {path} can't be read.",
            "Correct the path, or the file's permissions.",
            field="ca_file",
        ) from error
