"""The evaluation split. Only the final evaluation imports this module: nothing the search runs may see it."""

from __future__ import annotations

from fsd_model.dataset import DataConfig
from fsd_model.protocol import Utterance, read_protocol, track_folder


def read_eval(data: DataConfig) -> list[Utterance]:
    """Read the evaluation split; arguments, result and errors as `fsd_model.dataset.read_split`."""
    track = data.track
    folder = track_folder(data.root, track)
    protocol = folder / f"ASVspoof2019_{track}_cm_protocols" / f"ASVspoof2019.{track}.cm.eval.trl.txt"
    return read_protocol(protocol, folder / f"ASVspoof2019_{track}_eval" / "flac", track)
