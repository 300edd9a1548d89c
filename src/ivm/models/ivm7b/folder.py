"""One folder with everything: what `ivm convert` writes and `load` reads fastest."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from ivm.core.errors import CheckpointError, OptionError
from ivm.models.ivm7b.config import DecoderConfig, Ivm7bConfig, LoraSizes
from ivm.models.ivm7b.network import empty_network
from ivm.models.ivm7b.parts import Parts
from ivm.models.ivm7b.weights import matched, read_folder

DESCRIPTION = "ivm7b.json"
FORMAT = "ivm-7b"
VERSION = 1


def is_folder(path: Path) -> bool:
    """Whether a path is a folder that `ivm convert` wrote."""
    return (path / DESCRIPTION).is_file()


def describe(config: Ivm7bConfig) -> dict[str, Any]:
    """What the description file says."""
    return {"format": FORMAT, "version": VERSION, "config": dataclasses.asdict(config)}


def read_parts(folder: Path) -> Parts:
    """Read a converted folder.

    Raises:
        CheckpointError: it is damaged, incomplete, or of another version.
    """
    config = _config(folder / DESCRIPTION)
    network = empty_network(config)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    weights = matched(read_folder(folder), {name: name for name in shapes}, shapes, folder)
    return Parts(config, network, weights, folder, folder.name)


def _config(path: Path) -> Ivm7bConfig:
    try:
        about = json.loads(path.read_bytes())
        kind, version, sizes = about["format"], about["version"], about["config"]
        if (kind, version) != (FORMAT, VERSION):
            raise CheckpointError(
                f"{path} is {kind!r} of version {version!r}, this package reads {FORMAT!r} of version {VERSION}: "
                "convert the checkpoint again"
            )
        lora = sizes["lora"]
        return Ivm7bConfig(
            sam=sizes["sam"],
            llava=sizes["llava"],
            decoder=DecoderConfig(**sizes["decoder"]),
            projector=tuple(sizes["projector"]),
            lora=None if lora is None else LoraSizes(**{**lora, "targets": tuple(lora["targets"])}),
        )
    except (OSError, ValueError, KeyError, TypeError, OptionError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): convert the checkpoint again") from None
