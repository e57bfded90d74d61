"""The client's calls about jobs: their state, their reports, cancel and retry."""

from __future__ import annotations

from collections.abc import Iterator

from backend.client_transport import Transport
from backend.jobs.schemas import JobItemOut, JobKind, JobOut, ReconcileRequest
from backend.paging import Page


class JobCalls(Transport):
    """What runs long, whoever began it; raises as `AkinClient` says."""

    def jobs(
        self,
        *,
        state: str | None = None,
        kind: JobKind | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[JobOut]:
        """One page of jobs, newest first."""
        return self._page(JobOut, "/v1/jobs", state=state, kind=kind, cursor=cursor, limit=limit)

    def job(self, job_id: str) -> JobOut:
        """One job as it stands."""
        return self._get(JobOut, f"/v1/jobs/{job_id}")

    def job_items(
        self, job_id: str, *, state: str | None = None, cursor: str | None = None, limit: int = 200
    ) -> Page[JobItemOut]:
        """One page of a job's report."""
        path = f"/v1/jobs/{job_id}/items"
        return self._page(JobItemOut, path, state=state, cursor=cursor, limit=limit)

    def job_report(self, job_id: str, state: str | None = None) -> Iterator[bytes]:
        """A job's report as CSV, streamed; with `state` failed, what was refused."""
        query = {} if state is None else {"state": state}
        yield from self._chunks(f"/v1/jobs/{job_id}/items.csv", **query)

    def cancel_job(self, job_id: str) -> JobOut:
        """Ask a job to stop."""
        return JobOut.model_validate(self._send("POST", f"/v1/jobs/{job_id}/cancel"))

    def retry_job(self, job_id: str) -> JobOut:
        """Queue a failed or cancelled job again; what was done stays done."""
        return JobOut.model_validate(self._send("POST", f"/v1/jobs/{job_id}/retry"))

    def reconcile(self, request: ReconcileRequest) -> JobOut:
        """Compare SQL, blobs and galleries, and mend what differs: the job that does it."""
        return self._post(JobOut, "/v1/jobs/reconcile", request)
