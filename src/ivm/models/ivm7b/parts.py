"""Finds the weights of IVM-7B wherever they lie, and checks that they go together before anything large is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivm.core.errors import CheckpointError
from ivm.models.ivm7b.config import Ivm7bConfig, decoder_sizes, lora_sizes, projector_sizes, sam_sizes
from ivm.models.ivm7b.hub import LLAVA, LLAVA_NEEDS, SAM, SAM_NEEDS, Source, resolved
from ivm.models.ivm7b.names import is_fam, llava_key, released, sam_hub_key, sam_key, trained_key, unwrapped
from ivm.models.ivm7b.network import TRAINED, Ivm7bNetwork, empty_network
from ivm.models.ivm7b.weights import Stored, Weights, matched, read_file, read_folder, shapes_of

SIZES = "sizes.json"
"""Beside a checkpoint of other than the released sizes: tells what its shapes cannot."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that a model is built from."""

    config: Ivm7bConfig
    network: Ivm7bNetwork
    """Empty."""
    weights: Weights
    """Exactly the network's tensors, by its names."""
    processor: Path
    """Folder with LLaVA's processor files."""
    origin: str
    """Names of the files and folders, without where they lie."""


def gather(source: Source, *, sam: Source | None = None, llava: Source | None = None) -> Parts:
    """Put together a trained checkpoint, SAM and LLaVA.

    Args:
        source: IVM's own file, `.bin` or `.safetensors`.
        sam: SAM's original `.pth`, a Hugging Face folder or hub id; None for the hub's ViT-H.
        llava: a folder or hub id; None for the hub's LLaVA-1.5-7B.

    Raises:
        CheckpointError: a file is damaged, unsafe, of another architecture, or they do not go together.
        FetchError: something is not here and cannot be downloaded.
    """
    trained_path = resolved(source)
    trained = _trained(trained_path)
    sam_path, llava_path = resolved(sam or SAM, SAM_NEEDS), resolved(llava or LLAVA, LLAVA_NEEDS)
    sam_weights, sam_name = _sam(sam_path)
    llava_weights, llava_config = _llava(llava_path)
    shapes = shapes_of(trained)
    config = Ivm7bConfig(
        sam=sam_sizes(shapes_of(sam_weights)),
        llava=llava_config,
        decoder=decoder_sizes(shapes, _heads(trained_path, shapes)),
        projector=projector_sizes(shapes),
        lora=lora_sizes(shapes),
    )
    network = empty_network(config)
    own = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}

    def part(begins: Callable[[str], bool], key: Callable[[str], str]) -> dict[str, str]:
        return {key(name): name for name in own if begins(name)}

    weights = matched(sam_weights, part(lambda n: n.startswith("image_encoder."), sam_name), own, sam_path)
    base = part(lambda n: n.startswith("llava.") and not TRAINED.match(n), llava_key)
    weights |= matched(llava_weights, base, own, llava_path, ignored=_not_needed_of_llava)
    weights |= matched(
        trained, part(lambda n: bool(TRAINED.match(n)), trained_key), own, trained_path, ignored=_is_discriminator
    )
    origin = ", ".join(path.name for path in (trained_path, sam_path, llava_path))
    return Parts(config, network, weights, llava_path, origin)


def _trained(source: Path) -> Weights:
    """Read IVM's own file: its keys in the released form."""
    if source.is_dir():
        raise CheckpointError(
            f"{source} is a folder, and not one that `ivm convert` wrote: give IVM's checkpoint file, IVM-V1.0.bin"
        )
    weights = read_file(source)
    prefix = unwrapped(list(weights))
    weights = {released(key.removeprefix(prefix)): stored for key, stored in weights.items()}
    keys = list(weights)
    if is_fam(keys):
        raise CheckpointError(
            f"{source} is an early variant of IVM that asks T5 (FAM), which is not supported: use IVM-V1.0.bin"
        )
    if not any(key.startswith("mask_decoder.") for key in keys):
        shown = ", ".join(keys[:3])
        raise CheckpointError(f"{source} is not IVM-7B's checkpoint (it holds {shown}, ...): give IVM-V1.0.bin")
    return weights


def _heads(source: Path, shapes: dict[str, tuple[int, ...]]) -> int:
    """Attention heads of the decoder: eight in the released sizes, else told by a file beside the checkpoint."""
    sizes = source.parent / SIZES
    if decoder_sizes(shapes, 1).width == 256:
        return 8
    try:
        heads = json.loads(sizes.read_bytes())["decoder"]["num_attention_heads"]
    except (OSError, ValueError, KeyError, TypeError):
        heads = None
    if isinstance(heads, bool) or not isinstance(heads, int) or heads < 1:
        raise CheckpointError(
            f"{source} is not of the released sizes, and its shapes do not tell its attention heads: put a {SIZES} "
            'with {"decoder": {"num_attention_heads": ...}} beside it'
        )
    return heads


def _sam(path: Path) -> tuple[Weights, Callable[[str], str]]:
    """Read SAM's weights, and tell how that kind of file names the image encoder's."""
    if not path.is_dir():
        weights = read_file(path)
    else:
        _check_type(path, ("sam", "sam_vision_model"), "SAM", SAM)
        weights = read_folder(path)
    for begin, name in (("image_encoder.", sam_key), ("vision_encoder.", sam_hub_key)):
        encoder = {key: stored for key, stored in weights.items() if key.startswith(begin)}
        if encoder:
            return encoder, name
    raise CheckpointError(f"{path} holds no image encoder of SAM: give sam_vit_h_4b8939.pth or {SAM}")


def _llava(path: Path) -> tuple[Weights, dict[str, Any]]:
    """Read LLaVA's weights under one naming, and its config."""
    if not path.is_dir():
        raise CheckpointError(f"{path} is one file: give the whole folder of LLaVA, with config and processor files")
    config = _check_type(path, ("llava",), "LLaVA-1.5", LLAVA)
    text, vision = config.get("text_config"), config.get("vision_config")
    if not isinstance(text, dict) or not isinstance(vision, dict):
        raise CheckpointError(f"{path / 'config.json'} describes no language model: give the folder of {LLAVA}")
    if text.get("model_type", "llama") != "llama":
        raise CheckpointError(
            f"{path} is a LLaVA on {text['model_type']}, IVM-7B is trained on one on llama: give {LLAVA}"
        )
    weights: dict[str, Stored] = {llava_key(key): stored for key, stored in read_folder(path).items()}
    return weights, config


def _check_type(folder: Path, types: tuple[str, ...], what: str, example: str) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_bytes())
        kind = config.get("model_type")
    except FileNotFoundError:
        raise CheckpointError(
            f"{folder} holds no config.json: give the folder of {what}, for example {example}"
        ) from None
    except (OSError, ValueError, AttributeError):
        raise CheckpointError(f"{folder / 'config.json'} cannot be read as JSON: download it again") from None
    if kind not in types:
        raise CheckpointError(f"{folder} is of the type {kind!r}, not {what}: give for example {example}")
    found: dict[str, Any] = config
    return found


def _is_discriminator(key: str) -> bool:
    return key.startswith("discriminator.")


def _not_needed_of_llava(key: str) -> bool:
    """The vocabulary head is never asked; old files also hold what transformers works out by itself."""
    return key == "lm_head.weight" or key.endswith(("rotary_emb.inv_freq", "embeddings.position_ids"))
