"""The audit log over HTTP, for admins."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, BeforeValidator, StringConstraints

from backend.accounts.actor import require
from backend.audit import service
from backend.audit.audit_table import audit_table
from backend.audit.schemas import AuditFilter, AuditLineOut
from backend.dependencies import get_runtime
from backend.paging import Page
from backend.problems import PROBLEM_RESPONSES
from backend.runtime import Runtime

router = APIRouter(
    prefix="/v1",
    tags=["audit"],
    responses={status: PROBLEM_RESPONSES[status] for status in (403, 422)},
    dependencies=[Depends(require("admin"))],
)

_LINE: dict[str, Any] = {
    "id": 4711,
    "at": "2026-11-26T12:00:00Z",
    "actor": "ann",
    "action": "product.update",
    "subject_kind": "product",
    "subject_id": "0b9f2f0e-6d0c-4f59-9a3f-2f6b8a1b7c11",
    "label": "TEE-0042",
    "before": {"price": "19.90", "attributes.colour": "red"},
    "after": {"price": "14.90", "attributes.colour": "crimson"},
    "request_id": "3f2a9c1e4b5d6f70",
}
_PAGE = {"items": [_LINE], "next_cursor": "WzQ3MTFd", "total": 1204}
_CSV = (
    "time,actor,action,subject_kind,subject_id,label,before,after,request_id\r\n"
    "2026-11-26T12:00:00+00:00,ann,product.delete,product,0b9f2f0e,TEE-0042,"
    '"{""title"": ""Red tee""}",,\r\n'
)


def _no_number(given: Any) -> Any:
    """Pydantic would take one for seconds since 1970, which no description says."""
    try:
        float(given)
    except (TypeError, ValueError):
        return given
    raise ValueError("it is a number: give a date and time such as 2026-11-26T12:00:00Z")


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError("the time is outside of the calendar") from error


Text = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
Action = Annotated[str, StringConstraints(max_length=40, pattern=r"^[a-z_]+[a-z_.]*$")]
At = Annotated[datetime, BeforeValidator(_no_number), AfterValidator(_in_utc)]


def asked_for(
    actor: Annotated[Text | None, Query(description="Who did it.")] = None,
    action: Annotated[
        Action | None, Query(description="The action or its beginning.", examples=["product."])
    ] = None,
    subject_kind: Annotated[Text | None, Query(examples=["product"])] = None,
    subject_id: Text | None = None,
    since: Annotated[At | None, Query(alias="from", description="From this moment on.")] = None,
    until: Annotated[At | None, Query(alias="to", description="Before this moment.")] = None,
) -> AuditFilter:
    """Which changes a request means; a time without a zone is UTC."""
    return AuditFilter(
        actor=actor,
        action=action,
        subject_kind=subject_kind,
        subject_id=subject_id,
        since=since,
        until=until,
    )


@router.get(
    "/audit",
    summary="Who changed what",
    responses={200: {"content": {"application/json": {"example": _PAGE}}}},
)
def get_audit(
    wanted: AuditFilter = Depends(asked_for),
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    runtime: Runtime = Depends(get_runtime),
) -> Page[AuditLineOut]:
    """One page of the changes of models, data and users, newest first."""
    with runtime.database.read() as session:
        return service.list_lines(session, wanted, cursor=cursor, limit=limit)


@router.get(
    "/audit.csv",
    summary="Who changed what, as CSV",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}, "example": _CSV}}}},
)
def get_audit_table(
    wanted: AuditFilter = Depends(asked_for), runtime: Runtime = Depends(get_runtime)
) -> StreamingResponse:
    """All of these changes for a spreadsheet, newest first, streamed."""
    return StreamingResponse(
        audit_table(runtime.database, wanted),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="akin-audit.csv"'},
    )
