"""The model card: what a person must know before using a detector, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsd_model.networks.build import NetworkFactory

if TYPE_CHECKING:
    from fsd_model.detector.card import DetectorCard

MODEL_CARD_FILE = "README.md"

_TEXT = """# Fake speech detector

Tells bona fide speech from spoofed speech (synthesised, converted, replayed) by one score for an utterance.
Front end `{feature}`, network `{network}`{exits}, {parameters:,} parameters. Written by fsd-tuner;
`detector.json` holds all of this for machines.

## What a score means

**Higher = more bona fide.** The score itself has no unit. Its log-likelihood ratio (natural logarithm) has:

    llr = {slope:.6g} * score + {offset:.6g}

llr 0 speaks for neither side, +2.3 says that such a score is 10 times as frequent among bona fide speech,
-2.3 among spoofed speech. Fitted on dev ({bonafide} bona fide, {spoof} spoofed utterances): Cllr
{cllr:.3f} bits before, {calibrated:.3f} after (0 is perfect, 1 says nothing).{warning}

## Decision

Prior {prior:g} % spoofed; refusing bona fide speech costs {cost_miss:g}, accepting spoofs {cost_fa:g}.
Least cost (Bayes): **bona fide from llr {threshold:+.4f} on**, spoof below.
On dev this refuses {miss:.2f} % of bona fide speech and accepts {false_alarm:.2f} % of spoofed speech.
Other priors and costs: `--prior-spoof`, `--cost-miss`, `--cost-false-alarm`, or the arguments of `decide`.

## Equal error rate on dev

**{eer:.2f} %**, 95 % interval {low:.2f} to {high:.2f} % ({resamples} draws of {units} {unit}s).
Optimistic: dev chose the epoch, and in a search the configuration. For information: both error rates meet at
score {eer_threshold:+.4f}.

| attack | EER on dev % |
|---|---|
{attacks}

## Training data

- corpus: `{root}` (track {track}, format {format}); licence: {licence}
- SHA-256 of train and dev (audio, names, labels): `{data_digest}`
- {left_out}
- chosen epoch {epoch}, seed {seed}, fingerprint of the configuration `{fingerprint}`

## Limits

- Attacks, speakers, languages, codecs and rooms that are not in the training data were not seen; there the
  error rates are higher, often by far, and the log-likelihood ratios overstate what is known.
- It looks at the first {seconds} of a recording; a shorter one is repeated to that length.
- A score is one piece of evidence, not proof.

## Use

```python
from fsd_model.detector import Detector

detector = Detector.load("this/folder"{allow_code})
score = detector.score(waveform, sample_rate)  # float32 mono in [-1, 1]
print(score, detector.llr(score), detector.decide(score))
```

On the command line: `fsd-tuner score this/folder FILE...`{allow_flag}. Loading unpickles nothing.

`weights.safetensors` SHA-256: `{weights}`. Made with {versions}.
"""

_NO_EVIDENCE = """

**On dev these scores carried no evidence (slope 0), so every ratio is 0. Do not use this detector.**"""


def model_card(card: DetectorCard, weights_sha256: str) -> str:
    """Return the text of `README.md`."""
    own = isinstance(card.network, NetworkFactory)
    left_out = f"{len(card.left_out)} bad files were left out, listed in `detector.json`"
    return _TEXT.format(
        feature=card.feature.kind,
        network=_network(card),
        exits=_exits(card),
        parameters=card.parameters,
        warning=_NO_EVIDENCE if card.calibration.slope == 0 else "",
        data_digest=card.data_digest,
        left_out=left_out if card.left_out else "no file was left out",
        epoch=card.epoch,
        seed=card.seed,
        fingerprint=card.fingerprint,
        seconds="samples that the network takes" if card.feature.kind == "waveform" else "5 s",
        allow_code=", allow_code=True" if own else "",
        allow_flag=" `--allow-code`" if own else "",
        weights=weights_sha256,
        versions=", ".join(f"{name} {version}" for name, version in card.versions.items()),
        **_decision(card),
        **_metrics(card),
        **_data(card),
    )


def _exits(card: DetectorCard) -> str:
    """Return the line about exits, if it is not only the deepest."""
    plan = card.exits
    places = ", ".join(map(str, plan.places))
    if plan.use == "exit":
        return f" up to block {places}"
    if plan.use == "ensemble":
        return f", mean of the exits behind blocks {places}"
    if plan.use == "early":
        return f", left at the first exit (behind blocks {places}) with |llr| of {plan.confidence:g} or more"
    return ""


def _network(card: DetectorCard) -> str:
    network = card.network
    return network.factory if isinstance(network, NetworkFactory) else f"{network.family} {network.depth}"


def _decision(card: DetectorCard) -> dict[str, float]:
    point, calibration = card.operating_point, card.calibration
    return {
        "slope": calibration.slope,
        "offset": calibration.offset,
        "bonafide": calibration.bonafide,
        "spoof": calibration.spoof,
        "prior": 100 * point.prior_spoof,
        "cost_miss": point.cost_miss,
        "cost_fa": point.cost_false_alarm,
        "threshold": point.threshold,
    }


def _metrics(card: DetectorCard) -> dict[str, float | str]:
    dev = card.dev
    rows = [f"| {attack} | {100 * rate:.2f} |" for attack, rate in dev.eer_by_attack.items()]
    return {
        "cllr": dev.cllr,
        "calibrated": dev.cllr_calibrated,
        "miss": 100 * dev.miss,
        "false_alarm": 100 * dev.false_alarm,
        "eer": 100 * dev.eer,
        "low": 100 * dev.eer_interval.low,
        "high": 100 * dev.eer_interval.high,
        "resamples": dev.eer_interval.resamples,
        "units": dev.eer_interval.units,
        "unit": dev.eer_interval.unit,
        "eer_threshold": dev.eer_threshold,
        "attacks": "\n".join(rows),
    }


def _data(card: DetectorCard) -> dict[str, str]:
    data = card.data
    return {"root": str(data.root), "track": data.track, "format": data.format, "licence": card.licence}
