"""Several configurations trained as one model. Experimental: no GPU has run it.

trainer.py   StackedTrainer: members join and leave between epochs
epoch.py     one epoch of all members
network.py   K networks as one, by grouped convolutions and batched products
modules.py   the modules of which that network is made
loss.py      the losses of all members, by `torch.vmap` of the losses of one
adam.py      one optimiser step for all members

It stays if `make bench-gpu` (under 10 minutes) shows that eight stacked trials take at most half the time of
the eight in turn; on CPUs it takes 0.84 to 1.35 times their time (docs/stack.md).
"""
