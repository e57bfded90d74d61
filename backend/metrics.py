"""What a process counts and times for Prometheus. What stands in SQL is read by `backend.gauges`.

Labels are route templates, kinds, stages and codes, never ids, so that there are few of each.
"""

from __future__ import annotations

from prometheus_client import Counter, Histogram

_QUICK = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_LONG = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 4 * 3_600, 24 * 3_600)

REQUESTS = Counter("akin_requests_total", "HTTP requests", ["method", "route", "status"])
REQUEST_SECONDS = Histogram("akin_request_seconds", "Time to answer a request", ["method", "route"])
REFUSED = Counter(
    "akin_refused_total", "Requests turned away because of too many (429) or busy (503)", ["status"]
)
ERRORS = Counter("akin_errors_total", "Problem documents answered", ["status", "code"])
SEARCH_STAGE_SECONDS = Histogram(
    "akin_search_stage_seconds", "Time of each stage of a search", ["stage"], buckets=_QUICK
)

JOB_SECONDS = Histogram(
    "akin_job_seconds", "Time that a worker held a job", ["kind", "outcome"], buckets=_LONG
)
"""By outcome: done, stopped (given back or cancelled), failed, lapsed (tried again later) or lost
(the lease was taken away). Of a part of a job that another leads, whose end is none of the job's:
part, part-stopped, part-failed (left to the lead) or part-lost."""
LEASES_LOST = Counter("akin_leases_lost_total", "Leases that ran out or were taken", ["kind"])
JOB_RETRIES = Counter(
    "akin_job_retries_total", "Jobs tried again, at once or after their lease ran out", ["kind"]
)
EMBEDDED_IMAGES = Counter("akin_embedded_images_total", "Images encoded into a gallery")
EMBED_STAGE_SECONDS = Counter(
    "akin_embed_stage_seconds_total",
    "Seconds of the stages of embedding; read and decode are summed over threads",
    ["stage"],
)
INGESTED_ITEMS = Counter("akin_ingested_items_total", "Files and rows imported", ["outcome"])
INGEST_STAGE_SECONDS = Counter(
    "akin_ingest_stage_seconds_total", "Seconds of the stages of imports", ["stage"]
)
