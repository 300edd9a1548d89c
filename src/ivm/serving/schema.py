"""Bodies of requests and answers, as OpenAPI describes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ivm.core.errors import OptionError
from ivm.masking.style import Color, style_options
from ivm.serving.outputs import Format, Output


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _is_text(text: str) -> str:
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("half a character, which no text has")
    return text


def _once(names: list[Any]) -> list[Any]:
    return list(dict.fromkeys(names))


class Question(BaseModel):
    """What is asked about a picture, and as what the answer shall come."""

    model_config = ConfigDict(extra="forbid")

    instructions: Annotated[list[Annotated[str, AfterValidator(_is_text)]], BeforeValidator(_listed)] = Field(
        min_length=1,
        description="What to keep, or the task that needs it, each answered by itself; one may come without the list.",
        examples=[["the red cup", "the green plate"]],
    )
    threshold: float = Field(0.5, ge=0, le=1, description="What the heatmap gives more is kept.")
    preset: Literal["paper", "v1"] = Field("paper", description="How the mask is grown and softened.")
    fill_color: str | None = Field(
        None,
        max_length=64,
        description='What replaces the rest in highlight and crop: "white", "#808080", "rgb(1,2,3)".',
    )
    blur: int | None = Field(None, description="Size of the blur in pixels, odd, 1 to 4095; 201 without it.")
    dilate: int | None = Field(
        None, description='How far the mask is grown in pixels, odd, 1 to 4095; 21 without it. Only for preset "paper".'
    )
    outputs: Annotated[list[Output], BeforeValidator(_listed), AfterValidator(_once)] = Field(
        ["highlight"], max_length=16, description="Pictures to render, and run lengths; one may come without the list."
    )
    format: Format = Field("png", description="PNG loses nothing, WebP is small.")

    def style(self) -> dict[str, Any]:
        """Return the preset and the options that were given, as `MaskResult.from_logits` takes them.

        Raises:
            OptionError: the colour is none.
        """
        color = None if self.fill_color is None else _color(self.fill_color)
        return style_options(self.preset, color, self.blur, self.dilate)


class SessionRequest(BaseModel):
    """A picture to be kept, as JSON."""

    model_config = ConfigDict(extra="forbid")

    image: str = Field(description="The picture's file in base64, or a data: URL of it. Addresses are not fetched.")


class MaskRequest(SessionRequest, Question):
    """A picture with what is asked about it, as JSON."""


class Rle(BaseModel):
    """The target's mask in COCO's run-length encoding."""

    size: list[int] = Field(description="[height, width]")
    counts: str


class Result(BaseModel):
    """The answer to one instruction."""

    instruction: str
    width: int
    height: int
    preset: str
    threshold: float
    found: float | None = Field(
        description="Calibrated probability that it is in the picture; null if the model has none."
    )
    kept_whole: bool = Field(description="Nothing was found, so all pictures show the whole picture.")
    bbox: list[int] = Field(description="[x0, y0, x1, y1] around what is kept, half-open, in pixels.")
    target_bbox: list[int] | None = Field(description="The same without the soft edge; null where nothing was found.")
    area: int = Field(description="Pixels of the target.")
    coverage: float = Field(description="Share of the picture that is the target, 0 to 1.")
    pictures: dict[str, str] = Field(description="Each picture that was asked for, as a data: URL.")
    rle: Rle | None = None


class MaskAnswer(BaseModel):
    """The answers to all instructions, in order."""

    model: str
    results: list[Result]


class SessionAnswer(BaseModel):
    """A picture that is kept."""

    id: str
    width: int
    height: int
    seconds: float = Field(description="The session ends when it was not used for so long.")


class Health(BaseModel):
    """The server's state."""

    status: Literal["ok", "starting", "stopping"]
    model: str


class ProblemDetail(BaseModel):
    """What was wrong."""

    type: str = Field(description="A word for programs.")
    message: str = Field(description="A sentence for people: what was wrong, and the remedy.")


class Problem(BaseModel):
    """The body of every answer that is not the one asked for."""

    error: ProblemDetail


def _color(text: str) -> Color:
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(text)[:3]
    except ValueError:
        raise OptionError(f"fill_color must be a name such as white, #rrggbb or rgb(1,2,3), not {text!r}") from None
