"""Safety of commits: what keeps concurrent ones apart on a store, and the proof of it."""

from dfd_storage.commit_safety.dynamodb_lock import DynamoDBLock, LockUnsupported
from dfd_storage.commit_safety.verdict import CommitSafety, Mechanism

__all__ = ["CommitSafety", "DynamoDBLock", "LockUnsupported", "Mechanism"]
