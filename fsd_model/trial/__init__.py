"""The trial function of a search, `fsd_model.trial:run`, and its companions."""

from fsd_model.detector.mlflow_model import as_mlflow_model
from fsd_model.trial.artifacts import draw_plots
from fsd_model.trial.control_arms import arms, reseeded
from fsd_model.trial.exit_choices import exits, export, trade_off
from fsd_model.trial.preparation import check, cost, describe, prepare
from fsd_model.trial.report.sections import report_sections
from fsd_model.trial.retry import retry_settings
from fsd_model.trial.run_trial import run, run_stack
from fsd_model.trial.stacked_run import stackable

__all__ = [
    "arms",
    "as_mlflow_model",
    "check",
    "cost",
    "describe",
    "draw_plots",
    "exits",
    "export",
    "prepare",
    "report_sections",
    "reseeded",
    "retry_settings",
    "run",
    "run_stack",
    "stackable",
    "trade_off",
]
