import dataclasses
import itertools

import numpy as np
import pytest
import torch

from ivm.core.errors import RecipeError, ShardError, TrainingError
from ivm.data.augment import Sample
from ivm.data.record import Record
from ivm.data.shards import write_shard
from ivm.data.tabletop.stream import UNKNOWN
from ivm.models.nano.weights import load_network
from ivm.training.nano import NanoModule
from ivm.training.nano_data import PLACE, NanoBatches, from_samples, joined
from ivm.training.recipe import NanoRecipe
from ivm.training.run import train
from signalled_run import SignalledRecipe
from tiny_records import square_record, write_records
from tiny_run import TINY_RECIPE

DWSL = {"weighting": {"kind": "dwsl"}, "discriminator": {"width": 8}}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("records"))


@pytest.fixture(scope="module")
def mixed(records):
    """Two tables of two questions and two records a batch, weighted."""
    return NanoRecipe(**TINY_RECIPE, records=records, save_every=2, pictures_every=2, **DWSL)


@pytest.fixture(scope="module")
def run(mixed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train(mixed, folder, progress=False)
    return folder


def sample(mask, **changes):
    told = {
        "image": np.zeros((*mask.shape, 3), np.uint8),
        "mask": mask,
        "instruction": "the cup",
        "weight": 0.5,
        "source": "machine",
        "present": True,
        "uuid": "a",
    }
    return Sample(**told | changes)


def test_a_sample_becomes_what_the_network_learns_from():
    mask = np.zeros((32, 32), np.uint8)
    mask[:2, :1] = 255
    batch = from_samples([sample(mask), sample(np.zeros_like(mask), source="human", present=False)])
    assert batch["image"].shape == (2, 32, 32, 3)
    assert batch["mask"].shape == (2, 16, 16)
    assert batch["mask"][0, 0].tolist() == [100] + [0] * 15  # half of the block
    assert batch["human"].tolist() == [0, 1]
    assert batch["given"].tolist() == [0.5, 0.5]
    assert batch["present"].tolist() == [1, 0]
    assert batch["picture"].tolist() == [0, 1]
    assert (batch["kinds"] == UNKNOWN).all()
    assert batch["kinds"].shape == (2, 4, 4)


def test_tables_and_records_stand_in_one_batch(mixed):
    batch = next(iter(NanoBatches(mixed)))
    assert batch["image"].shape == (4, 64, 64, 3)
    assert batch["picture"].tolist() == [0, 0, 1, 1, 2, 3]
    assert len(batch["tokens"]) == len(batch["mask"]) == len(batch["human"]) == 6
    assert batch["human"][:4].tolist() == [1, 1, 1, 1]
    assert batch["kinds"][:2].min() != UNKNOWN


def test_instructions_of_different_lengths_are_padded():
    short, long = (from_samples([sample(np.zeros((32, 32), np.uint8), instruction=text)]) for text in ("cup", "a b c"))
    both = joined(short, long)["tokens"]
    assert both.shape[1] == 3
    assert both[0, 1:].eq(0).all()


def test_batches_go_on_from_a_place(mixed):
    whole = list(itertools.islice(iter(NanoBatches(mixed)), 4))
    rest = list(itertools.islice(iter(NanoBatches(mixed, start=2, place=whole[1][PLACE])), 2))
    for expected, found in zip(whole[2:], rest, strict=True):
        assert found.pop(PLACE) == expected.pop(PLACE)
        torch.testing.assert_close(found, expected, atol=0, rtol=0)


def test_processes_see_other_records(mixed):
    ranks = [next(iter(NanoBatches(mixed, rank=rank, world=2)))["image"][2:] for rank in (0, 1)]
    assert not torch.equal(*ranks)


def test_a_source_can_be_said_to_be_a_machines(records):
    sources = [records["sources"][0] | {"source": "machine"}]
    recipe = NanoRecipe(**TINY_RECIPE, tabletop=False, records={"sources": sources})
    assert next(iter(NanoBatches(recipe)))["human"].sum() == 0


def test_a_run_with_a_discriminator_exports_the_network_alone(run):
    assert load_network(run / "last.ckpt")
    checkpoint = torch.load(run / "last.ckpt", weights_only=True)
    assert not any(name.startswith("discriminator") for name in checkpoint["state_dict"])
    assert checkpoint["discriminator"]["state_dict"]


def test_a_run_over_records_goes_on_to_the_same_weights(mixed, run, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(SignalledRecipe(**dataclasses.asdict(mixed)), tmp_path, progress=False)
    train(mixed, tmp_path, progress=False)
    again, whole = (torch.load(folder / "last.ckpt", weights_only=True) for folder in (tmp_path, run))
    assert again["places"] == whole["places"]
    for key in ("state_dict", "discriminator"):
        torch.testing.assert_close(again[key], whole[key], atol=1e-6, rtol=0)


def test_a_run_without_a_discriminator_is_left_alone(mixed, run):
    with pytest.raises(TrainingError, match=r"discriminator.*choose another folder"):
        train(dataclasses.replace(mixed, weighting={}, discriminator={}), run, progress=False)


def test_places_are_of_as_many_processes(mixed, run):
    module = NanoModule(mixed)
    module.on_load_checkpoint(torch.load(run / "last.ckpt", weights_only=True))
    with pytest.raises(TrainingError, match="of 1 processes"):
        module.places.of(0, 2)


def test_a_discriminator_that_learns_first_leaves_the_network_and_is_left(mixed):
    staged = dataclasses.replace(mixed, discriminator={"width": 8, "first_steps": 2, "agreement": False})
    module = NanoModule(staged)
    batch = next(iter(NanoBatches(staged)))
    batch.pop(PLACE)
    module.judging(batch)["total"].backward()
    assert all(p.grad is None for p in module.network.parameters())
    assert any(p.grad is not None for p in module.discriminator.parameters())
    module.zero_grad()
    terms = module.losses(batch)
    terms["total"].backward()
    assert "discriminator" not in terms
    assert all(p.grad is None for p in module.discriminator.parameters())
    assert any(p.grad is not None for p in module.network.parameters())


def test_missing_records_are_named(mixed, tmp_path):
    gone = {"sources": [{"shards": str(tmp_path / "gone")}]}
    with pytest.raises(ShardError, match="gone"):
        train(dataclasses.replace(mixed, records=gone), tmp_path / "run", progress=False)


IMPOSSIBLE = [
    ({"records": {"sources": []}}, "sources"),
    ({"records": {"sources": [{"weight": 1}]}}, "shards"),
    ({"records": {"sources": [{"shards": "a", "weight": 0}]}}, "weight"),
    ({"records": {"sources": [{"shards": "a", "source": "cat"}]}}, "source"),
    ({"records": {"sources": [{"shards": "a"}], "scale": [2, 3]}}, "scale"),
    ({"records": {"sources": [{"shards": "a"}], "pictures": 0}}, "pictures"),
    ({"records": {"shards": "a"}}, "shards"),
    ({"tabletop": False}, "nothing"),
    ({"weighting": {"kind": "best"}}, "best"),
    ({"weighting": "dwsl"}, "weighting"),
    ({"discriminator": {"prior": 2}}, "prior"),
    ({"discriminator": {"first_steps": 3}}, "agreement"),
    ({"discriminator": {"first_steps": 3, "agreement": False}}, "first_steps"),
    ({"strategy": "fsdp"}, "ivm-7b"),
    ({"accelerator": "tpu"}, "accelerator"),
    ({"accumulate": 0}, "accumulate"),
]


@pytest.mark.parametrize(("changes", "words"), IMPOSSIBLE, ids=lambda value: str(value)[:50])
def test_an_impossible_value_is_named(changes, words):
    with pytest.raises(RecipeError, match=words):
        NanoRecipe(**TINY_RECIPE | changes)


def test_two_processes_give_what_one_gives_for_the_same_batch(tmp_path):
    """Two shards of one record each: both are in each step, together in one process, or one in each of two."""
    there = square_record(3, "machine")
    image, mask = there.pixels()
    absent = Record.of(
        uuid="absent", image=image, mask=np.zeros_like(mask), instructions=["the blue cup"], source="human",
        license="CC0-1.0", present=False,
    )  # fmt: skip
    for record in (there, absent):
        write_shard(tmp_path / f"{record.source}.tar", [record])
    both = {"pictures": 2, "sources": [{"shards": str(tmp_path)}]}
    one = NanoRecipe(**TINY_RECIPE | {"steps": 1, "clip": 0.0}, tabletop=False, records=both, pictures_every=0, **DWSL)
    two = dataclasses.replace(one, records=both | {"pictures": 1}, processes=2)
    seen = []
    for recipe, name in ((one, "one"), (two, "two")):
        train(recipe, tmp_path / name, progress=False)
        kept = torch.load(tmp_path / name / "last.ckpt", weights_only=True)
        [optimizer] = kept["optimizer_states"]
        # Adam makes whole steps of a gradient that is rounding only, so what it has seen is compared, not what it did.
        seen.append([state["exp_avg"] for state in optimizer["state"].values()])
        seen[-1] += [value for name, value in kept["state_dict"].items() if "running" in name]
    assert any(moment.abs().max() > 1e-4 for moment in seen[0])
    torch.testing.assert_close(seen[1], seen[0], atol=1e-6, rtol=1e-4)
