"""Code written for GPUs that no GPU has run yet: off by default, imported by `fsd_model.trial` only.

cuda_graph.py   one update recorded as a CUDA graph and replayed (`runtime.cuda_graph`)
stacked/        several trials trained as one model (`resources.stack`)

What decides whether they stay, and the command that measures it in under 10 minutes: `make bench-gpu`.
A recorded update must take at most half the time of the eager one, and eight stacked trials at most half the
time of the eight in turn; what does not reach its figure on a GPU is deleted.
"""
