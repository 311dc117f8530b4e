"""A forecast as text: one line per quantity, warnings last."""

from __future__ import annotations

from collections.abc import Callable

from tuner.forecast.forecast import Estimate, Forecast, MeasuredTrial
from tuner.study.study import Study
from tuner.text import HOUR_S, duration, params_text, size


def forecast_lines(study: Study, forecast: Forecast) -> list[str]:
    """Return the lines: forecast, measurements, warnings."""
    at_most = "at most" if forecast.expected.bound else "about"
    finals = f" and at most {forecast.expected.finals} of the finalists" if forecast.expected.finals else ""
    reports = (
        f"{at_most} {forecast.expected.reports:.0f} {study.report_unit}s ({study.scheduler.name}){finals}"
    )
    rows = [("forecast", f"{forecast.trials} trials, {reports}, {forecast.slots} at once")]
    if (most := study.resources.stack) > 1:
        text = (
            f"up to {most} trials in each of {forecast.slots}; the forecast counts them one after the other"
        )
        rows.append(("stacks", f"{text}; their joint memory is not measured"))
    rows += [
        ("smallest", _measured(study, forecast.smallest)),
        ("largest", _measured(study, forecast.largest)),
    ]
    rows.append(("time", _estimate(forecast.seconds, duration, at_most)))
    if forecast.gpu_seconds.high > 0:
        rows.append(
            ("GPU hours", _estimate(forecast.gpu_seconds, lambda seconds: f"{seconds / HOUR_S:.3g}", at_most))
        )
    rows.append(("memory", f"{_estimate(forecast.memory, size)} at once, there is {size(forecast.room)}"))
    rows.append(("disk", f"{_estimate(forecast.disk, size)} for checkpoints"))
    if forecast.gpu_share is not None:
        held = f"{round(1 / forecast.gpu_share)} of the largest fit on a GPU"
        rows.append(("GPU share", f"resources.gpu: {forecast.gpu_share:g}  ({held} by memory)"))
    rows += [("warning", text) for text in warnings(study, forecast)]
    return [f"{title:<12}{text}" for title, text in rows]


def warnings(study: Study, forecast: Forecast) -> list[str]:
    """Return what the search would run into: budget, memory."""
    texts = []
    limits = [
        (study.budget.wall_hours, forecast.seconds, "hours"),
        (study.budget.gpu_hours, forecast.gpu_seconds, "GPU hours"),
    ]
    for limit, seconds, unit in limits:
        if limit is not None and seconds.mean > limit * HOUR_S:
            done = limit * HOUR_S / seconds.mean * forecast.trials
            text = f"budget: {limit:g} {unit}, but the forecast is {seconds.mean / HOUR_S:.3g}"
            texts.append(f"{text}: the search ends after about {done:.0f} of {forecast.trials} trials")
    if forecast.memory.high > forecast.room:
        need, room = size(forecast.memory.high), size(forecast.room)
        text = f"{need} of memory may be in use at once, but there are {room}"
        texts.append(f"{text}; set a lower concurrency, or more resources.cpu per trial")
    return texts


def comparison_line(forecast: dict[str, float], seconds: float) -> str:
    """Compare a forecast with the time a search took.

    Args:
        forecast: low, mean and high, seconds.
        seconds: measured.
    """
    expected = f"{duration(forecast['mean'])} ({duration(forecast['low'])} to {duration(forecast['high'])})"
    apart = seconds / forecast["mean"] - 1
    return f"{expected}; it took {duration(seconds)}, {abs(apart):.0%} {'more' if apart > 0 else 'less'}"


def _estimate(estimate: Estimate, text: Callable[[float], str], at_most: str = "about") -> str:
    low, mean, high = (text(each) for each in (estimate.low, estimate.mean, estimate.high))
    return f"{at_most} {mean}" if low == high else f"{at_most} {mean} ({low} to {high})"


def _measured(study: Study, trial: MeasuredTrial) -> str:
    report, start = duration(trial.report_s), duration(trial.load_s + trial.start_s)
    times = f"{report} per {study.report_unit}, {start} to start"
    sizes = f"{size(trial.memory)}, {size(trial.checkpoint)} per checkpoint"
    return f"{times}, {sizes}  [{params_text(trial.params)}]"
