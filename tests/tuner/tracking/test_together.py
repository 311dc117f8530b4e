"""Events put together: none lost, none doubled, each trial's in their order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tuner.journal.event import Event, EventKind
from tuner.tracking.together import together

KINDS = [
    EventKind.TRIAL_STARTED,
    EventKind.TRIAL_REPORTED,
    EventKind.TRIAL_REPORTED,
    EventKind.TRIAL_RETRIED,
    EventKind.TRIAL_ENDED,
]
of_trials = st.builds(Event, st.sampled_from(KINDS), st.integers(0, 2), st.just({}))
of_study = st.builds(
    Event, st.sampled_from([EventKind.STUDY_RESUMED, EventKind.STUDY_ENDED]), st.none(), st.just({})
)


@given(events=st.lists(st.one_of(of_trials, of_trials, of_study), max_size=30))
def test_what_is_said_of_a_trial_and_of_the_study_stays_in_its_order(events: list[Event]) -> None:
    groups = list(together(events))
    flat = [event for group in groups for event in group]
    assert sorted(map(id, flat)) == sorted(map(id, events))
    for trial in range(3):
        seen = [each for each in flat if each.trial in (trial, None)]
        assert seen == [each for each in events if each.trial in (trial, None)]
    assert all(
        len(group) == 1 or {each.kind for each in group} == {EventKind.TRIAL_REPORTED} for group in groups
    )


def test_reports_of_two_trials_side_by_side_are_two_groups() -> None:
    events = [Event(EventKind.TRIAL_REPORTED, number % 2, {"epoch": number}) for number in range(10)]
    events.append(Event(EventKind.TRIAL_ENDED, 1))
    assert [[each.trial for each in group] for group in together(events)] == [[1] * 5, [1], [0] * 5]
