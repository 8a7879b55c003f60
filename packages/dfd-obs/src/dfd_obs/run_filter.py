"""Ids in log lines: a filter for loggers and handlers."""

from __future__ import annotations

import logging

from opentelemetry import trace

from dfd_obs import ids


class RunFilter(logging.Filter):
    """Gives every log record `dfd_run_id`, `dfd_query_id` and `trace_id`, the last two empty where there is none.

    A runtime installs it on the loggers of dfd. Add one to a handler whose format names these fields,
    so that the records of other libraries have them too.

    >>> handler = logging.StreamHandler()
    >>> handler.addFilter(RunFilter())
    >>> handler.setFormatter(logging.Formatter("%(dfd_run_id)s %(trace_id)s %(message)s"))
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the ids; no record is left out."""
        record.dfd_run_id = ids.current_run().id
        record.dfd_query_id = ids.current_query_id() or ""
        context = trace.get_current_span().get_span_context()
        record.trace_id = format(context.trace_id, "032x") if context.is_valid else ""
        return True

    @classmethod
    def install(cls) -> None:
        """Add it to each logger of dfd that there is by now; once to each."""
        for name in list(logging.root.manager.loggerDict):
            logger = logging.getLogger(name)
            if _is_ours(name) and not any(isinstance(one, cls) for one in logger.filters):
                logger.addFilter(cls())


def _is_ours(name: str) -> bool:
    # A filter of a logger isn't asked for the records of those beneath it.
    package = name.partition(".")[0]
    return package == "dfd" or package.startswith("dfd_")
