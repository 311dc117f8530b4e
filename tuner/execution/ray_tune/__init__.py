"""A search on Ray Tune, through its own extension points. One attempt is one Ray trial.

In reading order:
    run.py            builds `tune.Tuner` and runs `fit()`
    searcher.py       StudySearcher (Ray's Searcher): hands out the controller's attempts
    scheduler.py      StudyScheduler (Ray's TrialScheduler): reports in, CONTINUE or STOP out, as
                      `Controller.reported` decides; BudgetStopper (Ray's Stopper) ends the whole search
    callback.py       StudyCallback (Ray's Callback): begin, end and death of a Ray trial
    failures.py       what a failed Ray trial means for its attempts
    trainable.py      the function trainable
    process_group.py  one trial over several processes
"""
