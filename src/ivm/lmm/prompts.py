"""Prompts as files, so that they are read, compared and cited like data.

A file is called `<name>-v<version>.txt`. It holds what the model is told first, a line `---`, then the question;
`$word` or `${word}` marks what is filled in, `$$` is a dollar sign.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from ivm.core.errors import OptionError
from ivm.lmm.messages import Message, Part, system, user

_NAME = re.compile(r"(?P<name>[a-z][a-z0-9_-]*)-v(?P<version>[1-9][0-9]*)\.txt")
_RULE = re.compile(r"^---$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """A prompt as a file holds it.

    Attributes:
        name: what it is for.
        version: counts the changes that matter.
        instructions: what the model is told first.
        question: with marks for what is filled in.
        sha256: of the file, in hexadecimal.
    """

    name: str
    version: int
    instructions: str
    question: str
    sha256: str

    @classmethod
    def read(cls, path: str | Path) -> Prompt:
        """Read a prompt.

        Raises:
            OptionError: it cannot be read, is not called as prompts are, or has not its two parts.
        """
        path = Path(path)
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise OptionError(f"The prompt '{path}' must be called NAME-vNUMBER.txt, for example plan-v1.txt")
        try:
            data = path.read_bytes()
            parts = _RULE.split(data.decode("utf-8"))
        except OSError as error:
            raise OptionError(f"The prompt '{path}' cannot be read ({error.strerror}): check the path") from None
        except UnicodeDecodeError:
            raise OptionError(f"The prompt '{path}' is not UTF-8 text: save it as such") from None
        if len(parts) != 2 or not all(part.strip() for part in parts) or not Template(parts[1]).is_valid():
            raise OptionError(
                f"The prompt '{path}' must hold what the model is told, a line '---', and a question whose marks are "
                "$word; a dollar sign is $$"
            )
        return cls(
            name=match["name"],
            version=int(match["version"]),
            instructions=parts[0].strip(),
            question=parts[1].strip(),
            sha256=hashlib.sha256(data).hexdigest(),
        )

    @property
    def id(self) -> str:
        """Name, version and the beginning of the checksum, as records cite it: "plan-v1@0123456789ab"."""
        return f"{self.name}-v{self.version}@{self.sha256[:12]}"

    def messages(self, *, pictures: Sequence[Part] = (), **values: str) -> list[Message]:
        """Fill the question in; values are taken as they are, marks in them are not read.

        Args:
            pictures: come before the text.
            **values: for each mark of the question.

        Raises:
            OptionError: a mark has no value, or a value no mark.
        """
        template = Template(self.question)
        if (marks := set(template.get_identifiers())) != set(values):
            raise OptionError(f"The prompt {self.name} is filled in with {sorted(marks)}, not with {sorted(values)}")
        return [system(self.instructions), user(*pictures, template.substitute(values))]


def newest_prompt(folder: Path, name: str) -> Prompt:
    """Read the highest version of a prompt in a folder.

    Raises:
        OptionError: there is none of that name.
    """
    found = [match for path in folder.glob(f"{name}-v*.txt") if (match := _NAME.fullmatch(path.name))]
    versions = [int(match["version"]) for match in found if match["name"] == name]
    if not versions:
        raise OptionError(f"There is no prompt called {name}-vNUMBER.txt in '{folder}': check the folder")
    return Prompt.read(folder / f"{name}-v{max(versions)}.txt")
