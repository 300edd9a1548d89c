"""IVM-7B with random weights: the plain way against ours, for one instruction and for ten on one picture.

Every variant runs in a process of its own, so that peaks of memory are apart; all draw the same weights, each tensor
from its name. "plain" takes the original's steps and precisions: SAM in float32, LLaVA in 16 bits over the whole prompt
with the logits of all positions. "openvino" is ours in bfloat16 with SAM's encoder on OpenVINO, for CPUs;
"int8+openvino" has the language model in 8 bits besides. Errors are against float32 on the same weights, computed with
weights that are drawn when needed. Random weights amplify errors more than trained ones do, and have none of the
outliers of trained ones.

    python -m benchmarks.ivm7b                 # tiny, a trial of seconds
    python -m benchmarks.ivm7b --size full     # 7.7 billion values: needs 22 GiB and about half an hour on two cores
    python -m benchmarks.ivm7b --size full --device cuda --variants plain bfloat16 --trace
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from benchmarks._rows import own_peak_megabytes
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

VARIANTS = ("reference", "plain", "bfloat16", "int8", "openvino", "int8+openvino")
ON_CPU = ("openvino", "int8+openvino")
THINGS = ("red cup", "blue plate", "silver pan", "yellow duck", "green pepper")
QUESTIONS = [f"{verb} the {thing} on the left of the table" for thing in THINGS for verb in ("pick up", "push")]

TINY = {
    "sam": {"image_size": 128, "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "mlp_dim": 128,
            "patch_size": 16, "window_size": 3, "global_attn_indexes": [1, 3], "output_channels": 32},
    "text_config": {"model_type": "llama", "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4,
                    "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 200},
    "vision_config": {"model_type": "clip_vision_model", "hidden_size": 64, "intermediate_size": 128,
                      "num_hidden_layers": 3, "num_attention_heads": 4, "image_size": 56, "patch_size": 14},
}  # fmt: skip


def config_of(size: str) -> Any:
    """The released sizes, or tiny ones."""
    from ivm.models.ivm7b.config import LLAVA_1_5_7B, PRESETS, DecoderConfig, Ivm7bConfig

    if size == "full":
        return PRESETS["ivm-v1.0"]
    llava = LLAVA_1_5_7B | {key: TINY[key] for key in ("text_config", "vision_config")}
    llava |= {"image_token_index": 199, "pad_token_id": 0}
    decoder = DecoderConfig(width=32, heads=4, mlp=64)
    return Ivm7bConfig(sam=TINY["sam"], llava=llava, decoder=decoder, projector=(128, 64, 32))


def random_weights(network: Any) -> dict[str, Any]:
    """Weights that are drawn when they are read: LLaVA's in bfloat16, as files have 16 bits, the rest in float32."""
    import torch

    from ivm.models.ivm7b.network import TRAINED
    from ivm.models.ivm7b.weights import Stored

    layers = len(network.language_model.layers)

    def reader(name: str, shape: tuple[int, ...], dtype: Any) -> Callable[[], Any]:
        def read() -> Any:
            if "norm" in name and name.endswith("weight"):
                return torch.ones(shape, dtype=dtype)
            if len(shape) == 1:
                return torch.zeros(shape, dtype=dtype)
            scale = 1.0 if name.endswith(("embed_tokens.weight", "position")) else (shape[0] / np.prod(shape)) ** 0.5
            if any(part in name for part in ("o_proj", "down_proj", "attn.proj", "lin2", "out_proj", "fc2")):
                scale /= (2 * layers) ** 0.5  # what is added up over the layers
            random = torch.Generator().manual_seed(zlib.crc32(name.encode()))
            return torch.empty(shape, dtype=dtype).normal_(0, float(scale), generator=random)

        return read

    weights = {}
    for name, tensor in network.state_dict().items():
        base = name.startswith("llava.") and not TRAINED.match(name)
        shape, dtype = tuple(tensor.shape), torch.bfloat16 if base else torch.float32
        weights[name] = Stored(shape, dtype, reader(name, shape, dtype))
    return weights


def reader_of(config: Any) -> Any:
    """A processor made here: words, and CLIP's way with pictures."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    from ivm.models.ivm7b.reading import Reader

    words = sorted({word for question in QUESTIONS for word in question.split()} | {"USER", "ASSISTANT", ":", "\n"})
    vocabulary = {word: place for place, word in enumerate(["<pad>", "<unk>", *words])}
    vocabulary["<image>"] = config.llava["image_token_index"]
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\n|\w+|[^\w\s]"), "removed", invert=True)
    make: Any = PreTrainedTokenizerFast
    fast = make(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", additional_special_tokens=["<image>"])
    side = config.llava["vision_config"]["image_size"]
    pictures: Any = CLIPImageProcessorPil
    processor = pictures(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    return Reader(fast, processor, vocabulary["<image>"])


def build(variant: str, size: str, device: str) -> Any:
    """A model of random weights in the precision of a variant."""
    import torch

    from ivm.models.ivm7b.filling import fill
    from ivm.models.ivm7b.model import Ivm7b
    from ivm.models.ivm7b.network import empty_network
    from ivm.models.ivm7b.placement import Placement
    from ivm.models.ivm7b.plan import plan

    class Original(Placement):
        """SAM in float32 beside LLaVA in 16 bits."""

        def dtype_of(self, name: str, stored: Any) -> torch.dtype:
            if name.startswith("image_encoder."):
                return torch.float32
            return Placement.dtype_of(self, name, stored)

    config = config_of(size)
    if variant == "plain":
        config = dataclasses.replace(config, sam=config.sam | {"attn_implementation": "eager"})
    network = empty_network(config)
    kind = Original if variant == "plain" else Placement
    placement = kind(
        device=torch.device(device),
        dtype=torch.float32 if variant == "reference" else torch.bfloat16,
        quantize="int8" if variant.startswith("int8") else None,
        offload=variant == "reference",
        encoder="openvino" if variant in ON_CPU else "torch",
    )
    weights = random_weights(network)
    made = plan(weights, config, placement)
    if variant != "plain":
        made.check()
    fill(network, weights, placement)
    return Ivm7b(network, reader_of(config), device=placement.device, dtype=placement.dtype, plan=made)


def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)


def plain(model: Any, head: Any) -> NDArray[np.float32]:
    """The original's steps for one question."""
    import torch

    from ivm.models.ivm7b.reading import sam_pixels, squashed

    network, reader = model.network, model.reader
    square = squashed(picture(), network.config.sam["image_size"])
    vision = network.config.llava["vision_config"]
    count = (vision["image_size"] // vision["patch_size"]) ** 2
    ids = torch.tensor([[*reader.prefix_ids, *[reader.image_token_id] * count, *reader.suffix_ids(QUESTIONS[0])]])
    with torch.no_grad():
        seen = network.image_encoder(sam_pixels(square).to(model.device)).last_hidden_state
        out = network.llava(
            input_ids=ids.to(model.device),
            pixel_values=reader.pixels(square).to(model.device, model.dtype),
            attention_mask=torch.ones_like(ids).to(model.device),
            output_hidden_states=True,
        )
        head(out.last_hidden_state).float()
        condition = network.projector(out.hidden_states[-1][:, -2].float())
        logits: NDArray[np.float32] = network.decoder(seen, condition).cpu().numpy()
    return logits


def ours(model: Any, count: int) -> NDArray[np.float32]:
    """Encode the picture and ask that many questions."""
    features = model.encode([picture()]) * count
    return np.stack(model.predict(features, QUESTIONS[:count]).logits)


def peak(device: str) -> int:
    """Bytes that this process had at most, on the device."""
    import torch

    if device != "cpu":
        return int(torch.cuda.max_memory_allocated())
    return int(own_peak_megabytes() * 2**20)


def trace(way: Callable[[], Any], device: str) -> str:
    """Where the time of one call goes, as PyTorch's table of its slowest operations."""
    from torch.profiler import ProfilerActivity, profile

    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device != "cpu")
    with profile(activities=kinds) as found:
        way()
    by = "self_cpu_time_total" if device == "cpu" else "self_device_time_total"
    return str(found.key_averages().table(sort_by=by, row_limit=15, max_name_column_width=60))


def run_variant(variant: str, size: str, device: str, rounds: int, traced: bool, folder: Path) -> None:
    """Measure one variant in this process and leave its numbers in a folder."""
    import torch

    started = time.perf_counter()
    model = build(variant, size, device)
    ways: dict[str, Callable[[], NDArray[np.float32]]] = {}
    if variant == "plain":
        text = model.network.config.llava["text_config"]
        head = torch.nn.Linear(text["hidden_size"], text["vocab_size"], bias=False, dtype=model.dtype, device=device)
        ways["1"] = lambda: plain(model, head)
    else:
        ways = {} if variant == "reference" else {"1": lambda: ours(model, 1)}
        ways["10"] = lambda: ours(model, 10)
    numbers: dict[str, Any] = {"build": time.perf_counter() - started}
    for name, way in ways.items():
        taken = []
        for _ in range(1 if variant == "reference" else rounds):
            started = time.perf_counter()
            logits = way()
            taken.append(time.perf_counter() - started)
        np.save(folder / f"{variant}-{name}.npy", logits)
        numbers[name] = {"seconds": median(taken), "peak": peak(device)}
        if traced:
            print(f"{variant}, {name} asked:\n{trace(way, device)}", file=sys.stderr, flush=True)
    (folder / f"{variant}.json").write_text(json.dumps(numbers), encoding="utf-8")


def errors(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> list[str]:
    """How far logits are from float32: relative, the greatest difference in probability, pixels on the other side."""
    wanted = wanted[: len(found)]
    chance, meant = (1 / (1 + np.exp(-logits.astype(np.float64))) for logits in (found, wanted))
    relative = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
    return [f"{relative:.2%}", f"{np.abs(chance - meant).max():.3f}", f"{((found > 0) != (wanted > 0)).mean():.2%}"]


def report(folder: Path, variants: list[str], size: str) -> Table:
    """All numbers as a table, against the plain way."""
    table = Table(title=f"IVM-7B, {size}, random weights; errors against float32", box=None)
    headings = "variant, asked, s, a second, of plain, of one, GiB, of plain, logits, prob., flips"
    for heading in headings.split(", "):
        table.add_column(heading, justify="left" if heading == "variant" else "right", no_wrap=True)
    told = {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in variants}
    wanted = np.load(folder / "reference-10.npy") if "reference" in told else None
    base = told.get("plain", {}).get("1")
    for name, numbers in told.items():
        for count in ("1", "10"):
            if count not in numbers or name == "reference":
                continue
            seconds, peak_bytes = numbers[count]["seconds"], numbers[count]["peak"]
            off = ["", "", ""] if wanted is None else errors(np.load(folder / f"{name}-{count}.npy"), wanted)
            table.add_row(
                name, count, f"{seconds:.2f}", f"{int(count) / seconds:.2f}",
                f"{seconds / base['seconds']:.2f}" if base else "", f"{seconds / numbers['1']['seconds']:.2f}",
                f"{peak_bytes / 2**30:.2f}", f"{peak_bytes / base['peak']:.2f}" if base else "", *off,
            )  # fmt: skip
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.ivm7b", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--size", choices=("tiny", "full"), default="tiny")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=3, help="timed runs of each; the median is shown")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--trace", action="store_true", help="print the slowest operations of each, on standard error")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        only = options.variants[0]
        return run_variant(only, options.size, options.device, options.rounds, options.trace, options.inside)
    if options.variants == list(VARIANTS) and options.device != "cpu":
        options.variants = [variant for variant in VARIANTS if variant not in ON_CPU]
    with tempfile.TemporaryDirectory() as name:
        shared = ["--size", options.size, "--device", options.device, "--rounds", str(options.rounds), "--inside", name]
        shared += ["--trace"] * options.trace
        environment = os.environ | {"IVM_CACHE": name}  # for OpenVINO's graph
        for variant in options.variants:
            print(f"{variant} ...", file=sys.stderr, flush=True)
            command = [sys.executable, "-m", "benchmarks.ivm7b", "--variants", variant, *shared]
            subprocess.run(command, check=True, cwd=Path(__file__).parent.parent, env=environment)
        Console(width=130).print(report(Path(name), options.variants, options.size))
    return None


if __name__ == "__main__":
    main()
