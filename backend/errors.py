"""Every failure that a user can cause or mend is one of these types, told in one sentence.

A sentence says what happened, where, and what to do. The HTTP layer turns the type into a problem
document (RFC 9457), the command line into one line on standard error and an exit code. Passwords in
URLs and other secrets of the process are masked in it.
"""

from __future__ import annotations

from backend.masking import masked


class AkinError(Exception):
    """Base of all told failures: `sentence` for people, `code` for programs, `status` for HTTP."""

    status: int = 400
    code: str = "bad-request"

    def __init__(self, sentence: str) -> None:
        self.sentence = masked(sentence)
        super().__init__(self.sentence)


class InvalidInput(AkinError):
    """Something in the request or file does not make sense."""

    status = 422
    code = "invalid-input"


class NotFound(AkinError):
    """What was asked for is not there."""

    status = 404
    code = "not-found"


class Conflict(AkinError):
    """It clashes with what is already there, or with the state it is in."""

    status = 409
    code = "conflict"


class TooLarge(AkinError):
    """Over a limit that protects the service."""

    status = 413
    code = "too-large"


class UnsupportedImage(AkinError):
    """Bytes that are not a picture Akin can read."""

    status = 415
    code = "unsupported-image"


class TooMany(AkinError):
    """One caller asks too often."""

    status = 429
    code = "too-many"

    def __init__(self, sentence: str, seconds: int) -> None:
        """seconds: after how many it may be tried again."""
        super().__init__(sentence)
        self.seconds = seconds


class NotAllowed(AkinError):
    """Who asks is known, and may not: by their role, by a key, or without the right password."""

    status = 403
    code = "not-allowed"


class NotKnown(AkinError):
    """Nobody knows who asks: no login, or one that is over."""

    status = 401
    code = "login-needed"


class Unavailable(AkinError):
    """A part of the service is not ready or cannot be reached."""

    status = 503
    code = "unavailable"


class NoSpace(Unavailable):
    """The disk is full; nothing that was stored before is harmed."""

    status = 507
    code = "no-space"


class TooSlow(AkinError):
    """The sender fell silent in the middle of a request."""

    status = 408
    code = "too-slow"


class SetupError(AkinError):
    """The installation or its settings stop the program from starting."""

    status = 500
    code = "setup"
