"""A trained policy: what it was shown in training, its network, and one action at a time."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ivm.core.errors import CheckpointError, OptionError
from ivm.core.files import write_files
from ivm.core.instruction import check_instruction, token_batch
from ivm.robotics.fills import shrunk
from ivm.robotics.network import PolicyConfig, PolicyNetwork

FORMAT = "ivm-robot-policy-1"


@dataclass
class Policy:
    """Maps pictures, state and instruction to actions; call `reset` at the beginning of an episode.

    Attributes:
        network: the trained network.
        picture: side in pixels of what it sees.
        execute: actions of a chunk that are executed before it looks again, at most the chunk.
        about: anything that is kept with the weights, plain values.
    """

    network: PolicyNetwork
    picture: int
    execute: int = 1
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.network.eval()
        self._left: list[NDArray[np.float32]] = []

    def reset(self) -> None:
        """Forget what is left of the last chunk."""
        self._left = []

    def act(self, picture: NDArray[np.uint8], state: NDArray[np.float32], instruction: str) -> NDArray[np.float32]:
        """Return the next action (4,) float32 in [-1, 1].

        Args:
            picture: (H, W, C) uint8, masked as in training, of any size.
            state: (S,) float32.
            instruction: what to do.

        Raises:
            OptionError: the picture has other channels than in training.
        """
        if not self._left:
            wanted = self.network.config.channels
            if picture.ndim != 3 or picture.shape[2] != wanted:
                raise OptionError(f"The policy sees pictures of {wanted} channels, not of shape {picture.shape}")
            image = torch.from_numpy(np.moveaxis(shrunk(picture, self.picture), -1, 0).copy())[None]
            tokens = torch.from_numpy(token_batch([check_instruction(instruction)]))
            with torch.inference_mode():
                out = self.network(image.float() / 255, torch.from_numpy(np.asarray(state, np.float32))[None], tokens)
            chunk = np.clip(out[0].numpy(), -1, 1)
            self._left = list(chunk[: self.execute])
        return self._left.pop(0)

    def save(self, path: str | Path) -> None:
        """Write the policy as one file.

        Raises:
            OutputError: it cannot be written.
        """
        buffer = io.BytesIO()
        sizes = dict(vars(self.network.config))
        about = {
            "format": FORMAT,
            "config": sizes,
            "picture": self.picture,
            "execute": self.execute,
            "about": self.about,
        }
        torch.save({**about, "weights": self.network.state_dict()}, buffer)
        write_files([(Path(path), buffer.getvalue())])

    @classmethod
    def load(cls, path: str | Path) -> Policy:
        """Read a policy.

        Raises:
            CheckpointError: there is no such file, or it is damaged or something else.
        """
        kept = read_checkpoint(path)
        if kept.get("format") != FORMAT:
            raise CheckpointError(f"{path} is no policy of this project: train one with 'ivm robot train'")
        try:
            network = PolicyNetwork(PolicyConfig(**kept["config"]))
            network.load_state_dict(kept["weights"])
            return cls(network, kept["picture"], kept["execute"], kept["about"])
        except (KeyError, TypeError, RuntimeError, OptionError) as error:
            raise CheckpointError(f"{path} does not fit this version's policy: {str(error).splitlines()[0]}") from None


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read plain values and tensors; nothing in the file is executed.

    Raises:
        CheckpointError: there is no such file, or it is damaged.
    """
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"There is no policy {path}: train one with 'ivm robot train'") from None
    except Exception as error:  # torch has no error of its own for a damaged file
        raise CheckpointError(f"{path} is damaged or no checkpoint: {str(error).splitlines()[0]}") from None
    if not isinstance(kept, dict):
        raise CheckpointError(f"{path} is no policy of this project: train one with 'ivm robot train'")
    return kept
