"""The cheap half of `ivm-nano`: from features and an instruction to a heatmap.

Shape suffixes: N questions, L words, P pieces of a word, C channels, H and W pixels, D text width, J slots, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ivm.core.instruction import BUCKETS, MAX_WORDS
from ivm.models.nano.config import PICTURE_HEADS, NanoConfig
from ivm.models.nano.encoder import conv, twice

SLOTS = 3
"""Things that one instruction may ask for, each with its own kinds and colours."""

ORDERS = 3
"""Ways to tell several alike apart: from left to right, from far to near, from small to large."""

MATCH_CHANNELS = (4 + ORDERS) * SLOTS
_FAINT = 0.01
"""Least match whose logarithm is told apart."""
_THING = 11
"""Side in places of the map of kinds within which matches count as one thing's, for its size."""

SURE = 2.0
"""Logit, before calibration, from which a place is held to its surroundings: masks are not changed by it."""
AROUND = 3
"""Side of the square of surroundings, in blocks of 2 x 2 places. Chosen on rendered scenes."""


class _Attention(nn.Module):
    """Multi-head attention of queries to keys, with a mask over the keys."""

    def __init__(self, width: int, key_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key, self.value = nn.Linear(key_width, width), nn.Linear(key_width, width)

    def forward(self, x_NQD: Tensor, keys_NLD: Tensor, bias_NL: Tensor) -> Tensor:
        """Return (N, Q, D): for each query the mix of keys that it attends to."""

        def split(t: Tensor) -> Tensor:
            return t.reshape(*t.shape[:2], self.heads, -1).transpose(1, 2)

        q, k, v = split(self.query(x_NQD)), split(self.key(keys_NLD)), split(self.value(keys_NLD))
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + bias_NL[:, None, None]
        found: Tensor = self.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return found


class TextEncoder(nn.Module):
    """Hashed pieces of words, summed to words, read by a small transformer."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        width = config.text_width
        self.pieces = nn.Embedding(2 * BUCKETS + 1, width, padding_idx=0)
        self.places = nn.Parameter(torch.randn(MAX_WORDS + 1, width) * 0.02)
        self.start = nn.Parameter(torch.randn(width) * 0.02)
        self.attention = nn.ModuleList(_Attention(width, width, config.text_heads) for _ in range(config.text_layers))
        self.mlp = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
            for _ in range(config.text_layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * config.text_layers + 1))

    def forward(self, tokens_NLP: Tensor) -> tuple[Tensor, Tensor]:
        """Read instructions.

        Args:
            tokens_NLP: int64 ids from `core.instruction.token_batch`, 0 is padding.

        Returns:
            The words (N, L + 1, D), the whole sentence first; and a bias on attention to them (N, L + 1), 0 or -1e4.
        """
        known_NLP = (tokens_NLP > 0).to(self.start.dtype)
        count_NL = known_NLP.sum(-1)
        words = self.pieces(tokens_NLP).sum(2) / count_NL.clamp(min=1).sqrt().unsqueeze(-1)
        whole = torch.zeros_like(words[:, :1]) + self.start
        x = torch.cat([whole, words], 1) + self.places[: words.shape[1] + 1]
        bias = torch.cat([torch.zeros_like(count_NL[:, :1]), (count_NL == 0) * -1e4], 1)
        for i, (attention, mlp) in enumerate(zip(self.attention, self.mlp, strict=True)):
            y = self.norms[2 * i](x)
            x = x + attention(y, y, bias)
            x = x + mlp(self.norms[2 * i + 1](x))
        return self.norms[-1](x), bias


class _Film(nn.Module):
    """Scale and shift channels by a sentence (Perez et al., "FiLM", arXiv 1709.07871)."""

    def __init__(self, text_width: int, channels: int) -> None:
        super().__init__()
        self.scale, self.shift = nn.Linear(text_width, channels), nn.Linear(text_width, channels)

    def forward(self, x: Tensor, sentence_ND: Tensor) -> Tensor:
        scale, shift = self.scale(sentence_ND)[..., None, None], self.shift(sentence_ND)[..., None, None]
        modulated: Tensor = x * (1 + scale) + shift
        return modulated


def _grid_places(x: Tensor) -> Tensor:
    """Column and row of each pixel of (N, C, H, W) in [-1, 1]: (N, 2, H, W), so that "left" means something."""
    # A running count, where linspace would be natural: it stays open in size when the graph is exported.
    one = torch.ones_like(x[:, :1])
    row = (one.cumsum(2) - 1) * (2 / (x.shape[2] - 1)) - 1
    column = (one.cumsum(3) - 1) * (2 / (x.shape[3] - 1)) - 1
    return torch.cat([column, row], 1)


class _Match(nn.Module):
    """Where a picture shows the kinds and the colours that an instruction asks for."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        width = config.text_width
        self.slots = nn.Parameter(torch.randn(1, SLOTS, width) * 0.5)
        self.words = _Attention(width, width, config.text_heads)
        self.norm = nn.LayerNorm(width)
        self.kinds, self.colors = nn.Linear(width, config.kinds), nn.Linear(width, config.colors)
        self.orders = nn.Linear(width, ORDERS)

    def forward(self, kinds: Tensor, colors: Tensor, words_NLD: Tensor, bias_NL: Tensor) -> Tensor:
        """Return (N, 7 J, H/8, W/8): for each slot the kinds, the colours, their product and its logarithm.

        After these, for each of the `ORDERS`, the product times how far on it is among all that match, in [-1, 1],
        turned round or left out as the words want it.
        """
        slots = self.slots.expand(words_NLD.shape[0], -1, -1)
        slots = self.norm(slots + self.words(slots, words_NLD, bias_NL))
        kind = _expected(self.kinds(slots), kinds)
        color = _expected(self.colors(slots), colors)
        both = kind * color
        asked = self.orders(slots).tanh().mT[..., None, None]
        wanted = (both[:, None] * ordered(both.float()) * asked).flatten(1, 2)
        return torch.cat([kind, color, both, (both + _FAINT).log(), wanted], 1)


def _expected(asked_NJK: Tensor, shown_NKHW: Tensor) -> Tensor:
    """Return (N, J, H, W), how likely each place shows a class that each slot asks for."""
    # A softmax over K, written out: ONNX Runtime takes several times as long for one that is not over the last axis.
    shown = shown_NKHW.float()
    odds = (shown - shown.amax(1, keepdim=True)).exp().flatten(2)
    likely = asked_NJK.float().sigmoid() @ odds / odds.sum(1, keepdim=True)
    return likely.reshape(*likely.shape[:2], *shown_NKHW.shape[2:])


def ordered(match_NJHW: Tensor) -> Tensor:
    """Return (N, 3, J, H, W) in [-1, 1]: where each place stands among all that matches, in each of the `ORDERS`.

    "The left cup" is left of the other cups, not left in the picture: what counts is the share of the match that lies
    before a place.
    """
    match = match_NJHW.square()  # what hardly matches has many places, and counts for little
    total = match.sum((2, 3), keepdim=True) + _FAINT
    column, row = match.sum(2, keepdim=True), match.sum(3, keepdim=True)
    left, above = (column.cumsum(3) - column / 2) / total, (row.cumsum(2) - row / 2) / total
    around = match
    for shape in ((_THING, 1), (1, _THING)):
        around = F.avg_pool2d(around, shape, 1, (shape[0] // 2, shape[1] // 2))
    size = around / (around.amax((2, 3), keepdim=True) + _FAINT / _THING**2)
    shares = torch.stack([left.expand_as(match), above.expand_as(match), size], 1)
    return 2 * shares - 1


def steadied(logits_N4HW: Tensor) -> Tensor:
    """Let no sure place be surer than its surroundings, so that a heatmap is highest well inside of what it means.

    Args:
        logits_N4HW: the logits of each 2 x 2 places; up to `SURE` they stay as they are.
    """
    around = F.avg_pool2d(logits_N4HW.mean(1, keepdim=True), AROUND, 1, AROUND // 2, count_include_pad=False)
    return logits_N4HW.minimum(around.clamp(min=SURE))


class Predictor(nn.Module):
    """From features and an instruction to a heatmap and to whether the thing is there."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        c4, c8, c16 = config.decoder
        width = config.text_width
        self.text = TextEncoder(config)
        self.film = nn.ModuleList(_Film(width, c) for c in (c4, c8, c16))
        self.match = _Match(config)
        self.place = nn.Conv2d(c16 + 2 + MATCH_CHANNELS, c16, 1)
        self.matched = nn.Conv2d(MATCH_CHANNELS, c8, 1)
        self.words = _Attention(c16, width, PICTURE_HEADS)
        self.pixels = _Attention(c16, c16, PICTURE_HEADS)
        self.norms = nn.ModuleList(nn.LayerNorm(c16) for _ in range(2))
        self.mix = nn.ModuleList((conv(c4, c4), conv(c8, c8), conv(c16, c16)))
        self.down = nn.ModuleList((nn.Conv2d(c16, c8, 1), nn.Conv2d(c8, c4, 1)))
        self.logits = nn.Conv2d(c4, 4, 1)
        self.presence = nn.Sequential(nn.Linear(2 * c16 + width + 1 + SLOTS, 128), nn.ReLU(), nn.Linear(128, 1))

    def forward(
        self, f4: Tensor, f8: Tensor, f16: Tensor, kinds: Tensor, colors: Tensor, tokens: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Answer N questions; row i of the features belongs to question i.

        Args:
            f4: (N, C4, H/4, W/4), see `Features`; the others likewise.
            f8: see `Features`.
            f16: see `Features`.
            kinds: see `Features`.
            colors: see `Features`.
            tokens: (N, L, P) int64.

        Returns:
            Logits (N, H/2, W/2), `steadied` but in training, and presence logits (N,), both float32.
        """
        words, bias = self.text(tokens)
        sentence = words[:, 0]
        match = self.match(kinds, colors, words, bias)
        x = F.relu(self.place(torch.cat([self.film[2](f16, sentence), _grid_places(f16), F.avg_pool2d(match, 2)], 1)))
        height, width = x.shape[2:]
        flat = x.flatten(2).transpose(1, 2)
        flat = flat + self.words(self.norms[0](flat), words, bias)
        y = self.norms[1](flat)
        coarse = F.avg_pool2d(y.transpose(1, 2).unflatten(2, (height, width)), 2).flatten(2).transpose(1, 2)
        flat = flat + self.pixels(y, coarse, torch.zeros_like(coarse[..., 0]))
        x16 = self.mix[2](flat.transpose(1, 2).unflatten(2, (height, width)))
        x8 = self.mix[1](self.film[1](f8, sentence) + self.matched(match) + twice(self.down[0](x16)))
        x4 = self.mix[0](self.film[0](f4, sentence) + twice(self.down[1](x8)))
        fours = self.logits(x4).float()
        blocks = F.avg_pool2d(fours.mean(1, keepdim=True), 4).flatten(2)
        seen = (blocks.softmax(-1) @ x16.float().flatten(2).transpose(1, 2))[:, 0]
        best = torch.cat([blocks.amax(-1), match[:, 2 * SLOTS : 3 * SLOTS].amax((2, 3))], 1)
        presence = self.presence(torch.cat([seen, x16.amax((2, 3)), sentence, best], 1))[:, 0].float()
        return F.pixel_shuffle(fours if self.training else steadied(fours), 2)[:, 0], presence
