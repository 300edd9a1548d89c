"""What `ivm mask` was asked for, read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ivm.core.errors import InstructionError

if TYPE_CHECKING:
    from ivm.inference.masker import Masker
    from ivm.inference.store import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """The arguments of `ivm mask` as values."""

    picture: str
    """A path, or "-" for standard input."""
    instruction: str | None
    output: str | None
    """A folder, "-" for standard output, or None for the default."""
    threshold: float
    style: Mapping[str, Any]
    """For `MaskResult.from_logits`."""
    shown: str
    """Key of the picture that goes to standard output."""
    pictures: Sequence[str]
    """Keys of the pictures to write."""
    model: str
    loading: Mapping[str, Any]
    """For `load`."""
    as_json: bool
    quiet: bool

    def checked_instruction(self) -> str:
        """The instruction, which a single picture and a folder need.

        Raises:
            InstructionError: there is none, or it cannot be used.
        """
        from ivm.core.instruction import check_instruction

        if self.instruction is None:
            raise InstructionError('Say what to keep after the picture, for example: ivm mask table.jpg "the red cup"')
        return check_instruction(self.instruction)

    def load(self) -> Masker:
        """Load the model; what it has to tell of that goes to standard error."""
        from ivm.cli.console import show_log
        from ivm.inference.zoo import load

        if not self.quiet:
            show_log()
        return load(self.model, **self.loading)

    def settings(self, masker: Masker) -> Settings:
        """What the results will depend on."""
        from ivm import __version__
        from ivm.inference.store import Settings

        return Settings(
            threshold=self.threshold,
            style=self.style,
            pictures=self.pictures,
            model=masker.model.name,
            version=__version__,
        )
