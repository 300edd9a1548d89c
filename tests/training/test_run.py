import dataclasses
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ivm.core.errors import CheckpointError, OutputError, TrainingError
from ivm.data.tabletop.stream import UNKNOWN, TabletopStream
from ivm.models.nano.export import export
from ivm.models.nano.weights import load_network
from ivm.training.nano import NanoModule
from ivm.training.nano_data import as_tensors, from_tabletop
from ivm.training.recipe import NanoRecipe
from ivm.training.run import train
from tiny_run import TINY_NETWORK, TINY_RECIPE

RECIPE = NanoRecipe(**TINY_RECIPE)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of four steps in one go."""
    folder = tmp_path_factory.mktemp("run")
    train(RECIPE, folder, progress=False)
    return folder


class Interrupted(TabletopStream):
    """Ctrl-C comes while batch 3 is rendered."""

    def batches(self, start=0):
        for number, batch in enumerate(super().batches(start), start=start):
            if number == 3:
                raise KeyboardInterrupt
            yield batch


@dataclasses.dataclass(frozen=True, kw_only=True)
class InterruptedRecipe(NanoRecipe):
    def stream(self, rank=0, world=1):
        return Interrupted(seed=self.seed, rank=rank, world=world, **self.data)


def weights(folder):
    return torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]


def test_a_run_leaves_a_checkpoint_that_loads(run):
    network = load_network(run / "last.ckpt")
    assert not network.training
    assert network.config.widths == (8,) * 7
    start = NanoModule(RECIPE).network.state_dict()
    assert any(not torch.equal(start[name], value) for name, value in network.state_dict().items())


def test_an_interrupted_run_goes_on_to_the_same_weights(run, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(InterruptedRecipe(**TINY_RECIPE, save_every=2), tmp_path, progress=False)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 2
    half, whole = weights(tmp_path), weights(run)
    assert not torch.equal(half["network.predictor.logits.weight"], whole["network.predictor.logits.weight"])
    train(RECIPE, tmp_path, progress=False)
    torch.testing.assert_close(weights(tmp_path), weights(run), atol=1e-6, rtol=0)


def test_rendering_ahead_changes_nothing(run, tmp_path):
    train(dataclasses.replace(RECIPE, render_ahead=2), tmp_path, progress=False)
    torch.testing.assert_close(weights(tmp_path), weights(run), atol=1e-6, rtol=0)


def test_a_run_starts_from_exported_weights(run, tmp_path):
    older = load_network(run / "last.ckpt")
    weights_file = export(older, tmp_path / "older") / "network.safetensors"
    still = dataclasses.replace(RECIPE, start=str(weights_file), steps=1, learning_rate=1e-9, ema=0.0)
    train(still, tmp_path / "run", progress=False)
    kernel = weights(tmp_path / "run")["network.encoder.trunk.stem.weight"]
    torch.testing.assert_close(kernel, older.encoder.trunk.stem.weight, atol=1e-3, rtol=1e-3)


def test_a_run_starts_from_a_trunk_of_which_the_first_stages_stay(run, tmp_path):
    trunk = load_network(run / "last.ckpt").encoder.trunk.state_dict()
    save_file(trunk, tmp_path / "trunk.safetensors")
    recipe = dataclasses.replace(RECIPE, trunk=str(tmp_path / "trunk.safetensors"), frozen=2, trunk_rate=0.5)
    train(recipe, tmp_path / "run", progress=False)
    kept = {
        name: torch.equal(value, weights(tmp_path / "run")[f"network.encoder.trunk.{name}"])
        for name, value in trunk.items()
        if name.endswith("weight")
    }
    assert {name.split(".")[1] for name, same in kept.items() if same and name != "stem.weight"} == {"0", "1"}
    assert kept["stem.weight"]


def test_the_trunk_learns_at_a_rate_of_its_own():
    module = NanoModule(dataclasses.replace(RECIPE, trunk_rate=0.25))
    (optimizer,), _ = module.configure_optimizers()
    trunk = set(module.network.encoder.trunk.parameters())
    rates = {group["initial_lr"] for group in optimizer.param_groups if trunk & set(group["params"])}
    assert rates == {RECIPE.learning_rate / 4}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(module.parameters()))


def test_weights_of_another_network_are_no_start(run, tmp_path):
    network = TINY_NETWORK | {"widths": [8, 8, 8, 8, 8, 8, 16]}
    other = dataclasses.replace(RECIPE, start=str(run / "last.ckpt"), network=network)
    with pytest.raises(TrainingError, match="other sizes or classes"):
        train(other, tmp_path / "run", progress=False)


def test_a_run_that_is_done_does_nothing_more(run):
    before = weights(run)
    train(RECIPE, run, progress=False)
    torch.testing.assert_close(weights(run), before, atol=0, rtol=0)


def test_a_run_goes_on_in_a_folder_that_was_moved(run, tmp_path):
    moved = shutil.copytree(run, tmp_path / "moved")
    train(dataclasses.replace(RECIPE, steps=5, save_every=1), moved, progress=False)
    assert [path.name for path in moved.glob("*.ckpt")] == ["last.ckpt"]
    assert torch.load(moved / "last.ckpt", weights_only=True)["global_step"] == 5


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_checkpoint(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    before = (folder / "last.ckpt").read_bytes()
    too_much = RECIPE.loss_weights | {"bce": 1e39}  # more than a float32 holds
    recipe = dataclasses.replace(RECIPE, steps=9, save_every=1, loss_weights=too_much)
    with pytest.raises(TrainingError, match=r"not a finite number at step 4: lower learning_rate"):
        train(recipe, folder, progress=False)
    assert (folder / "last.ckpt").read_bytes() == before


def test_a_folder_with_the_run_of_another_network_is_left_alone(run):
    other = dataclasses.replace(RECIPE, network=TINY_NETWORK | {"decoder": [8, 8, 16]})
    with pytest.raises(TrainingError, match="choose another folder"):
        train(other, run, progress=False)


def test_a_run_that_an_earlier_version_began_is_left_alone(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    kept = torch.load(folder / "last.ckpt", weights_only=True)
    for name in ("weight", "bias"):  # versions up to 0.1.0 had no orders
        del kept["state_dict"][f"network.predictor.match.orders.{name}"]
    for name in ("place", "matched"):
        narrow = kept["state_dict"][f"network.predictor.{name}.weight"][:, :-9]
        kept["state_dict"][f"network.predictor.{name}.weight"] = narrow
    torch.save(kept, folder / "last.ckpt")
    before = (folder / "last.ckpt").read_bytes()
    with pytest.raises(TrainingError, match=r"an earlier version.* \(4 weights .* `start`"):
        train(dataclasses.replace(RECIPE, steps=9), folder, progress=False)
    assert (folder / "last.ckpt").read_bytes() == before
    other = dataclasses.replace(RECIPE, steps=1, start=str(folder / "last.ckpt"))
    train(other, tmp_path / "other", progress=False)


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / "last.ckpt").write_text("not a checkpoint")
    with pytest.raises(CheckpointError, match=r"last\.ckpt"):
        train(RECIPE, tmp_path, progress=False)
    assert (tmp_path / "last.ckpt").read_text() == "not a checkpoint"


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "a-file").write_text("in the way")
    with pytest.raises(OutputError, match="a-file"):
        train(RECIPE, tmp_path / "a-file" / "run", progress=False)


def batch(**changes):
    """One real batch as tensors."""
    return from_tabletop(next(RECIPE.stream().batches())) | changes


def test_a_batch_becomes_tensors_without_a_copy():
    arrays = next(RECIPE.stream().batches())
    tensors = as_tensors(arrays)
    assert set(tensors) == set(arrays._fields)
    assert all(np.shares_memory(tensors[name].numpy(), array) for name, array in arrays._asdict().items())


def test_the_total_is_the_weighted_sum_of_the_terms():
    torch.manual_seed(0)
    terms = NanoModule(RECIPE).losses(batch())
    assert set(terms) == {*RECIPE.loss_weights, "total"}
    total = sum(RECIPE.loss_weights[name] * terms[name] for name in RECIPE.loss_weights)
    torch.testing.assert_close(terms["total"], total)
    assert all(torch.isfinite(value) and value > 0 for value in terms.values())


def test_undecided_pixels_are_not_learnt():
    torch.manual_seed(0)
    module = NanoModule(RECIPE).eval()
    undecided = torch.full_like(batch()["mask"], UNKNOWN)
    terms = module.losses(batch(mask=undecided))
    assert terms["bce"] == 0
    assert terms["dice"] == 0
    assert torch.isfinite(terms["total"])


def rates(recipe):
    module = NanoModule(recipe)
    [optimizer], [schedule] = module.configure_optimizers()
    factor = schedule["scheduler"].lr_lambdas[0]
    return optimizer, [factor(step) for step in range(recipe.steps + 1)]


def test_the_rate_rises_stays_and_falls_to_zero():
    _, factors = rates(NanoRecipe(**TINY_RECIPE | {"steps": 100, "warmup": 10, "decay": 0.2}))
    assert factors[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert set(factors[10:81]) == {1.0}
    assert factors[90] == pytest.approx(0.5)
    assert factors[100] == 0


def test_only_matrices_decay():
    optimizer, _ = rates(RECIPE)
    matrices, others, trunk = optimizer.param_groups
    decays = [group["weight_decay"] for group in (matrices, others, trunk)]
    assert decays == [RECIPE.weight_decay, 0, 0]
    assert all(p.ndim > 1 for p in matrices["params"])
    assert all(p.ndim <= 1 for p in others["params"])
    count = sum(p.numel() for group in optimizer.param_groups for p in group["params"])
    assert count == sum(p.numel() for p in NanoModule(RECIPE).parameters())
