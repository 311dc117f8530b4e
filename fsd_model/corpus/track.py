"""The tracks of ASVspoof 2019, logical access (LA) and physical access (PA), and the paths of their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fsd_model.corpus.voices import Split


@dataclass(frozen=True)
class Track:
    """Names and paths of a track below a corpus folder.

    Attributes:
        name: LA or PA, also the name of its folder.
        title: name of its corpus in messages.
        home: folder of `corpus.json`, relative to the corpus folder.
    """

    name: str
    title: str
    home: str

    def protocol(self, root: Path, split: Split) -> Path:
        """Return the protocol file of a split below the corpus folder `root`."""
        kind = "trn" if split == "train" else "trl"
        folder = root / self.name / f"ASVspoof2019_{self.name}_cm_protocols"
        return folder / f"ASVspoof2019.{self.name}.cm.{split}.{kind}.txt"

    def audio(self, root: Path, split: Split) -> Path:
        """Return the folder of a split's FLAC files below the corpus folder `root`."""
        return root / self.name / f"ASVspoof2019_{self.name}_{split}" / "flac"

    def summary(self, root: Path) -> Path:
        """Return the path of `corpus.json`, beside `LA/` and inside `PA/`."""
        return root / self.home / "corpus.json"


LA = Track("LA", "demo corpus", ".")
PA = Track("PA", "replay demo corpus", "PA")
