"""Schedulers as plain rules: what happens to a trial after a report; none knows Ray, Optuna or MLflow."""
