"""Jobs over HTTP: see them, read their reports, cancel and retry them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from backend.accounts.actor import Actor, require
from backend.dependencies import get_runtime
from backend.jobs import service
from backend.jobs.reconciling import ensure_reconcile
from backend.jobs.report_table import report_table
from backend.jobs.schemas import JobItemOut, JobKind, JobOut, JobState, ReconcileRequest
from backend.paging import Page
from backend.problems import PROBLEM_RESPONSES
from backend.runtime import Runtime

router = APIRouter(
    prefix="/v1/jobs",
    tags=["jobs"],
    responses={status: PROBLEM_RESPONSES[status] for status in (403, 404, 409, 422)},
    dependencies=[Depends(require("manager"))],
)

_MANAGER, _ADMIN = Depends(require("manager")), Depends(require("admin"))
Cursor = Annotated[str | None, Query(description="The `next_cursor` of the page before.")]


@router.get("", summary="List the jobs, newest first")
def list_jobs(
    state: JobState | None = None,
    kind: JobKind | None = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    runtime: Runtime = Depends(get_runtime),
) -> Page[JobOut]:
    """One page of the jobs, newest first."""
    with runtime.database.read() as session:
        return service.list_jobs(session, state=state, kind=kind, cursor=cursor, limit=limit)


@router.post("/reconcile", status_code=202, summary="Find and mend what does not agree")
def start_reconciliation(
    request: ReconcileRequest,
    actor: Actor = _ADMIN,
    runtime: Runtime = Depends(get_runtime),
) -> JobOut:
    """Compare the catalogue, the stored pictures and the galleries, and mend what differs.

    The job's report says what was found. One is at work at a time; asked again for the same, the
    answer is the job that is under way.
    """
    with runtime.database.write() as session:
        job = ensure_reconcile(session, runtime.queue, request, actor.name)
        return service.to_schema(job)


@router.get("/{job_id}", summary="How a job stands")
def get_job(job_id: str, runtime: Runtime = Depends(get_runtime)) -> JobOut:
    """The job as it stands now; ask again for progress."""
    with runtime.database.read() as session:
        return service.to_schema(service.get(session, job_id))


@router.get("/{job_id}/items", summary="A job's report, line by line")
def list_items(
    job_id: str,
    state: Literal["pending", "done", "failed"] | None = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    runtime: Runtime = Depends(get_runtime),
) -> Page[JobItemOut]:
    """One page of the job's items: each file, row or image, what became of it, and why."""
    with runtime.database.read() as session:
        return service.items(session, job_id, state=state, cursor=cursor, limit=limit)


@router.get(
    "/{job_id}/items.csv",
    summary="A job's report as CSV",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
def report(
    job_id: str,
    state: Literal["pending", "done", "failed"] | None = None,
    runtime: Runtime = Depends(get_runtime),
) -> StreamingResponse:
    """The report for a spreadsheet, streamed. Refused rows of manifests are in it as they were:
    mend them, and import the file again."""
    with runtime.database.read() as session:
        service.get(session, job_id)
    name = "akin-refusals" if state == "failed" else "akin-report"
    return StreamingResponse(
        report_table(runtime.database, job_id, state),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-{job_id}.csv"'},
    )


@router.post("/{job_id}/cancel", status_code=202, summary="Cancel a job")
def cancel_job(
    job_id: str, actor: Actor = _MANAGER, runtime: Runtime = Depends(get_runtime)
) -> JobOut:
    """Stop the job at its next batch; what it has done so far stays."""
    with runtime.database.write() as session:
        return service.to_schema(service.cancel(session, job_id, actor.name))


@router.post("/{job_id}/retry", status_code=202, summary="Retry a failed or cancelled job")
def retry_job(
    job_id: str, actor: Actor = _MANAGER, runtime: Runtime = Depends(get_runtime)
) -> JobOut:
    """Run the job once more; it goes on where it stopped."""
    with runtime.database.write() as session:
        job = service.retry(session, runtime.queue, job_id, actor.name)
        return service.to_schema(job)
