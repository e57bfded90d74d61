"""A disk or database that fails under a request or task, told as one of our failures.

What raised is some library deep below, so it is translated in the places where a failure is told:
HTTP (`backend.problems`), the end of a task (`workers.execution`) and that of a command
(`backend.cli`, `backend.migrating`).
"""

from __future__ import annotations

import errno
import sqlite3

import psycopg
from sqlalchemy import exc

from backend.disk_space import FULL
from backend.errors import AkinError, InvalidInput, NoSpace, Unavailable

OUTAGES = (OSError, exc.SQLAlchemyError)

_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}
# SQLite's primary result codes; an extended code has one of them in its lowest byte.
_SQLITE_READ_ONLY = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
_SQLITE_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_SQLITE_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

NO_SPACE = (
    "The disk that holds Akin's data is full: make room and try again; what was stored is kept."
)
READ_ONLY = (
    "Akin's data cannot be written: make its folder writable again and repeat this; searches go on."
)
DAMAGED = "The database of this installation is damaged: stop Akin and restore it from a backup."
NO_ANSWER = "The database does not answer as it should: try again, or look into its log."
BUSY = "The database is busy with others: try again in a moment."
TOO_LONG = (
    "The database took longer over this than it may: ask for less at a time, or raise "
    "AKIN_DATABASE_STATEMENT_SECONDS."
)
NOT_STORABLE = "The request holds a character or number that cannot be stored: take it out."


def told(error: Exception) -> AkinError | None:
    """The failure to tell for an outage; None for any other error, which is a mistake of ours."""
    if isinstance(error, OSError):
        return _of_file(error)
    if isinstance(error, UnicodeEncodeError):  # by half a character, which JSON can write
        return InvalidInput(NOT_STORABLE)
    if isinstance(error, sqlite3.Error):  # of a planning's scratch, which is no database of ours
        return _of_sqlite(error)
    if isinstance(error, exc.DBAPIError):
        return _of_sqlite(error.orig) or _of_postgres(error.orig)
    return Unavailable(BUSY) if isinstance(error, exc.TimeoutError) else None


def _of_file(error: OSError) -> AkinError:
    if error.errno in FULL:
        return NoSpace(NO_SPACE)
    if error.errno in _READ_ONLY:
        return Unavailable(READ_ONLY)
    reason = (error.strerror or "unknown reason").lower()
    return Unavailable(
        f"A file of Akin's data could not be read or written ({reason}): look at its disk, "
        "then try again."
    )


def _of_sqlite(error: object) -> AkinError | None:
    if not isinstance(error, sqlite3.Error):
        return None
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF
    if code == sqlite3.SQLITE_FULL or extended == sqlite3.SQLITE_IOERR_SHMSIZE:
        return NoSpace(NO_SPACE)
    if code in _SQLITE_READ_ONLY:
        return Unavailable(READ_ONLY)
    if code in _SQLITE_BUSY:  # longer than the half a minute that is waited for others
        return Unavailable(BUSY)
    if code in _SQLITE_DAMAGED:
        return Unavailable(DAMAGED)
    return Unavailable(NO_ANSWER) if isinstance(error, sqlite3.OperationalError) else None


def _of_postgres(error: object) -> AkinError | None:
    if isinstance(error, psycopg.errors.DiskFull):
        return NoSpace(NO_SPACE)
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return Unavailable(READ_ONLY)
    if isinstance(error, psycopg.errors.QueryCanceled):
        return Unavailable(TOO_LONG)
    if isinstance(error, psycopg.DataError):
        return InvalidInput(NOT_STORABLE)
    return Unavailable(NO_ANSWER) if isinstance(error, psycopg.OperationalError) else None
