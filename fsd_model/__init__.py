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

At the root, for all packages:

    labels.py        bona fide = 1, spoof = 0, higher score = more bona fide
    settings.py      base class of all settings: frozen, unknown keys are errors
    errors.py        InputError: what the user must fix, in one line
    atomic_write.py  files and folders written whole or not at all
    progress.py      the progress bar
    cli.py           adds the commands to `fsd-tuner`; one file per command in commands/

docs/method.md gives the equations and names the function that computes each.
"""
