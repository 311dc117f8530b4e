"""A forecast for a person: one line a figure, warnings last."""

from __future__ import annotations

from collections.abc import Callable

from tuner.forecast.forecast import Estimate, Forecast, Measured
from tuner.study.study import Study
from tuner.text import HOUR_S, duration, shown, size


def forecast_lines(study: Study, made: Forecast) -> list[str]:
    """The lines: what was measured, what follows, what speaks against it."""
    at_most = "at most" if made.expected.bound else "about"
    finals = f" and at most {made.expected.finals} of the finals" if made.expected.finals else ""
    reports = f"{at_most} {made.expected.reports:.0f} {study.report_unit}s ({study.scheduler.name}){finals}"
    rows = [("forecast", f"{made.trials} trials, {reports}, {made.slots} at once")]
    if (most := study.resources.stack) > 1:
        text = (
            f"up to {most} trials in each of the {made.slots}; counted here one after the other, as measured"
        )
        rows.append(("stacks", f"{text}; their memory together is not measured"))
    rows += [("smallest", _measured(study, made.smallest)), ("largest", _measured(study, made.largest))]
    rows.append(("time", _range(made.seconds, duration, at_most)))
    if made.gpu_seconds.high > 0:
        rows.append(
            ("GPU hours", _range(made.gpu_seconds, lambda seconds: f"{seconds / HOUR_S:.3g}", at_most))
        )
    rows.append(("memory", f"{_range(made.memory, size)} at once, there is {size(made.room)}"))
    rows.append(("disk", f"{_range(made.disk, size)} for states"))
    if made.gpu_share is not None:
        held = f"{round(1 / made.gpu_share)} of the largest fit on a GPU"
        rows.append(("GPU share", f"resources.gpu: {made.gpu_share:g}  ({held} by memory)"))
    rows += [("warning", text) for text in warnings(study, made)]
    return [f"{title:<12}{text}" for title, text in rows]


def warnings(study: Study, made: Forecast) -> list[str]:
    """What a search would run into."""
    found = []
    limits = [
        (study.budget.wall_hours, made.seconds, "hours"),
        (study.budget.gpu_hours, made.gpu_seconds, "GPU hours"),
    ]
    for limit, seconds, unit in limits:
        if limit is not None and seconds.mean > limit * HOUR_S:
            done = limit * HOUR_S / seconds.mean * made.trials
            text = (
                f"the budget of {limit:g} {unit} is less than the {seconds.mean / HOUR_S:.3g} of the forecast"
            )
            found.append(f"{text}: it ends after about {done:.0f} of {made.trials} trials")
    if made.memory.high > made.room:
        text = f"{size(made.memory.high)} of memory may be needed at once, there is {size(made.room)}"
        found.append(f"{text}; set a lower concurrency, or more resources.cpu a trial")
    return found


def comparison_line(forecast: dict[str, float], seconds: float) -> str:
    """What was forecast and what it took.

    Args:
        forecast: low, mean and high, seconds.
        seconds: it took.
    """
    said = f"{duration(forecast['mean'])} ({duration(forecast['low'])} to {duration(forecast['high'])})"
    apart = seconds / forecast["mean"] - 1
    return f"{said}; it took {duration(seconds)}, {abs(apart):.0%} {'more' if apart > 0 else 'less'}"


def _range(figure: Estimate, text: Callable[[float], str], at_most: str = "about") -> str:
    low, mean, high = (text(each) for each in (figure.low, figure.mean, figure.high))
    return f"{at_most} {mean}" if low == high else f"{at_most} {mean} ({low} to {high})"


def _measured(study: Study, end: Measured) -> str:
    times = f"{duration(end.report_s)} per {study.report_unit}, {duration(end.load_s + end.start_s)} to start"
    return f"{times}, {size(end.memory)}, {size(end.state)} a state  [{shown(end.params)}]"
