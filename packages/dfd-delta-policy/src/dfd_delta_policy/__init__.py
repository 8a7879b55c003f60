"""Serializable, exactly-once mutations of Delta tables."""

import logging
from importlib.metadata import version as _version

from dfd_delta_policy.audit import Audit, Damage, Violation, audit
from dfd_delta_policy.conflict import Action, Conflict, Verdict, classify
from dfd_delta_policy.errors import (
    ConflictError,
    DeltaPolicyError,
    InvalidOperation,
    InvalidPolicy,
    OperationRefused,
    RetriesExhausted,
    UnsupportedTable,
)
from dfd_delta_policy.hooks import (
    AppendOnly,
    CommitHook,
    CommitPlan,
    RequireCommitSafety,
    StageHook,
)
from dfd_delta_policy.loop import Clock
from dfd_delta_policy.merging import MergeBuilder
from dfd_delta_policy.outcome import AttemptEvent, Outcome, Status, Winner
from dfd_delta_policy.policy import DeltaRetryPolicy, RetryBounds
from dfd_delta_policy.source import plain_schema
from dfd_delta_policy.table import GuardedTable

__all__ = [
    "Action",
    "AppendOnly",
    "AttemptEvent",
    "Audit",
    "Clock",
    "CommitHook",
    "CommitPlan",
    "Conflict",
    "ConflictError",
    "Damage",
    "DeltaPolicyError",
    "DeltaRetryPolicy",
    "GuardedTable",
    "InvalidOperation",
    "InvalidPolicy",
    "MergeBuilder",
    "OperationRefused",
    "Outcome",
    "RequireCommitSafety",
    "RetriesExhausted",
    "RetryBounds",
    "StageHook",
    "Status",
    "UnsupportedTable",
    "Verdict",
    "Violation",
    "Winner",
    "audit",
    "classify",
    "plain_schema",
]
__version__ = _version("dfd-delta-policy")

logging.getLogger(__name__).addHandler(logging.NullHandler())
