"""`-v`: what dfd and the libraries beneath it log goes to stderr, and errors show their traceback."""

from __future__ import annotations

import logging

_LOGGERS = ("dfd", "dfd_storage", "dfd_delta_policy", "dfd_cache", "dfd_obs", "dfd_native")
_state = {"verbose": False}


def be_verbose() -> None:
    """Show more, from now on in this process."""
    _state["verbose"] = True
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.DEBUG)
        logger.addHandler(handler)


def is_verbose() -> bool:
    """Whether more is shown."""
    return _state["verbose"]
