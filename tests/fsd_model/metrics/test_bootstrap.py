"""Bootstrap intervals: coverage, equality with SciPy's, resampling of whole speakers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, norm

from fsd_model.errors import InputError
from fsd_model.metrics.bootstrap import (
    MIN_SPEAKERS,
    Interval,
    Resampling,
    bootstrap_intervals,
    edge,
    of_arrays,
    resampling,
)
from fsd_model.metrics.dcf import min_dcf, min_dcf_of
from fsd_model.metrics.eer import equal_error_of, equal_error_rate
from fsd_model.metrics.sorted_scores import Ranking


def eer(ranking: Ranking) -> float:
    return equal_error_of(ranking).rate


def interval(
    scores: np.ndarray, labels: np.ndarray, speakers: list[str] | None, seed: int, resamples: int = 199
) -> Interval:
    drawn = resampling(labels, ["-"] * len(labels), speakers)
    return bootstrap_intervals(
        scores, labels == 1, {"eer": eer}, drawn, np.random.default_rng(seed), resamples
    )["eer"]


def test_intervals_by_speaker_hold_the_truth_as_often_as_they_say() -> None:
    # a speaker's own shift is the larger part of the spread: utterances alone would be far too sure
    people, each, shift = 40, 10, 1.0
    truth = norm.cdf(-2 / (2 * np.hypot(1, shift)))  # scores are N(2 or 0, 1 + shift^2)
    labels = np.tile(np.repeat([1, 0], each // 2), people)
    speakers = [f"S{place:02}" for place in np.repeat(np.arange(people), each)]
    rng = np.random.default_rng(5)
    held = {"speaker": 0, "utterance": 0}
    for seed in range(200):
        moves = np.repeat(rng.normal(0, shift, (people, 2)), each // 2, axis=1).ravel()
        scores = 2 * labels + moves + rng.normal(size=len(labels))
        for known in (speakers, None):
            found = interval(scores, labels, known, seed)
            held[found.unit] += found.low <= truth <= found.high
    assert 0.90 <= held["speaker"] / 200 <= 0.98
    assert held["utterance"] / 200 < 0.85


@pytest.mark.parametrize("name", ["eer", "min_dcf"])
def test_intervals_by_utterance_equal_those_of_scipy(name: str) -> None:
    rng = np.random.default_rng(0)
    bonafide, spoof = rng.normal(1.5, 1, 400), rng.normal(0, 1, 600)
    labels = np.repeat([1, 0], [400, 600])
    drawn = resampling(labels, ["-"] * 400 + ["A01"] * 600, None)
    statistic = {"eer": eer, "min_dcf": min_dcf_of}[name]
    metric = {"eer": lambda b, s: equal_error_rate(b, s).rate, "min_dcf": min_dcf}[name]
    found = bootstrap_intervals(
        np.r_[bonafide, spoof], labels == 1, {name: statistic}, drawn, np.random.default_rng(1), 4_000
    )[name]
    reference = bootstrap(
        (bonafide, spoof), metric, n_resamples=4_000, vectorized=False, method="percentile", rng=2
    ).confidence_interval
    width = reference.high - reference.low
    assert found.low == pytest.approx(reference.low, abs=0.06 * width)
    assert found.high == pytest.approx(reference.high, abs=0.06 * width)


def test_any_metric_of_two_arrays_will_do() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.integers(-5, 5, 90), rng.integers(0, 2, 90)
    statistics = {"sorted once": eer, "arrays": of_arrays(lambda b, s: equal_error_rate(b, s).rate)}
    drawn = resampling(labels, ["-"] * 90, None)
    found = bootstrap_intervals(scores, labels == 1, statistics, drawn, np.random.default_rng(1), 99)
    assert found["sorted once"] == found["arrays"]


def test_the_seed_fixes_an_interval() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=80), np.arange(80) % 2
    assert interval(scores, labels, None, 1) == interval(scores, labels, None, 1)
    assert interval(scores, labels, None, 1) != interval(scores, labels, None, 2)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_draw_keeps_speakers_whole_and_roles_apart(data: st.DataObject) -> None:
    roles = data.draw(st.lists(st.sampled_from([(1,), (0,), (0, 1)]), min_size=MIN_SPEAKERS, max_size=20))
    roles[:2] = [(1,), (0,)]  # both classes exist
    rows = [(f"S{place}", label) for place, role in enumerate(roles) for label in role * 2]
    speakers, labels = [name for name, _ in rows], np.array([label for _, label in rows])
    drawn = resampling(labels, ["-"] * len(rows), speakers)
    counts = drawn.draw(np.random.default_rng(data.draw(st.integers(0, 1000))))
    assert (drawn.unit, drawn.units) == ("speaker", len(roles))
    by_speaker = {name: set(counts[[n == name for n in speakers]]) for name in speakers}
    assert all(len(times) == 1 for times in by_speaker.values())
    for role in set(roles):
        assert sum(by_speaker[f"S{p}"].copy().pop() for p, r in enumerate(roles) if r == role) == roles.count(
            role
        )
    assert counts[labels == 1].sum() > 0
    assert counts[labels == 0].sum() > 0


def test_utterances_are_drawn_among_those_of_their_attack() -> None:
    attacks = ["-"] * 5 + ["A01"] * 7 + ["A02"]
    labels = np.array([1] * 5 + [0] * 8)
    drawn = resampling(labels, attacks, None)
    counts = drawn.draw(np.random.default_rng(0))
    assert (drawn.unit, drawn.units) == ("utterance", 13)
    assert [counts[:5].sum(), counts[5:12].sum(), counts[12]] == [5, 7, 1]
    assert counts.max() > 1


@pytest.mark.parametrize(
    ("speakers", "unit"),
    [
        ([f"S{place % MIN_SPEAKERS}" for place in range(40)], "speaker"),
        ([f"S{place % (MIN_SPEAKERS - 1)}" for place in range(40)], "utterance"),
        (["-"] + [f"S{place}" for place in range(39)], "utterance"),
        (None, "utterance"),
    ],
)
def test_few_or_unknown_speakers_leave_utterances(speakers: list[str] | None, unit: str) -> None:
    assert resampling(np.arange(40) % 2, ["-"] * 40, speakers).unit == unit


def test_nothing_to_confuse_has_an_interval_of_no_width() -> None:
    found = interval(np.arange(40.0), np.repeat([0, 1], 20), None, 0)
    assert (found.low, found.high, found.units) == (0, 0, 40)


@given(level=st.sampled_from([0.5, 0.9, 0.95, 0.99]), resamples=st.integers(200, 5000))
def test_the_interval_leaves_at_most_its_share_outside(level: float, resamples: int) -> None:
    place = edge(resamples, level)
    outside = 2 * place / (resamples + 1)  # chance of a further value outside the two order statistics
    assert outside <= 1 - level + 1e-9 < outside + 2 / (resamples + 1) + 1e-9


def test_too_few_resamples_and_strange_levels_are_refused() -> None:
    assert edge(39, 0.95) == 1
    with pytest.raises(InputError, match="resamples must be at least 39 for a 95% interval, got 38"):
        edge(38, 0.95)
    for level in (0.0, 1.0, float("nan")):
        with pytest.raises(InputError, match="level of an interval must lie between 0 and 1"):
            edge(1000, level)


def test_a_resampling_of_one_unit_is_the_sample() -> None:
    alone = Resampling("speaker", np.zeros(4, dtype=np.intp), (np.array([0]),))
    assert alone.draw(np.random.default_rng(0)).tolist() == [1, 1, 1, 1]
