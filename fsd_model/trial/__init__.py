"""What a search calls: the trial function `fsd_model.trial:run` and its hooks (docs/trial.md).

In reading order:

run_trial.py         run: train and report; save_trial: what a checkpoint contains
building.py          the trainer of a trial; plugs in experimental code
preparation.py       prepare, describe, cost, check: before the first trial
retry.py             retry_settings: what to change after a failure
leave_attack_out.py  the unseen-attacks objective; attack_folds.py has its folds
control_arms.py      arms, reseeded: for `fsd-tuner ablate` and finalists
exit_choices.py      exits, export, trade_off: each exit as a detector
artifacts.py         draw_plots, and the files of a trial in MLflow
report/              report_sections: what speech adds to the report
stacked_run.py       run_stack, stackable: several trials as one model (experimental)
context.py           the context that a search gives to a trial
"""

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
