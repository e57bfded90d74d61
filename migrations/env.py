"""What Alembic runs: on the connection that `backend.migrating` opened, else on its own."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

import backend.accounts.tables
import backend.audit.tables
import backend.catalogue.tables
import backend.feedback.tables
import backend.jobs.tables
import backend.registry.tables
import backend.training.tables  # noqa: F401 - every table must be known to the metadata
from backend.database import Base, Database
from backend.migrating import migration
from backend.settings import Settings


def run(connection: Connection) -> None:
    """Run what the command asked for inside the connection's transaction."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_server_default=True,
    )
    context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with migration(Database(Settings().sql_url)) as opened:
        run(opened)
