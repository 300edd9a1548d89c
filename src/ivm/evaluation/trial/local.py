"""A multimodal model of transformers in this process, as an `Answerer`."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ivm.core.errors import FetchError, LmmAnswerError, UnknownModelError
from ivm.core.extras import optional
from ivm.core.model import RGBImage
from ivm.data.sources.base import stamp
from ivm.evaluation.trial.answering import MAX_TOKENS, Reply, ranking

LIKELIEST = 500
"""Tokens among which the letters of options are looked for."""


class LocalAnswerer:
    """Asks a model with `AutoModelForImageTextToText`, one question at a time."""

    def __init__(
        self, model: Any, processor: Any, *, name: str, weights: str = "", max_tokens: int = MAX_TOKENS
    ) -> None:
        """Take a model over.

        Args:
            model: a transformers model that generates from pictures and text.
            processor: its processor, with a chat template.
            name: for the report.
            weights: what tells its weights apart.
            max_tokens: longest reply.
        """
        self._model, self._processor = model.eval(), processor
        self._name, self._weights, self._max_tokens = name, weights, max_tokens
        self._lock = threading.Lock()

    @classmethod
    def load(cls, source: str, *, max_tokens: int = MAX_TOKENS) -> LocalAnswerer:
        """Load from a folder or the hub; remote code is never run.

        Args:
            source: folder or hub id.
            max_tokens: longest reply.

        Raises:
            MissingExtraError: transformers or torch is not installed.
            UnknownModelError: it is no multimodal model that transformers knows.
            FetchError: its files are neither here nor to be had.
        """
        transformers, torch = optional("transformers"), optional("torch")
        device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            processor = transformers.AutoProcessor.from_pretrained(source)
            model = transformers.AutoModelForImageTextToText.from_pretrained(source, dtype="auto").to(device)
        except OSError as error:
            raise FetchError(
                f"{source!r} cannot be loaded ({str(error).splitlines()[0]}): check name and network"
            ) from None
        except (ValueError, KeyError) as error:
            raise UnknownModelError(
                f"{source!r} is no model for pictures and text that transformers knows ({str(error).splitlines()[0]}): "
                "serve it, and give --url"
            ) from None
        folder = Path(source)
        files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
        weights = stamp(*files) if files else str(getattr(model.config, "_commit_hash", "") or "")
        return cls(model, processor, name=source, weights=weights, max_tokens=max_tokens)

    @property
    def about(self) -> Mapping[str, Any]:
        """See `Answerer.about`; decoding is greedy."""
        told = {"model": self._name, "weights": self._weights, "max_tokens": self._max_tokens}
        return {"answerer": "transformers", **told, "dtype": str(self._model.dtype)}

    def ask(self, pictures: Sequence[RGBImage], prompt: str, letters: str = "") -> Reply:
        """See `Answerer.ask`."""
        from PIL import Image

        torch = optional("torch")
        parts: list[dict[str, Any]] = [{"type": "image", "image": Image.fromarray(one)} for one in pictures]
        message = {"role": "user", "content": [*parts, {"type": "text", "text": prompt}]}
        begun = time.perf_counter()
        with self._lock, torch.inference_mode():
            try:
                inputs = self._processor.apply_chat_template(
                    [message], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
                ).to(self._model.device, dtype=self._model.dtype)
                length = inputs["input_ids"].shape[1]
                if letters:
                    text, ranked, count = "", self._ranked(torch, inputs, letters), 1
                else:
                    made = self._model.generate(**inputs, do_sample=False, max_new_tokens=self._max_tokens)[0, length:]
                    text, ranked = str(self._processor.decode(made, skip_special_tokens=True)), None
                    count = len(made)
            except (ValueError, RuntimeError) as error:
                raise LmmAnswerError(f"{self._name} could not answer: {str(error).splitlines()[0]}") from error
        return Reply(
            text=text,
            ranked=ranked,
            latency_s=time.perf_counter() - begun,
            prompt_tokens=int(length),
            completion_tokens=int(count),
        )

    def _ranked(self, torch: Any, inputs: Any, letters: str) -> dict[str, float]:
        logits = self._model(**inputs).logits[0, -1].float()
        values, ids = torch.log_softmax(logits, -1).topk(min(LIKELIEST, len(logits)))
        pairs = zip(ids.tolist(), values.tolist(), strict=True)
        sums: dict[str, float] = {}
        for token, value in pairs:  # several ids may spell the same
            text = self._processor.decode([token])
            sums[text] = max(value, sums.get(text, value))
        return ranking(sums, letters)
