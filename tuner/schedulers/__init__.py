"""Schedulers: which trial is stopped, paused, resumed or cloned after a report.

Read in this order:

* `scheduler`: the protocol `Scheduler`, and `Decision` with its `Action`.
* `factory`: the scheduler that a study names. To add one, write a class and name it there and in
  `tuner.study.settings.SchedulerConfig`.
* `fifo`: no early stopping; base class of the others.
* `asha`: successive halving by Ray Tune, held back where early ranks do not predict later ones (`rungs`).
* `median`: median stopping by Ray Tune.
* `ray_scheduler`: adapter for Ray Tune's schedulers.
* `race`: t-test against the best complete trial.
* `early_discarding`: one cut after the grace period.
* `pbt`: population based training, with perturbed settings from `explore`.
* `pb2`: population based bandits, with the Gaussian process in `pb2_model`.
* `loss`: the study's metric turned so that lower is better.
* `diagnostics`: what a scheduler measured, as metrics and lines of text.

A scheduler is a deterministic function of what it was given, so a resumed search restores it by replaying the
journal. Nothing here knows Optuna or MLflow, and Ray is imported only for asha and median.
"""
