"""Features of a frozen image encoder on disk, so that a picture goes through it once in all of training."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from ivm.core.errors import CheckpointError
from ivm.core.files import write_files


class FeatureCache:
    """Looks features up by the picture's pixels and the encoder's weights; kept in 16 bits.

    Args:
        folder: made when the first features are kept; several processes may use it together.
        encoder: whose features they are.
    """

    def __init__(self, folder: Path, encoder: nn.Module) -> None:
        self.folder = folder
        self._encoder = fingerprint(encoder)

    def features(self, image: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the features of pictures, computed only for those that are not kept yet.

        Args:
            image: (B, H, W, 3) uint8, on any device.
            compute: gives features (n, C, h, w) of n of these pictures (n, H, W, 3) uint8.

        Returns:
            (B, C, h, w) float32 on the device of `image`; what was rounded to 16 bits for keeping is so at once.

        Raises:
            CheckpointError: a kept file is damaged.
            OutputError: the folder cannot be written; DiskFullError where no space is left.
        """
        paths = [self._path(picture) for picture in image.cpu()]
        missing = [row for row, path in enumerate(paths) if not path.is_file()]
        if missing:
            fresh = compute(image[missing]).half().cpu()
            write_files([(paths[row], _bytes(one)) for row, one in zip(missing, fresh, strict=True)])
        return torch.stack([_read(path) for path in paths]).float().to(image.device)

    def _path(self, picture: Tensor) -> Path:
        key = hashlib.sha256(self._encoder.encode() + picture.contiguous().numpy().tobytes()).hexdigest()
        return self.folder / key[:2] / f"{key[2:]}.safetensors"


def fingerprint(encoder: nn.Module) -> str:
    """A name for weights: other weights have another, except by the rarest chance."""
    told = hashlib.sha256()
    for name, parameter in encoder.named_parameters():
        values = parameter.detach().flatten()[:: max(1, parameter.numel() // 64)].float().cpu()
        told.update(f"{name}{tuple(parameter.shape)}".encode() + values.numpy().tobytes())
    return told.hexdigest()


def _bytes(features: Tensor) -> bytes:
    from safetensors.torch import save

    return save({"features": features.contiguous()})


def _read(path: Path) -> Tensor:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(path.read_bytes())["features"]
    except (SafetensorError, KeyError, OSError) as error:
        raise CheckpointError(f"{path} in the cache is damaged ({error}): delete it") from None
