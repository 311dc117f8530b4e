"""The deployed model: `Detector` loads, scores and decides.

In reading order:

detector.py          load, score, decide
card.py              DetectorCard: everything but the weights
files.py             detector.json and weights.safetensors, with digests
model_card.py        README.md of a detector
calibration.py       score -> log-likelihood ratio
operating_point.py   prior, costs, threshold, verdict
dev_results.py       metrics on dev, for the card
exit_plan.py         which exits a detector uses
exit_networks.py     networks with one, several or early exits
batch_scoring.py     many files, in batches
windows.py           long recordings, window by window
mlflow_model.py      the detector as an MLflow model
"""

from fsd_model.detector.detector import Detector as Detector
