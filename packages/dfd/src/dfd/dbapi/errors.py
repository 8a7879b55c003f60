"""The errors of PEP 249, and which of them an error of dfd is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import dfd_delta_policy
import dfd_native
import dfd_storage
import pyarrow as pa
from deltalake.exceptions import DeltaError
from dfd_base import DfdError

from dfd.errors import ConfigurationError, QueryError, ScriptError


class Warning(DfdError):
    """An important warning; none is raised here."""

    code = "dbapi_warning"


class Error(DfdError):
    """Root of the errors of this module; `__cause__` is that of dfd."""

    code = "dbapi"


class InterfaceError(Error):
    """The module was used in a way that it can't be, as after `close()`."""

    code = "dbapi_interface"


class DatabaseError(Error):
    """An error of a statement or a table."""

    code = "dbapi_database"


class DataError(DatabaseError):
    """Data can't be what it should be: a cast or a division that fails."""

    code = "dbapi_data"


class OperationalError(DatabaseError):
    """What happened meanwhile: a store that doesn't answer, a conflict, a query that failed while it ran."""

    code = "dbapi_operational"


class IntegrityError(DatabaseError):
    """Rows break a rule of their table."""

    code = "dbapi_integrity"


class InternalError(DatabaseError):
    """A defect."""

    code = "dbapi_internal"


class ProgrammingError(DatabaseError):
    """The statement can't be read or planned, or has other parameters."""

    code = "dbapi_programming"


class NotSupportedError(DatabaseError):
    """Something that Delta tables haven't got, or dfd doesn't do."""

    code = "dbapi_not_supported"


_CLASSES: tuple[tuple[tuple[type[BaseException], ...], type[Error]], ...] = (
    ((dfd_native.RuleViolation,), IntegrityError),
    ((dfd_delta_policy.UnsupportedTable,), NotSupportedError),
    ((dfd_delta_policy.InvalidOperation, ConfigurationError), ProgrammingError),
    ((dfd_native.StageError, pa.ArrowException), DataError),
    ((dfd_storage.StorageError, dfd_delta_policy.DeltaPolicyError, OSError), OperationalError),
    ((DeltaError, DfdError), DatabaseError),
)


@contextlib.contextmanager
def as_dbapi_errors() -> Iterator[None]:
    """Within the block an error of dfd is raised as one of PEP 249."""
    try:
        yield
    except Error:
        raise
    except (DfdError, DeltaError, pa.ArrowException, OSError) as error:
        raise _kind_of(error)(str(error)) from error


def _kind_of(error: BaseException) -> type[Error]:
    if isinstance(error, ScriptError) and error.__cause__ is not None:
        return _kind_of(error.__cause__)
    if isinstance(error, QueryError):
        return OperationalError if error.has_begun else ProgrammingError
    for kinds, found in _CLASSES:
        if isinstance(error, kinds):
            return found
    return DatabaseError
