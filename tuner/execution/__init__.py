"""Running attempts: in this process, on Ray Tune, several in one stack.

An executor decides nothing: it asks `tuner.controller` for attempts, and passes on how
they begin, report, fail and return.

In reading order:
    worker.py      TrialTask, contexts, run_attempt: one attempt in the process that trains
    messages.py    keys of a report, check of its metrics
    devices.py     GPUs and threads of a trial
    preflight.py   is a study runnable: hooks, metrics, sampled and extreme configurations
    in_process.py  a search or a single trial without Ray
    ray_tune/      a search on Ray Tune
    stacking/      several trials in one Ray trial; used by `ray_tune`, for `resources.stack` above 1
"""
