"""Pictures that were encoded once and are asked often: bounded in number and memory, gone after a while without use."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ivm.core.errors import SessionGoneError
from ivm.core.instruction import check_instruction
from ivm.inference.seam import Answer
from ivm.serving.batching import Encoded, nbytes_of
from ivm.serving.engine import Engine
from ivm.serving.settings import SessionSettings


@dataclass(kw_only=True)
class Session:
    """One picture, and what was asked about it so far."""

    id: str
    """Cannot be guessed: who knows it may use the session."""
    encoded: Encoded
    used: float
    """When it was used last, on the store's clock."""
    _answers: OrderedDict[str, Answer] = field(default_factory=OrderedDict)

    @property
    def nbytes(self) -> int:
        """Bytes of the picture, its features and the remembered answers."""
        return self.encoded.nbytes + sum(nbytes_of(answer.logits) for answer in self._answers.values())

    async def ask(self, engine: Engine, instructions: Sequence[str], *, remember: int = 32) -> list[Answer]:
        """Answer instructions; one that was asked before is remembered and does not go to the model again.

        Args:
            engine: the one that encoded the picture.
            instructions: any number.
            remember: answers that are kept; the ones not asked for longest are forgotten.

        Raises:
            InstructionError: an instruction is empty or too long.
            ModelError: the model failed.
        """
        checked = [check_instruction(instruction) for instruction in instructions]
        # Held here, because others may ask meanwhile, and what they ask may push these out.
        answers = {text: self._answers[text] for text in checked if text in self._answers}
        fresh = [text for text in dict.fromkeys(checked) if text not in answers]
        answers |= zip(fresh, await engine.ask(self.encoded, fresh), strict=True)
        for text in checked:
            self._answers[text] = answers[text]
            self._answers.move_to_end(text)
        while len(self._answers) > remember:
            self._answers.popitem(last=False)
        return [answers[text] for text in checked]


class SessionStore:
    """All sessions of a server. A new one that does not fit takes the place of those not used for longest."""

    def __init__(self, settings: SessionSettings | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings or SessionSettings()
        self._clock = clock
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self.expired = 0
        """Sessions that ended by time."""
        self.evicted = 0
        """Sessions that ended because others needed their place."""

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def nbytes(self) -> int:
        """Bytes that all sessions hold."""
        return sum(session.nbytes for session in self._sessions.values())

    def open(self, encoded: Encoded) -> Session:
        """Keep an encoded picture."""
        self.sweep()
        session = Session(id=secrets.token_urlsafe(16), encoded=encoded, used=self._clock())
        self._sessions[session.id] = session
        self.fit()
        return session

    def get(self, id: str) -> Session:
        """Find a session, and note that it is in use.

        Raises:
            SessionGoneError: there is none of that name, or not any more.
        """
        self.sweep()
        session = self._sessions.get(id)
        if session is None:
            raise SessionGoneError(
                f"There is no session of that name: it ended after {self.settings.seconds:g} s without use, or others "
                "needed its place; send the picture again to open a new one"
            )
        session.used = self._clock()
        self._sessions.move_to_end(id)
        return session

    def close(self, id: str) -> None:
        """End a session; SessionGoneError where there is none."""
        self.get(id)
        del self._sessions[id]

    def sweep(self) -> None:
        """End the sessions whose time is over."""
        before = self._clock() - self.settings.seconds
        while self._sessions and (oldest := next(iter(self._sessions.values()))).used < before:
            del self._sessions[oldest.id]
            self.expired += 1

    def fit(self) -> None:
        """End the sessions not used for longest until the others fit; the newest one always stays."""
        while len(self._sessions) > 1 and (
            len(self._sessions) > self.settings.max_sessions or self.nbytes > self.settings.max_memory
        ):
            self._sessions.popitem(last=False)
            self.evicted += 1
