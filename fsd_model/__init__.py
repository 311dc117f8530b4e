"""Self-distillation for fake speech detection.

Read in this order:

    distillation/total_loss.py   the method of arXiv 2303.01211 as one function
    networks/multi_exit.py       the network it trains: segments with an exit each
    training/trainer.py          the training loop, a generator of epochs
    trial/run_trial.py           what a hyperparameter search calls

The data's way through the packages; nothing imports against it:

    data -> features -> augmentation
            features -> networks -> distillation -> training -> trial     (a search enters at trial)
    metrics -> scores -> detector -> evaluation, deployment, serving

docs/method.md gives the equations and names the function that computes each.
"""
