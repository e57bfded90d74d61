"""Real services for tests: one that answers, else a container where a Docker engine is, else the
test is skipped with the reason.

What answers may be somebody's: tests make databases and collections of their own there and drop
them. In Redis a test needs a whole database, so it gets a server of its own, or an empty one.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
import redis

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

LONG_ON_POSTGRES = pytest.mark.parametrize(
    "database",
    ["sqlite", pytest.param("postgres", marks=[pytest.mark.services, pytest.mark.long])],
    indirect=True,
)
"""For a test that asks a database much: the fixture `database`, its PostgreSQL being long."""

QDRANT_IMAGE = "qdrant/qdrant:v1.19.1"  # qdrant-client speaks to the minor versions beside its own


@cache
def postgres_url() -> str:
    """A PostgreSQL where a test may create databases, the same for the whole run."""
    default = "postgresql://postgres@127.0.0.1:5432/postgres"
    url = os.environ.get("AKIN_TEST_POSTGRES_URL", default)
    try:
        psycopg.connect(url, connect_timeout=3).close()
    except psycopg.OperationalError as error:
        missing = f"no PostgreSQL at AKIN_TEST_POSTGRES_URL ({_line(error)})"
        container = _until_exit(_started(_postgres, missing))
        return f"postgresql://test:test@{_address(container, 5432)}/test"
    return url


@cache
def qdrant_url() -> str:
    """A Qdrant server where a test may create collections, the same for the whole run."""
    url = os.environ.get("AKIN_TEST_QDRANT_URL", "http://127.0.0.1:6333")
    try:
        httpx.get(f"{url}/readyz", timeout=3).raise_for_status()
    except httpx.HTTPError as error:
        missing = f"no Qdrant at AKIN_TEST_QDRANT_URL ({_line(error)})"
        container = _until_exit(_started(_qdrant, missing))
        return f"http://{_address(container, 6333)}"
    return url


@contextmanager
def redis_url() -> Iterator[str]:
    """An empty Redis database for one test: AKIN_TEST_REDIS_URL's, else of a server of its own."""
    named = os.environ.get("AKIN_TEST_REDIS_URL")
    if named:
        with _borrowed(named):
            yield named
    elif shutil.which("redis-server"):
        with _redis_process() as url:
            yield url
    else:
        container = _started(_redis, "no AKIN_TEST_REDIS_URL and no redis-server to run")
        try:
            yield f"redis://{_address(container, 6379)}/0"
        finally:
            container.stop()


@contextmanager
def _borrowed(url: str) -> Iterator[None]:
    """Somebody's Redis: its database has to be empty before, and is so again afterwards."""
    with redis.Redis.from_url(url, socket_connect_timeout=3) as client:
        try:
            taken = client.dbsize()
        except redis.ConnectionError as error:
            pytest.skip(f"no Redis at AKIN_TEST_REDIS_URL ({_line(error)})")
        if taken:
            pytest.skip(f"AKIN_TEST_REDIS_URL holds {taken} keys: name an empty database")
        yield
        for key in client.scan_iter():
            client.delete(key)


@contextmanager
def _redis_process() -> Iterator[str]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_for_redis(f"redis://127.0.0.1:{port}/0")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()


def _wait_for_redis(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        for _ in range(200):
            try:
                client.ping()
            except redis.ConnectionError:
                time.sleep(0.05)
            else:
                return
    pytest.fail(f"redis-server did not answer at {url} within 10 seconds")


def _postgres() -> DockerContainer:
    from testcontainers.community.postgres import PostgresContainer

    return PostgresContainer("postgres:16", username="test", password="test", dbname="test")


def _qdrant() -> DockerContainer:
    from testcontainers.community.qdrant import QdrantContainer

    return QdrantContainer(QDRANT_IMAGE)


def _redis() -> DockerContainer:
    from testcontainers.community.redis import RedisContainer

    return RedisContainer("redis:7")


def _started(make: Callable[[], DockerContainer], missing: str) -> DockerContainer:
    """The container once it answers; skips the test where Docker cannot start it."""
    from docker.errors import DockerException  # type: ignore[import-untyped]
    from testcontainers.core.docker_client import DockerClient

    try:
        DockerClient(timeout=3).client.ping()
        return make().start()
    except (DockerException, OSError) as error:  # OSError: what requests raises
        pytest.skip(f"{missing}, and Docker cannot start one ({_line(error)})")


def _until_exit(container: DockerContainer) -> DockerContainer:
    atexit.register(container.stop)
    return container


def _address(container: DockerContainer, port: int) -> str:
    return f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}"


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
