"""What a run may still spend."""

from __future__ import annotations

from dataclasses import dataclass


class Spent(Exception):
    """Nothing may be sent any more; `str` says which limit it was."""


@dataclass
class Budget:
    """Requests and tokens used so far against their limits; None is no limit.

    Requests are counted before they are sent and so never exceed theirs. What an answer costs is
    known only when it is there, so those on their way when the tokens run out are let finish.
    """

    max_requests: int | None
    max_tokens: int | None
    requests: int = 0
    tokens: int = 0

    def take_request(self) -> None:
        """Count one request. Raises Spent where it may not be sent."""
        if self.max_requests is not None and self.requests >= self.max_requests:
            raise Spent(f"the budget of {self.max_requests:,} requests is used up")
        if self.max_tokens is not None and self.tokens >= self.max_tokens:
            raise Spent(f"the budget of {self.max_tokens:,} tokens is used up")
        self.requests += 1

    def use_tokens(self, count: int) -> None:
        """Count what an answer cost."""
        self.tokens += count
