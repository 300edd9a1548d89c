"""The model zoo's table: what this package loads by name, and whether the weights are on this machine."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ivm.core.errors import UnknownModelError
from ivm.core.hub import CONFIG, PROCESSOR, TOKENIZER, WEIGHTS, HubPart, cache_root
from ivm.inference.checkpoint import DESCRIPTION, ENCODER, PREDICTOR

EMBEDDED = Path(__file__).parent / "weights"
"""Checkpoints that ship in the package, one folder a name."""

ModelType = Literal["nano", "lisa", "clipseg", "owlv2", "grounding-dino", "florence2"]
"""What `load(type=...)` calls the architectures; "lisa" is the paper's word for IVM-7B."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ZooModel:
    """One line of the model zoo's table."""

    name: str
    type: ModelType
    task: str
    """What it is good for, in a few words."""
    size: str
    """Parameters, counted from the architecture, and bytes to fetch, as the hub lists them; SAM's are included."""
    memory: str
    """Main memory, or the GPU's, that one picture needs, weights included; "about" marks an estimate."""
    license: str
    """As the model's page on the hub states it."""
    extra: str | None
    """The extra of this package that it needs; None for the base install."""
    parts: tuple[HubPart, ...]
    """Where the weights come from; empty where they ship in the package."""

    @property
    def origin(self) -> str:
        """Where the weights come from, for people."""
        names = ", ".join(part.repository for part in self.parts)
        return f"Hugging Face: {names}" if self.parts else "trained by this project, in the package"


@dataclass(frozen=True, kw_only=True, slots=True)
class Presence:
    """Whether a model's weights are on this machine."""

    here: bool
    where: str
    """A folder of the package, or the hub's cache."""
    missing: dict[str, list[str]]
    """Files that are not here, by repository; a repository never fetched lacks all of them."""


def _expert(repository: str) -> HubPart:
    return HubPart(repository=repository, needs=(CONFIG, PROCESSOR, TOKENIZER, WEIGHTS))


def _sam(repository: str) -> HubPart:
    return HubPart(repository=repository, needs=(CONFIG, PROCESSOR, WEIGHTS))


ZOO: tuple[ZooModel, ...] = (
    ZooModel(
        name="ivm-nano",
        type="nano",
        task="tabletop scenes, on any CPU",
        size="3.8 M parameters, 8 MB",
        memory="0.3 GB",
        license="Apache-2.0",
        extra=None,
        parts=(),
    ),
    ZooModel(
        name="ivm-7b",
        type="lisa",
        task="the paper's model: any picture, instructions that need thought",
        size="7.7 B parameters, 17 GB",
        memory="17 GB; with int8 and OpenVINO 15 GB",
        license="Apache-2.0; LLaVA-1.5 under the Llama 2 licence",
        extra="full",
        parts=(
            HubPart(repository="2toINF/IVM", needs=("IVM-V1.0.bin",), files=("IVM-V1.0.bin",)),
            _sam("facebook/sam-vit-huge"),
            _expert("llava-hf/llava-1.5-7b-hf"),
        ),
    ),
    ZooModel(
        name="clipseg",
        type="clipseg",
        task="any picture, things by name; small and soft",
        size="151 M parameters, 0.6 GB",
        memory="about 1 GB",
        license="Apache-2.0",
        extra="full",
        parts=(_expert("CIDAS/clipseg-rd64-refined"),),
    ),
    ZooModel(
        name="owlv2",
        type="owlv2",
        task="any picture, things by name; boxes cut out by SAM",
        size="249 M parameters, 1.0 GB",
        memory="about 3 GB",
        license="Apache-2.0",
        extra="full",
        parts=(_expert("google/owlv2-base-patch16-ensemble"), _sam("facebook/sam-vit-base")),
    ),
    ZooModel(
        name="grounding-dino",
        type="grounding-dino",
        task="any picture, things by phrase; boxes cut out by SAM",
        size="266 M parameters, 1.1 GB",
        memory="about 3 GB",
        license="Apache-2.0",
        extra="full",
        parts=(_expert("IDEA-Research/grounding-dino-tiny"), _sam("facebook/sam-vit-base")),
    ),
    ZooModel(
        name="florence2",
        type="florence2",
        task="any picture, things by phrase; writes outlines, coarse",
        size="232 M parameters, about 0.5 GB",
        memory="about 2 GB",
        license="MIT",
        extra="full",
        parts=(_expert("florence-community/Florence-2-base"),),
    ),
)


def find_model(name: str) -> ZooModel:
    """Return the model of a name.

    Raises:
        UnknownModelError: there is none; the message holds near names.
    """
    for model in ZOO:
        if model.name == name:
            return model
    raise UnknownModelError(f"The zoo has no model {name!r}: {hint(name)}")


def hint(name: str) -> str:
    """Say which names a mistyped one may mean, or all there are."""
    names = [model.name for model in ZOO]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"the zoo has {', '.join(names)}"


def presence(model: ZooModel) -> Presence:
    """Look for a model's weights on this machine; nothing is asked of the hub."""
    if not model.parts:
        folder = EMBEDDED / model.name
        missing = [name for name in (DESCRIPTION, ENCODER, PREDICTOR) if not (folder / name).is_file()]
        lacking = {"the package": missing} if missing else {}
        return Presence(here=not missing, where=str(folder), missing=lacking)
    lacking = {part.repository: missing for part in model.parts if (missing := part.missing())}
    return Presence(here=not lacking, where=str(cache_root()), missing=lacking)
