"""What libraries in Rust raise where they panic, and errors of no class of their own, as errors of dfd."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from dfd_base import DfdError

from dfd.errors import QueryError


def is_panic(error: BaseException | None) -> bool:
    """Whether it is pyo3's exception for a panic, which is no `Exception`."""
    return type(error).__module__ == "pyo3_runtime"


@contextlib.contextmanager
def as_query_errors(what: str) -> Iterator[None]:
    """Within the block what DataFusion raises, `Exception` itself or a panic, is a `QueryError`.

    - `what`: what could not be done, before the colon.
    """
    try:
        yield
    except DfdError:
        raise
    except Exception as error:
        raise QueryError(f"{what}: {error}") from error
    except BaseException as error:
        if not is_panic(error):
            raise
        raise QueryError(f"{what}: DataFusion panicked: {error}") from error
