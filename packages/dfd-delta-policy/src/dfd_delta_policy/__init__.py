"""Serializable, exactly-once mutations of Delta tables."""

import logging
from importlib.metadata import version as _version
from typing import TYPE_CHECKING

from dfd_base import renamed as _renamed

from dfd_delta_policy.commit.loop import Clock
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
from dfd_delta_policy.log.audit import Audit, Violation, ViolationKind, audit
from dfd_delta_policy.operations.merging import MergeBuilder
from dfd_delta_policy.operations.upkeep import Upkeep, UpkeepTask, UpkeepThresholds
from dfd_delta_policy.outcome import AttemptEvent, ConcurrentCommit, Outcome, Status
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
    "ConcurrentCommit",
    "Conflict",
    "ConflictError",
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
    "Upkeep",
    "UpkeepTask",
    "UpkeepThresholds",
    "Verdict",
    "Violation",
    "ViolationKind",
    "audit",
    "classify",
    "plain_schema",
]
__version__ = _version("dfd-delta-policy")

if TYPE_CHECKING:
    Winner = ConcurrentCommit
    Damage = ViolationKind
else:
    __getattr__ = _renamed(__name__, {"Winner": "ConcurrentCommit", "Damage": "ViolationKind"})

logging.getLogger(__name__).addHandler(logging.NullHandler())
