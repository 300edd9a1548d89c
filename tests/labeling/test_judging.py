"""`verifier: judge`: a recipe names a run of training, whose discriminator says what is used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest

pytest.importorskip("lightning", reason="a judge is trained with the extra [train]")

from fake_models import RedModel
from ivm.core.errors import CheckpointError, OptionError, RecipeError
from ivm.core.model import Prediction
from ivm.data.coding import encode_picture
from ivm.data.shards import Shard, shards_of
from ivm.labeling.building import label_stages
from ivm.labeling.expert import ExpertSpec
from ivm.labeling.recipe import read_recipe
from ivm.labeling.run import HereEngine, LabelRun
from ivm.labeling.stages import Limits
from ivm.labeling.task import ListedTasks
from ivm.labeling.verify import Case, JudgeVerifier
from ivm.labeling.writer import REJECTED, read_maker
from ivm.training.judge import open_judge
from tiny_judge import train_judge
from tiny_records import square_record

JUDGED = "verifier: judge\njudge: run/last.ckpt\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder with the run of a judge, whose people draw squares and whose machine takes the whole picture."""
    return train_judge(tmp_path_factory.mktemp("judge")).parent


@pytest.fixture
def folder(tmp_path, trained):
    """Four pictures with a red square each, and that run beside them."""
    lines = []
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(encode_picture(square_record(2 * number).image, "png"))
        lines.append(json.dumps({"image": f"{number}.png", "instruction": "the red cup"}))
    (tmp_path / "tasks.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "run").symlink_to(trained)
    return tmp_path


def recipe(folder, text, toy_nano="ivm-nano"):
    path = folder / "r.yaml"
    path.write_text(
        f"source: {{path: tasks.jsonl}}\noutput: out\nengine: here\nexperts: [{{name: toy, model: {toy_nano}}}]\n{text}"
    )
    return path


class Greedy(RedModel):
    """Takes nearly the whole picture, as the judge's machine does."""

    def predict(self, features, instructions):
        logits = [np.full(one.shape, 5.0, np.float32) for one in features]
        for one in logits:
            one[:2] = -5.0
        return Prediction(logits, np.full(len(logits), 0.95, np.float32))


def labelled(folder, model, **limits):
    """What the records tell of their making, those that are used and those that are not."""
    stages = label_stages(
        roles=("target",),
        experts=[ExpertSpec(name="e", make=model)],
        limits=Limits(largest=0.99, **limits),
        verifier="judge",
        judge=partial(open_judge, folder / "run" / "last.ckpt"),
    )
    out = folder / model.__name__
    LabelRun(source=ListedTasks(folder / "tasks.jsonl"), folder=out, name="run", stages=stages).run(HereEngine())
    return makers(out), makers(out / REJECTED)


def makers(folder):
    shards = [Shard(path) for path in shards_of(folder)] if folder.is_dir() and list(folder.glob("*.tar")) else []
    return [read_maker(shard[index]) for shard in shards for index in range(len(shard))]


def test_the_judge_decides_by_the_mask(folder):
    used, none = labelled(folder, RedModel)
    assert (len(used), none) == (4, [])
    none, rejected = labelled(folder, Greedy)
    assert (none, len(rejected)) == ([], 4)
    assert min(about["verdict"] for about in used) > 0.6
    assert max(about["verdict"] for about in rejected) < 0.25
    assert {(about["rejected"], about["missing"]) for about in rejected} == {("verifier", "unlike a person's mask")}
    assert {about["verifier"] for about in used + rejected} == {open_judge(folder / "run" / "last.ckpt").name}


def test_the_least_probability_is_a_limit(folder):
    assert len(labelled(folder, Greedy, human=0.0)[0]) == 4


def test_one_that_cannot_be_judged_loses_nobody_else(folder):
    record = square_record(0)
    cases = [
        Case(image=record.image, mask=record.mask > 127, instruction=text, phrases=())
        for text in ("the red cup", "word " * 70)
    ]
    good, bad = JudgeVerifier(open_judge(folder / "run" / "last.ckpt")).verify(cases)
    assert good.good
    assert "70 words" in str(bad)


def test_a_recipe_runs_with_a_judge(folder, toy_nano):
    path = recipe(folder, JUDGED, toy_nano)
    done = subprocess.run(
        [sys.executable, "-m", "ivm", "label", str(path)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
        env=os.environ | {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("4 records of 4 tasks, 0 rejected")
    assert makers(folder / "out")[0]["verifier"].startswith("judge run/last.ckpt@")


def test_another_judge_is_another_run(folder, toy_nano):
    import torch

    chosen = read_recipe(recipe(folder, JUDGED, toy_nano))
    work = chosen.run(open_judge)
    with chosen.engine_for(work.stages) as engine:
        work.run(engine)
    content = torch.load(folder / "run" / "last.ckpt", weights_only=True)
    (folder / "run").unlink()
    (folder / "run").mkdir()
    torch.save(content | {"note": 1}, folder / "run" / "last.ckpt")
    other = chosen.run(open_judge)
    with chosen.engine_for(other.stages) as engine, pytest.raises(OptionError, match="other settings"):
        other.run(engine)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("verifier: judge", "give judge, such as runs/nano/last.ckpt"),
        ("verifier: judge\njudge: [a]", "give judge, such as"),
        (JUDGED + "limits: {human: 2}", "from 0 to 1"),
    ],
)
def test_a_wrong_recipe_is_named(folder, text, told):
    with pytest.raises(RecipeError, match=told):
        read_recipe(recipe(folder, text))


def test_a_judge_that_cannot_be_opened_is_named_before_anything_starts(folder):
    chosen = read_recipe(recipe(folder, "verifier: judge\njudge: none/last.ckpt\n"))
    with pytest.raises(CheckpointError, match=r"No checkpoint can be read at .*none/last.ckpt"):
        chosen.run(open_judge)
    with pytest.raises(OptionError, match="nothing opens it"):
        chosen.run()
    assert not (folder / "out").exists()
