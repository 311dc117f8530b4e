"""The method: hard, soft and feature loss between the exits of one network (arXiv 2303.01211).

total_loss.py        DistillConfig; L = a L_hard + r (g sum L_soft + b sum L_feature)
hard_loss.py         A-softmax and its annealing
soft_losses.py       KL (`soft_loss`), Jensen-Shannon, standardised margin, all softened by temperature T
feature_losses.py    MSE, cosine, attention transfer, similarity preserving
teacher.py           who teaches whom: deepest exit, ensemble, moving average
schedules.py         how T, ramp and exit weights change over training
distiller.py         the loss of one batch, with what outlives an update
"""
