import dataclasses
import sys

import numpy as np
import pytest
import torch

from ivm.core.errors import CheckpointError, MissingExtraError, RecipeError, ShardError, TrainingError
from ivm.models.ivm7b.load import load_ivm7b
from ivm.training.describing import describe
from ivm.training.export_ivm7b import export_ivm7b
from ivm.training.ivm7b import Ivm7bModule
from ivm.training.ivm7b_data import Ivm7bBatches
from ivm.training.ivm7b_network import clip_pixels, image_tokens, point, sam_features
from ivm.training.ivm7b_recipe import Ivm7bRecipe
from ivm.training.ivm7b_start import open_start
from ivm.training.run import train
from ivm.training.sam_cache import FeatureCache, fingerprint
from tiny_ivm7b import write_tiny
from tiny_records import write_records

DWSL = {"weighting": {"kind": "dwsl"}, "discriminator": {"lora_rank": 2, "learning_rate": 0.01}}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("records"))


@pytest.fixture(scope="module")
def recipe(files, records):
    return Ivm7bRecipe(
        start=str(files.trained),
        sam=str(files.sam),
        llava=str(files.llava),
        steps=2,
        warmup=1,
        decay=0.0,
        learning_rate=0.01,
        pictures_every=1,
        records=records,
        **DWSL,
    )


@pytest.fixture(scope="module")
def run(recipe, tmp_path_factory):
    """The folder of a run of two steps."""
    folder = tmp_path_factory.mktemp("run")
    train(recipe, folder, progress=False)
    return folder


def weights(folder):
    return torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]


def moments(folder):
    """The optimiser's mean gradient of each trained parameter."""
    [optimizer] = torch.load(folder / "last.ckpt", weights_only=True)["optimizer_states"]
    return [state["exp_avg"] for state in optimizer["state"].values()]


def test_two_steps_change_only_what_is_trained(recipe, tmp_path):
    module = Ivm7bModule(recipe, open_start(recipe, tmp_path))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    batches = iter(Ivm7bBatches(recipe, 64))
    module.train()
    [optimizer], _ = module.configure_optimizers()
    for _ in range(2):
        optimizer.zero_grad()
        module.losses(next(batches))["total"].backward()
        optimizer.step()
    changed = {name for name, value in module.state_dict().items() if not torch.equal(before[name], value)}
    assert changed == set(module.trained())
    parts = ("lora_A.default", "lora_B.judge", "projector", "decoder", "discriminator")
    assert all(any(part in name for name in changed) for part in parts)
    assert not any(name.startswith("network.image_encoder") or "base_layer" in name for name in changed)


def test_a_checkpoint_holds_only_what_is_trained(run):
    kept = weights(run)
    assert all("lora_" in name or "projector" in name or "decoder" in name or "discriminator" in name for name in kept)
    assert (run / "tensorboard").is_dir()


def test_training_reads_as_the_model_does(recipe, files, tmp_path):
    """The whole prompt at once, as here, gives the logits of the prefix that the model keeps."""
    module = Ivm7bModule(dataclasses.replace(recipe, checkpointing=False), open_start(recipe, tmp_path)).eval()
    model = load_ivm7b(files.trained, sam=files.sam, llava=files.llava, device="cpu")
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    asked = ["the red cup", "put the duck on the green plate"]
    told = np.stack(model.predict(model.encode([image]) * 2, asked).logits)
    with torch.no_grad():
        pictures = torch.from_numpy(image)[None]
        tokens = image_tokens(module.network, clip_pixels(module.reader, pictures)).expand(2, -1, -1)
        seen = sam_features(module.network, pictures).expand(2, -1, -1, -1)
        ours = point(module.network, module.reader, seen, tokens, asked)
    torch.testing.assert_close(ours, torch.from_numpy(told), atol=1e-4, rtol=1e-4)


def test_checkpointed_activations_change_no_gradient(recipe, tmp_path):
    gradients = []
    for chosen in (False, True):
        made = dataclasses.replace(recipe, checkpointing=chosen, lora_dropout=0.0)
        module = Ivm7bModule(made, open_start(made, tmp_path)).train()
        torch.manual_seed(0)
        for parameter in (p for n, p in module.named_parameters() if p.requires_grad and ("lora" in n or "head" in n)):
            parameter.data = torch.randn_like(parameter) * 0.1
        module.losses(next(iter(Ivm7bBatches(made, 64))))["total"].backward()
        gradients.append({name: p.grad for name, p in module.named_parameters() if p.requires_grad})
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-6, rtol=1e-4)


def test_the_verdict_depends_on_the_mask(recipe, tmp_path):
    module = Ivm7bModule(recipe, open_start(recipe, tmp_path)).eval()
    batch = next(iter(Ivm7bBatches(recipe, 64)))
    pixels = clip_pixels(module.reader, batch["image"])
    with torch.no_grad():
        verdicts = [
            module._verdict(batch, mask, pixels, None) for mask in (torch.zeros(2, 64, 64), torch.ones(2, 64, 64))
        ]
    assert (verdicts[0] - verdicts[1]).abs().min() > 1e-5


def test_an_interrupted_run_goes_on_to_the_same_weights(recipe, run, tmp_path):
    train(dataclasses.replace(recipe, steps=1, pictures_every=0), tmp_path, progress=False)
    train(recipe, tmp_path, progress=False)
    torch.testing.assert_close(weights(tmp_path), weights(run), atol=1e-6, rtol=0)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_give_what_one_gives_for_the_same_batch(recipe, tmp_path, strategy):
    """Two shards of one record each: both are in each step, together in one process, or one in each of two."""
    from ivm.data.shards import write_shard
    from tiny_records import square_record

    for source in ("human", "machine"):
        write_shard(tmp_path / f"{source}.tar", [square_record(3, source)])
    both = {"pictures": 2, "sources": [{"shards": str(tmp_path)}]}
    one = dataclasses.replace(recipe, records=both, steps=1, lora_dropout=0.0, clip=0.5, pictures_every=0)
    two = dataclasses.replace(one, records=both | {"pictures": 1}, processes=2, strategy=strategy)
    train(one, tmp_path / "one", progress=False)
    train(two, tmp_path / "two", progress=False)
    # Adam makes whole steps of a gradient that is rounding only, so what it has seen is compared, not what it did.
    for found, expected in zip(moments(tmp_path / "two"), moments(tmp_path / "one"), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


def test_a_sharded_run_goes_on_to_the_same_weights_and_keeps_all_of_them(recipe, run, tmp_path):
    """Frozen weights of 16 bits, too: a shard may hold them beside what is trained."""
    sharded = dataclasses.replace(recipe, dtype="bfloat16", processes=2, strategy="fsdp", pictures_every=0)
    train(sharded, tmp_path / "whole", progress=False)
    for steps in (1, 2):
        train(dataclasses.replace(sharded, steps=steps), tmp_path / "parted", progress=False)
    torch.testing.assert_close(weights(tmp_path / "parted"), weights(tmp_path / "whole"), atol=1e-6, rtol=0)
    assert {n: w.shape for n, w in weights(tmp_path / "whole").items()} == {n: w.shape for n, w in weights(run).items()}


def test_two_stages_train_the_discriminator_first_and_then_leave_it(recipe, tmp_path):
    stages = {"lora_rank": 2, "first_steps": 1, "agreement": False}
    staged = dataclasses.replace(recipe, discriminator=stages, steps=1)
    train(staged, tmp_path, progress=False)
    after = weights(tmp_path)
    fresh = Ivm7bModule(staged, open_start(staged, tmp_path)).state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, fresh[name])}
    assert any("decoder" in name for name in moved)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 2


def test_a_run_begins_without_any_checkpoint(recipe, tmp_path):
    train(dataclasses.replace(recipe, start=None, steps=1, ema=0.5), tmp_path, progress=False)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert set(checkpoint["average"]) <= set(checkpoint["state_dict"])
    exported = export_ivm7b(tmp_path / "last.ckpt", tmp_path / "model")
    assert exported.is_file()


def test_an_exported_checkpoint_answers_as_the_trained_network_does(files, run, tmp_path):
    path = export_ivm7b(run / "last.ckpt", tmp_path / "model")
    assert sorted(file.name for file in path.parent.iterdir()) == ["ivm.safetensors", "sizes.json"]
    model = load_ivm7b(path, sam=files.sam, llava=files.llava, device="cpu")
    older = load_ivm7b(files.trained, sam=files.sam, llava=files.llava, device="cpu")
    image = np.zeros((64, 64, 3), np.uint8)
    new, old = (one.predict(one.encode([image]), ["the red cup"]).logits[0] for one in (model, older))
    assert np.abs(new - old).max() > 1e-4


def test_a_picture_goes_through_sam_once(recipe, records, tmp_path):
    plain = records | {"scale": [1, 1], "mirror": 0, "light": 0}
    cached = dataclasses.replace(recipe, records=plain, sam_cache=str(tmp_path / "cache"))
    module = Ivm7bModule(cached, open_start(cached, tmp_path)).eval()
    asked = []

    def compute(pictures):
        asked.append(len(pictures))
        return sam_features(module.network, pictures)

    cache = FeatureCache(tmp_path / "cache", module.network.image_encoder)
    image = next(iter(Ivm7bBatches(cached, 64)))["image"]
    first, again = cache.features(image, compute), cache.features(image, compute)
    assert asked == [2]
    torch.testing.assert_close(again, first, atol=0, rtol=0)
    torch.testing.assert_close(first, sam_features(module.network, image), atol=2e-3, rtol=2e-3)
    with torch.no_grad():
        next(module.network.image_encoder.parameters()).mul_(1.5)
    assert fingerprint(module.network.image_encoder) != cache._encoder
    for path in (tmp_path / "cache").rglob("*.safetensors"):
        path.write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="delete it"):
        cache.features(image, compute)


def test_a_cache_needs_pictures_that_stay_the_same(recipe, tmp_path):
    with pytest.raises(RecipeError, match="sam_cache"):
        dataclasses.replace(recipe, sam_cache=str(tmp_path))


@pytest.mark.parametrize("strategy", ["auto", "fsdp"])
@pytest.mark.parametrize(
    "other", [{"weighting": {}, "discriminator": {}}, {"discriminator": DWSL["discriminator"] | {"lora_rank": 3}}]
)
def test_a_run_of_another_kind_is_left_alone(recipe, run, strategy, other):
    with pytest.raises(TrainingError, match="choose another folder"):
        train(dataclasses.replace(recipe, strategy=strategy, pictures_every=0, **other), run, progress=False)


def test_missing_records_are_named(recipe, tmp_path):
    gone = {"sources": [{"shards": str(tmp_path / "gone")}]}
    with pytest.raises(ShardError, match="gone"):
        train(dataclasses.replace(recipe, records=gone), tmp_path / "run", progress=False)


def test_a_dry_run_counts_what_is_trained_without_reading_weights(recipe, tmp_path):
    module = Ivm7bModule(recipe, open_start(recipe, tmp_path))
    told = describe(recipe)
    counts = [sum(p.numel() for p in module.parameters() if p.requires_grad is learns) for learns in (True, False)]
    assert [told.trained, told.frozen] == counts
    assert told.activations is None
    assert told.lines()[-1] == "2 steps of 2 pictures: 4 in all"


def test_a_dry_run_tells_what_a_shard_takes(recipe):
    """Of two processes each keeps SAM whole, and half of all else."""
    whole = describe(dataclasses.replace(recipe, processes=2))
    shard = describe(dataclasses.replace(recipe, processes=2, strategy="fsdp", pictures_every=0))
    frozen = 4 * whole.parts["image_encoder"][1]
    assert shard.weights == pytest.approx((whole.weights + frozen) / 2, abs=1000)
    assert shard.learning == whole.learning // 2


def test_what_misses_of_the_extra_full_is_told(recipe, run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"ivm\[full\]"):
        describe(recipe)
    with pytest.raises(MissingExtraError, match=r"ivm\[full\]"):
        train(recipe, tmp_path, progress=False)
    with pytest.raises(MissingExtraError, match=r"ivm\[full\]"):
        export_ivm7b(run / "last.ckpt", tmp_path / "model")
