"""A chat request of OpenAI's protocol: which pictures are in it, what is asked, and the same with other pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ivm.core.errors import InstructionError
from ivm.core.instruction import MAX_WORDS, check_instruction
from ivm.serving.proxy_json import Edit, Node, scan, splice


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a message."""

    path: str
    """Where it is, as OpenAI's errors name it: "messages[0].content[1].image_url"."""
    url: str
    place: Node
    """Its address in the text, with the quotes."""
    part: Node
    """The part of the message that it is in."""


class Change(NamedTuple):
    """What becomes of a picture; the addresses are data URLs, in which JSON escapes nothing."""

    instead: str | None = None
    """Takes its place."""
    beside: str | None = None
    """Comes after it, in a copy of its part."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat request and what matters of it."""

    text: str
    pictures: Sequence[Picture]
    instruction: str | None
    """The last text of a user; None where no user wrote any."""

    def with_pictures(self, changes: Iterable[Change]) -> str:
        """The request with other pictures, one change for each; every other character stays as it is."""
        edits: list[Edit] = []
        for picture, change in zip(self.pictures, changes, strict=True):
            place, part = picture.place, picture.part
            if change.instead is not None:
                edits.append(Edit(place.start, place.end, f'"{change.instead}"'))
            if change.beside is not None:
                before, after = self.text[part.start : place.start], self.text[place.end : part.end]
                edits.append(Edit(part.end, part.end, f',{before}"{change.beside}"{after}'))
        return splice(self.text, edits)


def read_chat(body: bytes) -> Chat:
    """Read the body of `POST /chat/completions`.

    A part of a message counts as a picture where it has an `image_url`, whatever else it says it is, because servers
    differ in what they look at.

    Raises:
        ValueError: it is not JSON in UTF-8, or nested too deep.
    """
    text = body.decode("utf-8")
    root = scan(text)
    pictures = [
        picture
        for messages in root.get("messages")
        for number, message in enumerate(messages.items())
        for picture in _pictures(message, f"messages[{number}]")
    ]
    return Chat(text, pictures, _last_user_text(root))


def first_words(text: str) -> tuple[str, bool]:
    """Cut a text to what a model can be asked, `MAX_WORDS` words.

    Returns:
        The text, and whether it was cut.

    Raises:
        InstructionError: it holds no word.
    """
    pieces = text.split()
    failure = InstructionError("never raised")
    # A piece may hold several words ("up/down"), so fewer pieces may be needed.
    for count in (len(pieces), *range(min(len(pieces), MAX_WORDS), 0, -1)):
        try:
            return check_instruction(" ".join(pieces[:count])), count < len(pieces)
        except InstructionError as error:
            failure = error
    raise failure


def _pictures(message: Node, path: str) -> Iterator[Picture]:
    for content in message.get("content"):
        for number, part in enumerate(content.items()):
            for holder in part.get("image_url"):
                for place in [holder, *holder.get("url")]:
                    if place.string is not None:
                        yield Picture(f"{path}.content[{number}].image_url", place.string, place, part)


def _last_user_text(root: Node) -> str | None:
    messages = root.last("messages")
    for message in reversed(messages.items() if messages else []):
        role, content = message.last("role"), message.last("content")
        if role is None or content is None or role.string != "user":
            continue
        texts = [content.string] if content.string is not None else [_text_of(part) for part in content.items()]
        text = "\n".join(one for one in texts if one)
        if text.strip():
            # Half of a character (a lone surrogate) may stand in JSON, but in no text that is sent on.
            return text.encode("utf-8", "replace").decode("utf-8")
    return None


def _text_of(part: Node) -> str | None:
    text = part.last("text")
    return part.string if text is None else text.string
