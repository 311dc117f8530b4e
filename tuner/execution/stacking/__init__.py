"""Several trials in one Ray trial, trained as one model. Experimental: used for `resources.stack` above 1.

In reading order:
    worker.py   a stack in its process: members report, leave and join
    channel.py  messages of a stack, and its side of the conversation
    mailbox.py  the actor that holds the driver's answers
    driver.py   the driver's side: messages to the controller, its answers to the mailbox

It has not run on a GPU. It stays if eight stacked trials take at most half the time of the eight in turn
(`make bench-gpu`); otherwise it is deleted with `fsd_model.experimental.stacked`.
"""
