"""Training one configuration, without a search. Read trainer.py first.

trainer.py           Trainer: the training loop, a generator of epochs; `save` and `load`: what a resume needs
config.py            TrainConfig: everything that a training depends on
data.py              TrainingData, batches of an epoch
optim.py             Adam and its learning rate
runtime.py           device, precision, threads, seeds
checkpoint.py        the file of that state, `state.pt`, written whole or not at all
validation.py        scores and EER of every exit on dev
epoch_metrics.py     names and values of what an epoch reports
exit_metrics.py      the same for each exit
resource_metrics.py  latency, memory, time
cost.py              multiply-adds; orders configurations by their cost
objective.py         the objective of a search: dev, or unseen attacks
export.py            Trainer -> detector folder
"""

from fsd_model.training.config import TrainConfig
from fsd_model.training.trainer import Trainer

__all__ = ["TrainConfig", "Trainer"]
