"""The discriminator of a run, asked by others: its answers are those that training saw, and a wrong file is named."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from ivm.core.errors import CheckpointError, InstructionError
from ivm.data.augment import Sample
from ivm.training.judge import SHOWN, open_judge
from ivm.training.nano import NanoModule
from ivm.training.nano_data import from_samples
from ivm.training.recipe import NanoRecipe
from ivm.training.run import train
from tiny_judge import judge_recipe, train_judge
from tiny_records import square_record
from tiny_run import tiny_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Of a run whose people draw squares, and whose machine takes the whole picture."""
    return train_judge(tmp_path_factory.mktemp("judge"))


@pytest.fixture(scope="module")
def judge(checkpoint):
    return open_judge(checkpoint)


def asked(judge, *masks):
    record = square_record(0)
    scores = judge.judge([record.image] * len(masks), masks, record.instructions * len(masks))
    assert (scores.dtype, scores.shape) == (np.float32, (len(masks),))
    return scores.tolist()


def test_it_tells_a_persons_mask_from_a_machines(judge):
    person, machine = square_record(0).mask > 127, square_record(0, "machine").mask > 127
    human, machines = asked(judge, person, machine)
    assert human > 0.7
    assert machines < 0.3
    assert asked(judge, machine, person) == [machines, human], "none depends on its neighbours"


def test_it_answers_as_training_does(judge, checkpoint, tmp_path):
    """The picture has the size of training, so nothing is resized."""
    recipe = judge_recipe(tmp_path)
    module = NanoModule(recipe)
    content = torch.load(checkpoint, weights_only=True)
    module.on_load_checkpoint(content)
    module.load_state_dict(content["state_dict"])
    records = [square_record(0), square_record(0, "machine")]
    samples = [
        Sample(record.image, record.mask, record.instructions[0], 1.0, record.source, True, record.uuid)
        for record in records
    ]
    verdicts = module.eval().verdicts(from_samples(samples)).sigmoid().tolist()
    assert asked(judge, *(record.mask > 127 for record in records)) == pytest.approx(verdicts, abs=1e-5)


def test_pictures_of_any_size_are_judged(judge):
    image, mask = square_record(0).image, square_record(0).mask > 127
    large = judge.judge([image.repeat(3, 0).repeat(4, 1)], [mask.repeat(3, 0).repeat(4, 1)], ["the red cup"])
    assert large[0] == pytest.approx(asked(judge, mask)[0], abs=0.1)
    with pytest.raises(InstructionError):
        judge.judge([image], [mask], [" "])


def test_it_is_cited_by_name_and_checksum(judge, checkpoint, tmp_path):
    assert judge.name.startswith(f"judge {checkpoint.parent.name}/last.ckpt@")
    other = tmp_path / checkpoint.parent.name / "last.ckpt"
    other.parent.mkdir()
    torch.save(torch.load(checkpoint, weights_only=True) | {"note": 1}, other)
    assert open_judge(other).name != judge.name


def changed(checkpoint, tmp_path, change):
    content = torch.load(checkpoint, weights_only=True)
    change(content)
    torch.save(content, tmp_path / "last.ckpt")
    return tmp_path / "last.ckpt"


def wider(content):
    state = content["discriminator"]["state_dict"]
    state["discriminator.head.0.weight"] = torch.zeros(3, 3)


def endless(content):
    state = content["discriminator"]["state_dict"]
    state["discriminator.head.2.bias"] = torch.tensor([float("nan")])


CHANGES = {
    "no discriminator": (lambda content: content.pop("discriminator"), "holds no discriminator: train with"),
    "an older run": (lambda content: content.pop(SHOWN), "does not say what its discriminator was shown"),
    "agreement": (lambda content: content[SHOWN].update(agreement=True), "^The discriminator of .* must be shown"),
    "other sizes": (wider, "of another architecture"),
    "not a number": (endless, "not a finite number"),
    "no weights": (lambda content: content["discriminator"].clear(), "of another architecture"),
    "huge pictures": (lambda content: content[SHOWN].update(sizes=[[10**9, 32]]), "of another architecture"),
    "another model": (lambda content: content.update({"ivm-7b": {}}), "is of ivm-7b"),
}


@pytest.mark.parametrize(("change", "told"), CHANGES.values(), ids=CHANGES)
def test_a_checkpoint_that_is_no_judge_is_named(checkpoint, tmp_path, change, told):
    with pytest.raises(CheckpointError, match=told) as error:
        open_judge(changed(checkpoint, tmp_path, change))
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_checkpoint_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="No checkpoint can be read"):
        open_judge(tmp_path / "none.ckpt")
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    with pytest.raises(CheckpointError, match="damaged one"):
        open_judge(tmp_path / "text.ckpt")
    torch.save(tiny_checkpoint(), tmp_path / "plain.ckpt")
    with pytest.raises(CheckpointError, match="holds no discriminator"):
        open_judge(tmp_path / "plain.ckpt")


def test_what_a_file_would_run_does_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"discriminator": Bomb()}, tmp_path / "bomb.ckpt")
    with pytest.raises(CheckpointError, match="damaged one"):
        open_judge(tmp_path / "bomb.ckpt")
    assert not (tmp_path / "ran").exists()


def test_a_run_whose_discriminator_is_shown_the_agreement_says_so(tmp_path):
    recipe = dataclasses.replace(judge_recipe(tmp_path), discriminator={"width": 8}, steps=1)
    assert isinstance(recipe, NanoRecipe)
    with pytest.raises(CheckpointError, match="which a verifier cannot"):
        open_judge(train(recipe, tmp_path / "run", progress=False))
