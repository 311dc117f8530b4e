"""The commands that know speech, one file each: score, windows, serve, evaluate, compare, package, cuts,
data, corpus.

Heavy imports happen inside the commands, so that the help is fast.
"""
