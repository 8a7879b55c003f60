"""Exit codes of the command, and which of them an error has.

0 done, 1 the work failed, 2 wrong usage or configuration, 3 incompatible installation, 130 interrupted.
"""

from __future__ import annotations

DONE, FAILED, USAGE, INCOMPATIBLE, INTERRUPTED = 0, 1, 2, 3, 130


def one_line_of(error: Exception) -> str:
    """What an error says, in one line that is safe to show."""
    from dfd.display.messages import without_traceback
    from dfd.display.printable import one_line

    said = one_line(without_traceback(str(error))) or type(error).__name__
    if type(error).__name__ == "TableNotFoundError":
        # deltalake's own, which says where it looked, and what the system said of it.
        return f"There is no Delta table: {said} `dfd tables` lists those that the profile names."
    return said


def exit_code(error: Exception) -> int | None:
    """The exit code of an error that is the user's or the world's; None for a defect of ours."""
    from dfd.errors import ConfigurationError, DfdError

    # Bytes that are no text, which the locale has let in.
    if isinstance(error, (ConfigurationError, UnicodeEncodeError)):
        return USAGE
    # What takes time to import is asked for last: a misspelt command needs none of it.
    import dfd_cache
    import dfd_native
    import dfd_storage
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    if isinstance(error, dfd_native.IncompatibleInstallation):
        return INCOMPATIBLE
    if isinstance(error, (dfd_storage.StorageFailure, dfd_storage.CredentialsUnavailable)):
        return FAILED
    if isinstance(error, (dfd_storage.StorageError, dfd_cache.CacheError)):
        return USAGE
    failures = (DfdError, DeltaError, pa.ArrowException, OSError)
    return FAILED if isinstance(error, failures) else None
