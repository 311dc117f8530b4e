"""The trial function of a search, `fsd_model.trial:run`, and its companions."""

from fsd_model.detector.mlflow_model import served
from fsd_model.trial.artifacts import illustrate
from fsd_model.trial.control_arms import arms, seeded
from fsd_model.trial.exit_choices import exits, export, trade_off
from fsd_model.trial.preparation import check, cost, describe, prepare
from fsd_model.trial.report.sections import sections
from fsd_model.trial.retry import relieve
from fsd_model.trial.run_trial import run, run_stack
from fsd_model.trial.stacked_run import stackable

__all__ = [
    "arms",
    "check",
    "cost",
    "describe",
    "exits",
    "export",
    "illustrate",
    "prepare",
    "relieve",
    "run",
    "run_stack",
    "sections",
    "seeded",
    "served",
    "stackable",
    "trade_off",
]
