"""The cheap way through the language model: a picture's tokens once, then only what is asked.

The prompt begins with the picture and ends with the instruction, so that keys and values of everything up to the
picture's last token (the prefix) do not depend on the question. Nothing here needs the vocabulary head, and the last
layer works only on the position that is read.

Shape suffixes: N questions, P tokens of the prefix, T tokens after it (padded on the left), C channels, A attention
heads, D channels of a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

READ = -2
"""The position whose hidden state carries the answer: the last but one token of the prompt."""


@dataclass(slots=True)
class Prefix:
    """Keys and values of a picture's prefix, one pair a layer: (A, P, D) each."""

    layers: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Tokens, P."""
        return self.layers[0][0].shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return sum(tensor.nbytes for pair in self.layers for tensor in pair)

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Record one layer, in the place where attention expects a cache of transformers."""
        assert layer == len(self.layers), "layers come in order"
        self.layers.append((keys[0], values[0]))
        return keys, values


class _Continued:
    """Attention's cache for questions on prefixes; it keeps nothing, so one layer at a time is widened to N rows."""

    def __init__(self, prefixes: Sequence[Prefix]) -> None:
        self.prefixes = prefixes
        self.shared = all(prefix is prefixes[0] for prefix in prefixes)

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        return self._before(keys, layer, 0), self._before(values, layer, 1)

    def _before(self, new_NATD: Tensor, layer: int, which: int) -> Tensor:
        if self.shared:
            old = self.prefixes[0].layers[layer][which].expand(len(new_NATD), -1, -1, -1)
        else:
            old = torch.stack([prefix.layers[layer][which] for prefix in self.prefixes])
        return torch.cat([old, new_NATD], dim=2)


def record_prefix(language_model: Any, embedded_1PC: Tensor) -> Prefix:
    """Read a picture's prefix.

    Args:
        language_model: LLaVA's language model, of Llama's layout.
        embedded_1PC: (1, P, C) embeddings of the prompt's begin, with the picture's tokens in their place.
    """
    prefix = Prefix()
    length = embedded_1PC.shape[1]
    allowed = torch.ones(1, length, length, dtype=torch.bool, device=embedded_1PC.device).tril()
    shared = _shared(language_model, embedded_1PC, torch.arange(length)[None], allowed, prefix)
    x = embedded_1PC
    *layers, last = language_model.layers
    for layer in layers:
        x = _hidden(layer(x, **shared))
    last.self_attn(hidden_states=last.input_layernorm(x), **shared)  # for its keys and values alone
    return prefix


def continue_prefix(
    language_model: Any, prefixes: Sequence[Prefix], embedded_NTC: Tensor, lengths: Sequence[int]
) -> Tensor:
    """Read N questions, each after its picture's prefix.

    Args:
        language_model: LLaVA's language model, of Llama's layout.
        prefixes: N prefixes of the same length.
        embedded_NTC: (N, T, C) embeddings of what follows, padded on the left.
        lengths: N counts of tokens that are not padding.

    Returns:
        (N, C) hidden states after the last norm, at position `READ`.
    """
    total, known, device = embedded_NTC.shape[1], prefixes[0].length, embedded_NTC.device
    padding = total - torch.tensor(lengths)
    places = (known + torch.arange(total) - padding[:, None]).clamp(min=known)
    allowed = _allowed(padding.to(device), total, known)
    shared = _shared(language_model, embedded_NTC, places, allowed, _Continued(prefixes))
    x = embedded_NTC
    *layers, last = language_model.layers
    for layer in layers:
        x = _hidden(layer(x, **shared))
    attended = last.self_attn(hidden_states=last.input_layernorm(x), **shared)[0]
    x = (x + attended)[:, READ]
    x = x + last.mlp(last.post_attention_layernorm(x))
    hidden: Tensor = language_model.norm(x)
    return hidden


def _allowed(padding_N: Tensor, total: int, known: int) -> Tensor:
    """Who may look at whom: all at the prefix, and after it only at what came before and is not padding."""
    own = torch.arange(total, device=padding_N.device)
    past = (own[:, None] >= own)[None] & (own >= padding_N[:, None])[:, None]
    prefix = torch.ones(len(padding_N), total, known, dtype=torch.bool, device=padding_N.device)
    return torch.cat([prefix, past], dim=2)


def _shared(language_model: Any, like: Tensor, places: Tensor, allowed: Tensor, cache: Any) -> dict[str, Any]:
    """What every layer is given: an additive mask of `allowed` (N, queries, keys), rotations, and the cache."""
    places = places.to(like.device)
    mask = torch.zeros(allowed.shape, dtype=like.dtype, device=like.device)
    mask.masked_fill_(~allowed, torch.finfo(like.dtype).min)
    return {
        "attention_mask": mask[:, None],
        "position_ids": places,
        "position_embeddings": language_model.rotary_emb(like, position_ids=places),
        "past_key_values": cache,
    }


def _hidden(output: Any) -> Tensor:
    """A layer's hidden states; some releases of transformers return them in a tuple."""
    hidden: Tensor = output[0] if isinstance(output, tuple) else output
    return hidden
