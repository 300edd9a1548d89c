"""The policy's network: an image encoder whose blocks the instruction modulates, and a head for chunks of actions.

B pictures, T words, P pieces of a word, C channels, H x W cells, K steps of a chunk, A numbers of an action.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ivm.core.errors import OptionError
from ivm.core.instruction import BUCKETS


@dataclass(frozen=True, kw_only=True)
class PolicyConfig:
    """Sizes of a policy.

    Attributes:
        channels: 3 of a picture, and one more where a soft mask is given beside it.
        width: channels of the encoder's blocks.
        blocks: how many of them, each modulated by the instruction.
        words: length of the instruction's vector.
        hidden: width of the head.
        state: numbers of the robot's own state.
        action: numbers of an action; the last one is the grip.
        chunk: actions that are predicted at once.
    """

    channels: int = 3
    width: int = 32
    blocks: int = 4
    words: int = 48
    hidden: int = 160
    state: int = 5
    action: int = 4
    chunk: int = 4

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if type(value) is not int or not 1 <= value <= 4096:
                raise OptionError(f"{name} must be a whole number from 1 to 4096, not {value!r}")


class Instruction(nn.Module):
    """Reads word pieces (`core.instruction.token_batch`) in their order."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.pieces = nn.Embedding(2 * BUCKETS + 1, size, padding_idx=0)
        self.order = nn.GRU(size, size, batch_first=True)

    def forward(self, tokens_BTP: Tensor) -> Tensor:
        """Return (B, size) float32."""
        words_BTC = self.pieces(tokens_BTP).sum(2)
        there_BT = (tokens_BTP[..., 0] > 0).long()
        out_BTC, _ = self.order(words_BTC)
        last_B = there_BT.sum(1).clamp(min=1) - 1
        picked: Tensor = out_BTC[torch.arange(len(out_BTC)), last_B]
        return picked


class FilmBlock(nn.Module):
    """A residual block whose channels the instruction scales and shifts (Perez et al., "FiLM", AAAI 2018, eq. 1)."""

    def __init__(self, width: int, words: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width + 2, width, 1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.GroupNorm(4, width)
        self.film = nn.Linear(words, 2 * width)

    def forward(self, x_BCHW: Tensor, grid_B2HW: Tensor, words_BC: Tensor) -> Tensor:
        """Return the features (B, C, H, W), modulated."""
        inner = torch.relu(self.first(torch.cat([x_BCHW, grid_B2HW], 1)))
        gain, shift = self.film(words_BC)[:, :, None, None].chunk(2, dim=1)
        found: Tensor = x_BCHW + torch.relu(self.norm(self.second(inner)) * (1 + gain) + shift)
        return found


class PolicyNetwork(nn.Module):
    """Maps a picture, the robot's state and an instruction to the next actions."""

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.words = Instruction(config.words)
        self.stem = nn.Sequential(
            nn.Conv2d(config.channels, width, 5, stride=2, padding=2),
            nn.GroupNorm(4, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.GroupNorm(4, width),
            nn.ReLU(),
        )
        self.blocks = nn.ModuleList(FilmBlock(width, config.words) for _ in range(config.blocks))
        self.points = nn.Conv2d(width, width, 1)
        numbers = 2 * width + width + config.state + config.words
        self.head = nn.Sequential(
            nn.Linear(numbers, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.chunk * config.action),
        )

    def forward(self, image_BCHW: Tensor, state_BS: Tensor, tokens_BTP: Tensor) -> Tensor:
        """Predict actions.

        Args:
            image_BCHW: float32 in [0, 1].
            state_BS: float32 in [-1, 1].
            tokens_BTP: int64, see `core.instruction.token_batch`.

        Returns:
            (B, K, A) float32: places in [-1, 1], and as the last number the logit of closing the grip.
        """
        words_BC = self.words(tokens_BTP)
        x_BCHW = self.stem(image_BCHW * 2 - 1)
        grid_B2HW = _grid(x_BCHW)
        for block in self.blocks:
            x_BCHW = block(x_BCHW, grid_B2HW, words_BC)
        points_BN = spatial_softmax(self.points(x_BCHW))
        most_BC = x_BCHW.amax((2, 3))
        out: Tensor = self.head(torch.cat([points_BN, most_BC, state_BS, words_BC], 1))
        return out.view(-1, self.config.chunk, self.config.action)


def _grid(x_BCHW: Tensor) -> Tensor:
    """Coordinates (B, 2, H, W) in [-1, 1]: column, row."""
    batch, _, height, width = x_BCHW.shape
    rows = torch.linspace(-1, 1, height, dtype=x_BCHW.dtype)[:, None].expand(height, width)
    columns = torch.linspace(-1, 1, width, dtype=x_BCHW.dtype)[None].expand(height, width)
    return torch.stack([columns, rows])[None].expand(batch, 2, height, width)


def spatial_softmax(x_BCHW: Tensor) -> Tensor:
    """Where each channel is strongest (Levine et al., "End-to-End Training of Deep Visuomotor Policies", JMLR 2016).

    Returns:
        (B, 2 C) float32: mean column and row of each channel's softmax, in [-1, 1].
    """
    grid_2N = _grid(x_BCHW)[0].flatten(1)
    share_BCN = torch.softmax(x_BCHW.flatten(2), -1)
    return torch.cat([share_BCN @ grid_2N[0], share_BCN @ grid_2N[1]], 1)


def chunk_loss(out_BKA: Tensor, wanted_BKA: Tensor, there_BK: Tensor) -> Tensor:
    """Return the mean loss: squared error of places, cross entropy of the grip.

    Args:
        out_BKA: of `PolicyNetwork`.
        wanted_BKA: the expert's actions, the grip -1 or 1.
        there_BK: float32, 0 behind the end of an episode.
    """
    place = (out_BKA[..., :-1] - wanted_BKA[..., :-1]).abs().mean(-1)
    shut = (wanted_BKA[..., -1] > 0).to(out_BKA.dtype)
    grip = nn.functional.binary_cross_entropy_with_logits(out_BKA[..., -1], shut, reduction="none")
    loss: Tensor = ((place + 0.1 * grip) * there_BK).sum() / there_BK.sum().clamp(min=1)
    return loss
