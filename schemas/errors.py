"""One error tree, split by what the operator has to do.

    ReshelfError
    ├── Transient        wait and try again (broker or Redis away)
    ├── BadRecord        put the record aside in dead letters and go on
    ├── BadSettings      mend the settings (exit status 2)
    └── StateAttention   look at the state before anything else happens (exit status 1)

A message says what happened, what was expected, what came, where, and the next step.
"""

from __future__ import annotations


class ReshelfError(Exception):
    """Root of all errors that Reshelf raises on purpose."""


class Transient(ReshelfError):
    """A broker or Redis does not answer now; trying again later is right."""


class BadRecord(ReshelfError):
    """A record does not fit its topic.

    `reason` is a short stable word for counting; `detail` says expected, got and path.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class BadSettings(ReshelfError):
    """A setting, argument or input of the operator is wrong; exit status 2."""


class StateAttention(ReshelfError):
    """State and log do not belong together or cannot be healed; exit status 1."""
