"""The search itself, without Ray: what runs next, what a report means, what a failure costs.

The controller decides and runs nothing; `tuner.execution` runs and decides nothing.

In reading order:
    controller.py      Controller: next attempt, report, failure, budget, resume
    attempts.py        Attempt; TrialQueue: which trials wait, run or are paused
    lifecycle.py       the steps of a trial: journal first, then searcher and scheduler
    replay.py          the same steps, taken again from a journal on resume
    retry.py           RetryPolicy: is a failed attempt retried, with which changed settings
    tracebacks.py      a failed attempt as one line, its full traceback as a file
    budget.py          GPU and wall hours, and when they are spent
    resource_clock.py  seconds that trials have held their resources
    stacking.py        which trials can share a stack
"""
