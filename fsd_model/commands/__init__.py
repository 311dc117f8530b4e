"""The commands that know speech, one file each: score, windows, serve, evaluate, compare, package, cuts,
data, corpus; `options` has what several of them share.

Heavy imports happen inside the commands, so that the help is fast.
"""
