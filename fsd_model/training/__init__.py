"""Training one configuration.

config.py            TrainConfig
trainer.py           Trainer
data.py              TrainingData, batches of an epoch
optim.py  runtime.py  checkpoint.py  validation.py
epoch_metrics.py     names and values of what an epoch reports
exit_metrics.py      the same for each exit
resource_metrics.py  latency, memory, time
cost.py              multiply-adds; which configuration is dearer
objective.py         what a trial is judged by
export.py            Trainer -> detector folder
cuda_graph.py        experimental, not run on a GPU yet: one update as one CUDA graph
"""
