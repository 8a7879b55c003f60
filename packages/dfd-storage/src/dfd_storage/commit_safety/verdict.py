"""The verdict on a store: what keeps concurrent commits apart, and whether it was seen to."""

from __future__ import annotations

from typing import Literal

import msgspec

Mechanism = Literal["conditional_put", "emulator", "local_link", "dynamodb", "unsafe", "none"]


class CommitSafety(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict of a probe.

    - `safe`: concurrent commits don't overwrite one another.
    - `mechanism`: what keeps them apart.
    - `second_put_refused`: of two puts of one name, one after the other, the second failed.
    - `winners`: how many of `racers` concurrent puts of one name were told that theirs stands.
    """

    location: str
    safe: bool
    mechanism: Mechanism
    second_put_refused: bool
    winners: int
    racers: int

    @property
    def reason(self) -> str:
        """The reason of the verdict, in a sentence."""
        if self.safe:
            return "A name was given once only, in turn and in a race."
        if not self.second_put_refused:
            return (
                "The store took a second object under a name that was to be new: it ignores "
                "If-None-Match."
            )
        return (
            f"{self.winners} of {self.racers} concurrent puts of one new name were told that "
            "theirs stands."
        )
