"""What must survive a crash: every event of a search, written before anybody acts on it.

In reading order:
    event.py    Event, EventKind
    journal.py  appends events to a file, reads them
    replica.py  copy of the journal in the storage
    record.py   StudyRecord, TrialRecord: the state that events add up to
    folder.py   the study folder: locked, new, resumed
"""
