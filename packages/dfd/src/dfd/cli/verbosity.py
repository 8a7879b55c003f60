"""`-v`: what dfd and the libraries beneath it log goes to stderr, and errors show their traceback."""

from __future__ import annotations

import logging

_LOGGERS = ("dfd", "dfd_storage", "dfd_delta_policy", "dfd_cache", "dfd_obs", "dfd_native")
_handlers: list[logging.Handler] = []


def set_verbose(verbose: bool) -> None:
    """Show more from now on in this process, or no longer."""
    while _handlers:
        handler = _handlers.pop()
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(handler)
    if not verbose:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    _handlers.append(handler)
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger(name).addHandler(handler)


def is_verbose() -> bool:
    """Whether more is shown."""
    return bool(_handlers)
