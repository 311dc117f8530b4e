"""The Ray cluster that a search runs on, and ways to send a search to one.

In reading order:
    connection.py     connects to a cluster or starts one; slots; machines
    storage_check.py  checks that every node sees the same storage
    jobs.py           a search as a `ray submit` or `ray job submit` command
    submit.py         runs such a command and follows the search to its exit code
"""
