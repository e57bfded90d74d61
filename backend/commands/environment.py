"""`akin env`: the secrets of a server, made once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backend.commands.terminal import out
from backend.environment_file import told, write_env


def env(
    folder: Annotated[Path, typer.Option("--in", help="Where docker-compose.yml is.")] = Path(),
) -> None:
    """Write .env for docker-compose.yml with random secrets; one that is there stays as it is."""
    out.print(told(*write_env(folder)), markup=False, highlight=False, soft_wrap=True)
