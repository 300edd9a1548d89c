"""`Masker`: one mask model, asked about single pictures, batches, one picture many times, and streams."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Literal, overload

import numpy as np

from ivm.core.errors import BatchError, InputError, IvmError, ModelError, OptionError
from ivm.core.instruction import check_instruction
from ivm.core.model import MaskModel, RGBImage
from ivm.inference.pairs import Question, load_chunks, load_frozen, pair
from ivm.inference.seam import Answer, ask, encode
from ivm.masking import MaskResult
from ivm.masking.heatmap import check_threshold
from ivm.masking.style import make_style


class PicturesFailedError(BatchError):
    """Some items of a batch failed; `results` holds, in order, every item's `MaskResult` or error."""

    def __init__(self, results: list[MaskResult | IvmError]) -> None:
        self.results = results
        failed = [(place, item) for place, item in enumerate(results) if isinstance(item, IvmError)]
        place, first = failed[0]
        super().__init__(
            f"{len(failed)} of {len(results)} items failed, the first is item {place}: {first} "
            "(the others are in this error's `results`)"
        )


class Masker:
    """Answers instructions about pictures with any `MaskModel`.

    Pictures are whatever `ivm.load_image` takes: a path, bytes, a PIL image, or an (H, W, 3) uint8 array. `style` goes
    to `MaskResult.from_logits`: the preset, the fill colour, the sizes of blur and dilation.
    """

    def __init__(self, model: MaskModel) -> None:
        self.model = model

    def __repr__(self) -> str:
        return f"Masker({self.model.name!r})"

    def __call__(self, image: Any, instruction: str, threshold: float = 0.5, **style: Any) -> MaskResult:
        """Mask one picture.

        Args:
            image: a picture.
            instruction: what to keep, or the task in which it is needed: "the red cup", "pick up the red cup".
            threshold: in [0, 1]; what the heatmap gives more is kept.
            **style: see `MaskResult.from_logits`.

        Returns:
            A mapping with the seven pictures of the paper, rendered when asked for.

        Raises:
            ImageError: the picture cannot be used.
            InstructionError: the instruction is empty or too long.
            ThresholdError: the threshold is not a number in [0, 1].
            OptionError: a style has a value outside its range.
            ModelError: the model failed.
        """
        check_style(threshold, style)
        instruction = check_instruction(instruction)
        with self.open(image) as view:
            return view(instruction, threshold, **style)

    def open(self, image: Any) -> View:
        """Load and encode a picture once, to ask about it often: `with masker.open(image) as view: view("pan")`.

        Raises:
            ImageError: the picture cannot be used.
            ModelError: the model failed.
        """
        return View(self.model, load_frozen(image))

    def each(
        self,
        pairs: Iterable[tuple[Any, str]],
        *,
        threshold: float = 0.5,
        batch_size: int = 16,
        ahead: bool = True,
        **style: Any,
    ) -> Generator[MaskResult | IvmError, None, None]:
        """Answer any number of (picture, instruction) pairs lazily, in order and in bounded memory.

        Args:
            pairs: read `batch_size` at a time; pictures of all sizes may be mixed.
            threshold: in [0, 1], for all.
            batch_size: pairs that the model answers at once.
            ahead: load the next pictures while the model works on these.
            **style: see `MaskResult.from_logits`.

        Returns:
            An iterator that gives one result, or the error that took its place, per pair.

        Raises:
            ThresholdError: the threshold is not a number in [0, 1].
            OptionError: a style or the batch size is outside its range.
        """
        check_style(threshold, style)
        if batch_size < 1:
            raise OptionError(f"The batch size must be at least 1, not {batch_size}")
        return self._each(load_chunks(pairs, batch_size, ahead=ahead), threshold, style)

    @overload
    def batch(
        self, images: Any, instructions: str | Sequence[str], *, on_error: Literal["raise"] = "raise", **options: Any
    ) -> list[MaskResult]: ...

    @overload
    def batch(
        self, images: Any, instructions: str | Sequence[str], *, on_error: Literal["return"], **options: Any
    ) -> list[MaskResult | IvmError]: ...

    def batch(
        self,
        images: Any,
        instructions: str | Sequence[str],
        *,
        threshold: float = 0.5,
        batch_size: int = 16,
        on_error: Literal["raise", "return"] = "raise",
        **style: Any,
    ) -> list[MaskResult] | list[MaskResult | IvmError]:
        """Mask many pictures, of any sizes; for more than fit into memory use `each`.

        Args:
            images: a list of pictures, or one picture for all instructions.
            instructions: a list as long, or one instruction for all pictures.
            threshold: in [0, 1], for all.
            batch_size: pairs that the model answers at once.
            on_error: "raise" raises after all others are done, "return" puts the error in the bad item's place.
            **style: see `MaskResult.from_logits`.

        Returns:
            One result per pair, in order.

        Raises:
            PicturesFailedError: some items failed; its `results` holds the others.
            InputError: the lists do not go together.
            ThresholdError: the threshold is not a number in [0, 1].
            OptionError: a style, `batch_size` or `on_error` is outside its range.
        """
        if on_error not in ("raise", "return"):
            raise OptionError(f"on_error is 'raise' or 'return', not {on_error!r}")
        items = list(self.each(pair(images, instructions), threshold=threshold, batch_size=batch_size, **style))
        good = [item for item in items if isinstance(item, MaskResult)]
        if len(good) == len(items):
            return good
        if on_error == "raise":
            raise PicturesFailedError(items)
        return items

    def stream(
        self,
        frames: Iterable[Any],
        instruction: str | None = None,
        *,
        threshold: float = 0.5,
        batch_size: int = 1,
        **style: Any,
    ) -> Iterator[MaskResult]:
        """Mask the frames of a video or a robot's camera as they come, without end and in bounded memory.

        Args:
            frames: pictures; or (picture, instruction) pairs where no `instruction` is given. A frame is read only
                when its result is asked for, and copied, so a camera may reuse its buffer.
            instruction: one for all frames.
            threshold: in [0, 1].
            batch_size: 1 answers each frame at once; more is faster for a recorded video.
            **style: see `MaskResult.from_logits`.

        Yields:
            One result per frame, in order.

        Raises:
            IvmError: the first frame that fails ends the stream.
        """
        pairs = ((frame, instruction) for frame in frames) if instruction is not None else frames
        # Loading copies, but only once a whole batch of frames was read.
        own = ((frame.copy() if isinstance(frame, np.ndarray) else frame, text) for frame, text in pairs)
        items = self.each(own, threshold=threshold, batch_size=batch_size, ahead=batch_size > 1, **style)
        return _or_raise(items)

    def _each(
        self, chunks: Generator[list[Question | IvmError], None, None], threshold: float, style: dict[str, Any]
    ) -> Generator[MaskResult | IvmError, None, None]:
        with closing(chunks):
            for chunk in chunks:
                yield from self._results(chunk, threshold, style)

    def _results(
        self, chunk: list[Question | IvmError], threshold: float, style: dict[str, Any]
    ) -> list[MaskResult | IvmError]:
        questions = [item for item in chunk if isinstance(item, Question)]
        answers = iter(self._answers(questions))
        results: list[MaskResult | IvmError] = []
        for item in chunk:
            if isinstance(item, IvmError):
                results.append(item)
            elif isinstance(answer := next(answers), ModelError):
                results.append(answer)
            else:
                results.append(result_of(item.image, answer, threshold, style))
        return results

    def _answers(self, questions: list[Question]) -> list[Answer | ModelError]:
        """Answer all at once or, where the model fails on the whole, one by one, to find out which one it is."""
        if not questions:
            return []
        images = {question.key: question.image for question in questions}
        try:
            features = dict(zip(images, encode(self.model, list(images.values())), strict=True))
            return ask(self.model, [features[q.key] for q in questions], [q.instruction for q in questions])
        except ModelError as error:
            if len(questions) == 1:
                return [error]
        return [answer for question in questions for answer in self._answers([question])]


class View:
    """One encoded picture, made by `Masker.open`; ask it until it is closed."""

    def __init__(self, model: MaskModel, image: RGBImage) -> None:
        self._model = model
        self._features: Any = encode(model, [image])[0]
        self._open = True
        self.image = image

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the features."""
        self._features = None
        self._open = False

    def __call__(self, instruction: str, threshold: float = 0.5, **style: Any) -> MaskResult:
        """Ask one instruction about the picture.

        Raises:
            InstructionError: the instruction is empty or too long.
            ThresholdError: the threshold is not a number in [0, 1].
            OptionError: a style has a value outside its range.
            ModelError: the model failed.
            InputError: the view is closed.
        """
        return self.many([instruction], threshold, **style)[0]

    def many(self, instructions: Sequence[str], threshold: float = 0.5, **style: Any) -> list[MaskResult]:
        """Ask several instructions in one call of the model; raises as a single one does, for the first that fails."""
        if not self._open:
            raise InputError("This view is closed: ask inside its `with` block, or open the picture again")
        check_style(threshold, style)
        checked = [check_instruction(instruction) for instruction in instructions]
        if not checked:
            return []
        results = []
        for answer in ask(self._model, [self._features] * len(checked), checked):
            if isinstance(answer, ModelError):
                raise answer
            results.append(result_of(self.image, answer, threshold, style))
        return results


def result_of(image: RGBImage, answer: Answer, threshold: float, style: Mapping[str, Any]) -> MaskResult:
    """Build the result of a model's answer; raises as `MaskResult.from_logits` does."""
    return MaskResult.from_logits(image, answer.logits, threshold=threshold, found=answer.presence, **style)


def check_style(threshold: float, style: Mapping[str, Any]) -> None:
    """Raise what `MaskResult.from_logits` would, before the model works for nothing.

    Raises:
        ThresholdError: the threshold is not a number in [0, 1].
        OptionError: a style has a value outside its range.
    """
    check_threshold(threshold)
    make_style(**{"preset": "paper", **style})


def _or_raise(items: Generator[MaskResult | IvmError, None, None]) -> Iterator[MaskResult]:
    with closing(items):
        for item in items:
            if isinstance(item, IvmError):
                raise item
            yield item
