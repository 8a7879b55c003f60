"""The files in a table's folder, through dfd-native or deltalake's file system."""

from __future__ import annotations

import io
from typing import BinaryIO, Protocol

import pyarrow.fs
from deltalake.fs import DeltaStorageHandler
from dfd_storage import StorageProfile

from dfd_delta_policy.backend.protocol import Native, installed


class TableFiles(Protocol):
    """Files by their paths from the table's root."""

    def list(self, folder: str = "") -> list[str]:
        """All files below a folder; none where there is no such folder."""
        ...

    def open(self, path: str) -> BinaryIO:
        """A file, to read it."""
        ...


class NativeFiles:
    """Files that dfd-native lists and reads, with the interpreter's lock free."""

    def __init__(self, native: Native, uri: str, profile: StorageProfile) -> None:
        self._native = native
        self._uri = uri
        self._profile = profile

    def list(self, folder: str = "") -> list[str]:
        """All files below a folder; none where there is no such folder."""
        return [*self._native.list_files(self._uri, self._profile.to_native_options(), folder)]

    def open(self, path: str) -> BinaryIO:
        """A file, which is read to its end first."""
        options = self._profile.to_native_options()
        return io.BytesIO(self._native.read_file(self._uri, options, path=path))


class DeltalakeFiles:
    """Files that deltalake lists and reads."""

    def __init__(self, uri: str, profile: StorageProfile) -> None:
        handler = DeltaStorageHandler(uri, options=profile.to_deltalake_options())
        self._files = pyarrow.fs.PyFileSystem(handler)

    def list(self, folder: str = "") -> list[str]:
        """All files below a folder; none where there is no such folder."""
        below = pyarrow.fs.FileSelector(folder, allow_not_found=True, recursive=True)
        listed = self._files.get_file_info(below)
        return [info.path for info in listed if info.type != pyarrow.fs.FileType.Directory]

    def open(self, path: str) -> BinaryIO:
        """A file, which is read piece by piece."""
        return io.BufferedReader(self._files.open_input_file(path))


def files_of(uri: str, profile: StorageProfile) -> TableFiles:
    """The files of the table at `uri`."""
    native = installed()
    if native is None:
        return DeltalakeFiles(uri, profile)
    return NativeFiles(native, uri, profile)
