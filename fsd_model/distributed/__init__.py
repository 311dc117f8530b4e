"""Several processes that train one model together.

processes.py         rank, shares of a batch, sums over all processes
sync_batch_norm.py   batch norm over all processes, on any backend
"""
