"""What is known of one operation's commit, as a value, and what each observation makes of it.

    NotLanded ──Sent──> Unknown ──NotSent; or Answered, and Searched──> NotLanded
        └─────────────────┴──Found──> Landed, for good

A request to an object store that got no answer may still be carried out. It takes the version it was sent
for or none, and a version is taken once: so it is over as soon as that version is somebody's.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

NO_VERSION = -1
"""The version before the first: there is no table."""


class NotLanded(msgspec.Struct, frozen=True):
    """No version has the commit, and no request is left that could put it into one.

    `searched_to` is the newest version that was looked at.
    """

    searched_to: int


class Unknown(msgspec.Struct, frozen=True):
    """A version after `searched_to` may have the commit, or get it.

    - `in_flight`: the versions that requests without an answer may still take, in the order they were sent.
    - `is_unsearched`: a request got an answer, whichever, and the log wasn't searched since.
    """

    searched_to: int
    in_flight: tuple[int, ...] = ()
    is_unsearched: bool = False


class Landed(msgspec.Struct, frozen=True):
    """A version has the commit."""

    version: int


class Sent(msgspec.Struct, frozen=True):
    """A commit of a version is about to be asked for."""

    version: int


class NotSent(msgspec.Struct, frozen=True):
    """What was about to be asked for last never was."""


class Answered(msgspec.Struct, frozen=True):
    """The request that was sent last is over: it was carried out, or it never will be."""


class Searched(msgspec.Struct, frozen=True):
    """The log was read up to `newest`, and the operation isn't in it.

    `through` is less where versions are gone from the log: the last before the first of those.
    """

    through: int
    newest: int


class Found(msgspec.Struct, frozen=True):
    """A version has the operation's commit."""

    version: int


Knowledge: TypeAlias = NotLanded | Unknown | Landed
Observation: TypeAlias = Sent | NotSent | Answered | Searched | Found


def learn(known: Knowledge, seen: Observation) -> Knowledge:
    """What is known after an observation."""
    match known, seen:
        case Landed(), _:
            return known
        case _, Found(version):
            return Landed(version)
        case NotLanded(searched_to), Sent(version):
            return Unknown(searched_to, (version,))
        case NotLanded(searched_to), Searched(_, newest):
            return NotLanded(max(searched_to, newest))
        case Unknown(searched_to, in_flight, unsearched), Sent(version):
            return Unknown(searched_to, (*in_flight, version), unsearched)
        case Unknown(searched_to, in_flight, unsearched), NotSent():
            return _weighed(Unknown(searched_to, in_flight[:-1], unsearched))
        case Unknown(searched_to, in_flight, _), Answered():
            return Unknown(searched_to, in_flight[:-1], is_unsearched=True)
        case Unknown(searched_to, in_flight, unsearched), Searched(through, newest):
            to = max(searched_to, through)
            left = tuple(version for version in in_flight if version > to)
            return _weighed(Unknown(to, left, unsearched and to < newest))
    return known


def _weighed(known: Unknown) -> NotLanded | Unknown:
    is_over = not known.in_flight and not known.is_unsearched
    return NotLanded(known.searched_to) if is_over else known
