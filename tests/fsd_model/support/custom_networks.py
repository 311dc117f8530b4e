"""Custom networks as a user writes them: factories, which tests name in `network`."""

from __future__ import annotations

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional

HERE = "tests.fsd_model.support.custom_networks"


class PlainCnn(nn.Module):
    """Convolutions without any shortcut: (B, F, T) -> (B, 6)."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.pool = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(width, 8, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(8)
        self.last = nn.Linear(8, 6)

    def forward(self, features_BFT: Tensor) -> Tensor:
        map_BCFT = self.pool(torch.relu(self.norm1(self.conv1(features_BFT[:, None]))))
        map_BCFT = functional.relu(self.norm2(self.conv2(map_BCFT)), inplace=True)
        return self.last(map_BCFT.mean((2, 3)))


class RawBlock(nn.Module):
    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(c_in, c_out, 3, padding=1), nn.BatchNorm1d(c_out), nn.LeakyReLU(inplace=True),
            nn.Conv1d(c_out, c_out, 3, padding=1),
        )  # fmt: skip
        self.shortcut = nn.Conv1d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, map_BCT: Tensor) -> Tensor:
        return functional.max_pool1d(self.body(map_BCT) + self.shortcut(map_BCT), 3)


class RawResidual(nn.Module):
    """Band-pass filters with learned edges on the samples, then residual blocks: (B, 1, S) -> (B, 12, T)."""

    def __init__(self) -> None:
        super().__init__()
        self.edges_C = nn.Parameter(torch.linspace(0.02, 0.4, 6))
        self.blocks = nn.Sequential(RawBlock(6, 6), RawBlock(6, 12), RawBlock(12, 12))

    def forward(self, features_BFT: Tensor) -> Tensor:
        samples_B1S = features_BFT.flatten(1)[:, None]
        taps_K = torch.arange(-15, 16) * torch.pi
        filters_CK = self.edges_C[:, None] * torch.sinc(self.edges_C[:, None] * taps_K)
        return self.blocks(functional.conv1d(samples_B1S, filters_CK[:, None], stride=5).abs())


class Wav2vec(nn.Module):
    """A wav2vec 2.0 encoder: (B, 1, S) -> (B, T, 24)."""

    def __init__(self, layers: int = 3, layer_drop: float = 0.0) -> None:
        super().__init__()
        self.model = torchaudio.models.wav2vec2_model(
            extractor_mode="group_norm",
            extractor_conv_layer_config=[(16, 10, 5), (16, 3, 2), (16, 3, 2)],
            extractor_conv_bias=False,
            encoder_embed_dim=24,
            encoder_projection_dropout=0.1,
            encoder_pos_conv_kernel=8,
            encoder_pos_conv_groups=4,
            encoder_num_layers=layers,
            encoder_num_heads=4,
            encoder_attention_dropout=0.1,
            encoder_ff_interm_features=48,
            encoder_ff_interm_dropout=0.1,
            encoder_dropout=0.1,
            encoder_layer_norm_first=True,
            encoder_layer_drop=layer_drop,
            aux_num_out=None,
        )

    def forward(self, features_BFT: Tensor) -> Tensor:
        return self.model(features_BFT.flatten(1))[0]


def plain_cnn(width: int = 4) -> nn.Module:
    return PlainCnn(width)


def raw_residual() -> nn.Module:
    return RawResidual()


def wav2vec(layers: int = 3, layer_drop: float = 0.0) -> nn.Module:
    return Wav2vec(layers, layer_drop)


def no_module() -> dict[str, int]:
    return {}


def broken() -> nn.Module:
    raise RuntimeError("no weights\nhere")


def tied() -> nn.Module:
    layers = nn.Sequential()
    layers.add_module("first", nn.Conv1d(45, 45, 3))
    layers.add_module("second", nn.Conv1d(45, 45, 3))
    layers.second.weight = layers.first.weight
    return layers


def norm_free() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 45)), nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 8, 3, 2), nn.ReLU(),
        nn.Conv2d(8, 8, 3, 2),
    )  # fmt: skip
