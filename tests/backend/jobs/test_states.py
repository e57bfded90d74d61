"""The life of a job, event by event."""

from __future__ import annotations

from typing import get_args

import pytest

from backend.errors import Conflict
from backend.jobs.schemas import FINISHED, JobState
from backend.jobs.states import HELD, NEXT, Event, after
from backend.jobs.tables import JOB_STATES

STATES = get_args(JobState)
EVENTS = get_args(Event)


def test_the_api_the_table_and_the_rules_know_the_same_states() -> None:
    assert set(STATES) == set(JOB_STATES)
    assert {state for state, _ in NEXT} | set(NEXT.values()) == set(STATES)


def test_only_a_claim_gives_a_lease() -> None:
    for (state, event), following in NEXT.items():
        if following in HELD and state not in HELD:
            assert event == "claim"


def test_only_a_retry_brings_a_finished_job_back() -> None:
    for state in FINISHED:
        assert {event for event in EVENTS if (state, event) in NEXT} <= {"retry"}


def test_every_job_can_still_come_to_an_end() -> None:
    ends = set(FINISHED)
    for _ in STATES:
        ends |= {state for (state, _), following in NEXT.items() if following in ends}
    assert ends == set(STATES)


@pytest.mark.parametrize(
    ("state", "event", "sentence"),
    [
        ("done", "cancel", "The job is done: there is nothing left to cancel."),
        ("running", "retry", "The job is running: only a failed or cancelled job can be retried."),
        (
            "queued",
            "start",
            "The job is queued: only an import that is still collecting files can be started.",
        ),
        ("done", "claim", "The job is done: it cannot claim now."),
    ],
)
def test_what_cannot_happen_is_told(state: JobState, event: Event, sentence: str) -> None:
    with pytest.raises(Conflict) as told:
        after(state, event)
    assert told.value.sentence == sentence
