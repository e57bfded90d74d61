"""The one structured log. What is counted and timed stands in `backend.metrics`."""

from __future__ import annotations

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

import structlog

from backend.masking import mask_line

LOG_BYTES = 10 * 2**20


def configure_logs(*, file: Path | None = None, json: bool = False) -> None:
    """One log for everything, libraries included.

    With a file: every line goes there as JSON, and only warnings to standard error. Without: all to
    standard error, as lines for people or JSON for machines. Secrets are masked in all of them.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    machine = _formatter(structlog.processors.JSONRenderer(), shared, traceback=True)
    people = _formatter(
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()), shared, traceback=file is None
    )
    terminal = logging.StreamHandler()
    terminal.setFormatter(machine if json else people)
    terminal.setLevel(logging.WARNING if file else logging.INFO)
    handlers: list[logging.Handler] = [terminal]
    if file is not None:
        kept = RotatingFileHandler(file, maxBytes=LOG_BYTES, backupCount=3, encoding="utf-8")
        kept.setFormatter(machine)
        handlers.append(kept)
    # On a full disk every line would else come with a traceback of its own.
    logging.raiseExceptions = False
    logging.captureWarnings(capture=True)  # else they are lines of text among those of JSON
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    for name in ("httpx", "httpcore", "alembic", "celery", "kombu", "amqp", "uvicorn"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _formatter(
    renderer: structlog.types.Processor,
    shared: list[structlog.types.Processor],
    *,
    traceback: bool,
) -> logging.Formatter:
    trace = [structlog.processors.format_exc_info] if traceback else [_without_trace]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *trace,
            mask_line,
            renderer,
        ],
    )


def _without_trace(
    _logger: object, _method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """A terminal shows what went wrong; where in the code stands in the log file."""
    event.pop("exc_info", None)
    return event
