"""MLflow: one run per study, one run per trial below it. Nothing else imports mlflow.

tracking.py         Tracking: an event listener that delivers a search to MLflow; attach(), find_experiment()
delivery.py         events in order from a background thread, with retries
runs.py             events -> runs, each event carried out once
best_reports.py     best report, cost and last checkpoint of each trial
labels.py           names, tags and parameters of runs
trial_artifacts.py  what a trial's checkpoint holds to look at
artifacts.py        files, datasets and the champion
model.py            the champion as a registered model
client.py           the client, and what its errors mean
address.py          address of the store (apart, so that it can be read without importing mlflow)
view.py             links, and the prepared view for comparing trials
server.py           `fsd-tuner ui`: the MLflow server of a study folder
evaluations.py      openings of the evaluation split as runs (an entry point of the evaluation log)
"""
