"""The settings of a PostgreSQL server's connections; SQLite has no use for them.

They are a part of `backend.settings.Settings`, apart only for its length.
"""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

from backend.pool import Pool


class DatabaseSettings(BaseSettings):
    """Each process has a pool of its own: all of them together must fit `max_connections`."""

    database_url: str | None = None
    database_pool_size: int = Field(10, ge=1, le=500)
    """Connections that a process keeps."""
    database_pool_overflow: int = Field(20, ge=0, le=500)
    """Further ones that it opens while it needs them."""
    database_pool_wait_seconds: float = Field(30, gt=0, le=600)
    """How long one waits for a free connection before it is told that the database is busy."""
    database_pool_recycle_seconds: int = Field(1800, ge=1)
    """After so long a connection is opened anew: firewalls forget those that stay."""
    database_pool_pre_ping: bool = True
    """Whether a connection is tried before it is used, so that a restarted server is no error."""
    database_statement_seconds: float = Field(60, ge=0, le=86_400)
    """The longest that one statement may take; 0: as long as it likes. Migrations may anyway."""

    @property
    def database_pool(self) -> Pool:
        """How connections to PostgreSQL are kept."""
        return Pool(
            size=self.database_pool_size,
            overflow=self.database_pool_overflow,
            wait=self.database_pool_wait_seconds,
            recycle=self.database_pool_recycle_seconds,
            pre_ping=self.database_pool_pre_ping,
            statement_seconds=self.database_statement_seconds,
        )
