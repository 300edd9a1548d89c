"""Florence-2 (arXiv 2311.06242): writes places into its answer, so it outlines by itself, or gives boxes to SAM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers.modeling_outputs import BaseModelOutput

from ivm.core.errors import CheckpointError
from ivm.core.model import Prediction, RGBImage
from ivm.models.experts.boxes import Detections, in_picture
from ivm.models.experts.regions import BINS, boxes_of, inside_of, read_regions
from ivm.models.experts.runtime import Runtime, running

DETECT = "Locate {} in the image."
OUTLINE = "Locate {} in the image with mask"
"""The words that it was trained with, for open-vocabulary detection and for referring expressions."""

QUESTIONS_AT_ONCE = 4
LONGEST = 1024
"""Tokens of an answer at most; outlines are long."""

SURE = 10.0
"""The logit inside an outline, and outside of it with a minus: an outline has no soft edge."""


class Florence2Features(NamedTuple):
    """One encoded picture."""

    tokens: Tensor
    """(P, width), what the language half reads of it."""
    size: tuple[int, int]
    """(height, width) of the picture."""


class Answer(NamedTuple):
    """What was generated for one question."""

    text: str
    """With special tokens."""
    confidence: float
    """In (0, 1]: the geometric mean of its tokens' probabilities; not calibrated."""


class Florence2:
    """Text to boxes with Florence-2; all boxes of an answer share its confidence."""

    threshold = 0.0
    """It writes down only what it found."""

    def __init__(self, model: Any, processor: Any, runtime: Runtime, *, name: str) -> None:
        """Join a `Florence2ForConditionalGeneration` and its `Florence2Processor`.

        Raises:
            CheckpointError: the processor expects another number of picture tokens than the model makes, or its
                tokenizer knows no places.
        """
        self.name = name
        self._model, self._processor, self._runtime = model, processor, runtime
        tokenizer = processor.tokenizer
        if tokenizer.convert_tokens_to_ids(f"<loc_{BINS - 1}>") in (None, tokenizer.unk_token_id):
            raise CheckpointError(f"The tokenizer of {name} knows no <loc_{BINS - 1}>: get it from a Florence-2")
        made = self.encode([np.zeros((8, 8, 3), np.uint8)])[0].tokens.shape[0]
        if made != processor.num_image_tokens:
            raise CheckpointError(
                f"Florence-2 makes {made} tokens of a picture, but its processor expects {processor.num_image_tokens}: "
                "get both from one folder"
            )

    def encode(self, images: Sequence[RGBImage]) -> list[Florence2Features]:
        """Run the image encoder, a picture at a time.

        Args:
            images: (H, W, 3) uint8 RGB each.

        Raises:
            ModelError: the network failed.
        """
        return [Florence2Features(self._tokens(image), image.shape[:2]) for image in images]

    def detect(self, features: Sequence[Florence2Features], texts: Sequence[str]) -> list[Detections]:
        """Find boxes for each text.

        Raises:
            ModelError: the network failed.
        """
        found = []
        for one, answer in zip(features, self.answers(features, texts, DETECT), strict=True):
            boxes = boxes_of(read_regions(answer.text, boxes=True), one.size)
            found.append(in_picture(boxes, np.full(len(boxes), answer.confidence), one.size))
        return found

    def answers(self, features: Sequence[Florence2Features], texts: Sequence[str], prompt: str) -> list[Answer]:
        """Generate an answer to each question.

        Args:
            features: of the pictures.
            texts: what to look for.
            prompt: `DETECT` or `OUTLINE`.

        Raises:
            ModelError: the network failed.
        """
        told: list[Answer] = []
        for start in range(0, len(texts), QUESTIONS_AT_ONCE):
            some = slice(start, start + QUESTIONS_AT_ONCE)
            with running(self.name):
                told += self._generate(features[some], [prompt.format(text) for text in texts[some]])
        return told

    def _tokens(self, image: RGBImage) -> Tensor:
        with running(self.name):
            made = self._processor.image_processor(image, input_data_format="channels_last", return_tensors="pt")
            pixels = made["pixel_values"].to(self._runtime.device, self._runtime.dtype)
            tokens: Tensor = self._model.get_image_features(pixels).pooler_output[0]
        return tokens

    def _generate(self, features: Sequence[Florence2Features], prompts: list[str]) -> list[Answer]:
        rows = [self._embedded(one.tokens, prompt) for one, prompt in zip(features, prompts, strict=True)]
        embedded = pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(row) for row in rows], device=embedded.device)
        mask = (torch.arange(embedded.shape[1], device=embedded.device) < lengths[:, None]).long()
        # The language half reads picture and question once; then the answer is written.
        seen = self._model.get_encoder()(inputs_embeds=embedded, attention_mask=mask).last_hidden_state
        most = min(LONGEST, self._model.config.text_config.max_position_embeddings) - 2
        out = self._model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=seen),
            attention_mask=mask,
            max_new_tokens=most,
            do_sample=False,
            output_scores=True,
            return_dict_in_generate=True,
        )
        chances = self._model.compute_transition_scores(
            out.sequences, out.scores, getattr(out, "beam_indices", None), normalize_logits=True
        )
        return [
            Answer(self._processor.tokenizer.decode(ids[1:], skip_special_tokens=False), _mean(own))
            for ids, own in zip(out.sequences, chances.float().cpu(), strict=True)
        ]

    def _embedded(self, tokens: Tensor, prompt: str) -> Tensor:
        """(T, width): a picture's tokens, and the words after them."""
        tokenizer = self._processor.tokenizer
        words = tokenizer(
            f"{tokenizer.bos_token}{prompt}{tokenizer.eos_token}",
            add_special_tokens=False,
            truncation=True,
            max_length=self._model.config.text_config.max_position_embeddings - len(tokens),
        ).input_ids
        ids = torch.tensor(words, device=self._runtime.device)
        return torch.cat([tokens, self._model.get_input_embeddings()(ids).to(tokens.dtype)])


def _mean(log_chances: Tensor) -> float:
    """The geometric mean of chances, of which what stands after an answer's end is -inf or 0."""
    own = log_chances[torch.isfinite(log_chances) & (log_chances < 0)]
    return float(own.mean().exp()) if len(own) else 1.0


class Florence2Outlines:
    """The `MaskModel` of Florence-2 by itself: its outlines are the mask.

    Presence is the answer's confidence, 0 where it outlines nothing; it is not a calibrated probability.
    """

    def __init__(self, detector: Florence2) -> None:
        self.name, self.detector = detector.name, detector

    def encode(self, images: Sequence[RGBImage]) -> list[Florence2Features]:
        """Run the image encoder; see `MaskModel.encode`.

        Raises:
            ModelError: the network failed.
        """
        return self.detector.encode(images)

    def predict(self, features: Sequence[Florence2Features], instructions: Sequence[str]) -> Prediction:
        """Outline what is asked for; see `MaskModel.predict`.

        Returns:
            logits (h, w) float32 each, `SURE` inside the outlines and -`SURE` outside, on a grid of at most one cell a
            bin, and presence (N,) in [0, 1].

        Raises:
            ModelError: the network failed.
        """
        logits, presence = [], []
        for one, answer in zip(features, self.detector.answers(features, instructions, OUTLINE), strict=True):
            regions = read_regions(answer.text, boxes=False)
            scale = min(1.0, BINS / max(one.size))
            grid = max(1, round(one.size[0] * scale)), max(1, round(one.size[1] * scale))
            logits.append(np.where(inside_of(regions, grid), np.float32(SURE), np.float32(-SURE)))
            presence.append(answer.confidence if regions else 0.0)
        return Prediction(logits, np.array(presence, np.float32))
