"""What the LMM is shown and asked, and what becomes of its answers."""

from __future__ import annotations

import json
from contextlib import contextmanager

import numpy as np
import pytest

from fake_lmm import MODEL, FakeLmm, Reply, running
from ivm.core.errors import IvmError, LmmError
from ivm.data.coding import encode_mask
from ivm.labeling.asking import LmmPlanner, prompt_of
from ivm.labeling.desk import Desk, LmmSettings
from ivm.labeling.invent import InventStage, LmmInventor, RuleInventor
from ivm.labeling.verify import AgainVerifier, Case, JudgeVerifier, LmmVerifier, Verdict
from ivm.labeling.writer import read_maker, record_of
from labeling_lmm import answer, instruction_of
from labeling_tasks import make_task, square, tasks_batch


@contextmanager
def desk(lmm, tmp_path, **options):
    settings = LmmSettings(
        base_url=lmm.base_url,
        model=MODEL,
        cache=tmp_path / "answers.sqlite",
        options={"first_wait_s": 0.001, "retries": 2, **options},
    )
    asker = Desk(settings)
    try:
        yield asker
    finally:
        asker.close()


def squares_mask(number: int = 0) -> np.ndarray:
    return (square("red", number)[..., 0] > 150) & (square("red", number)[..., 1] < 100)


def test_a_plan_of_the_lmm_cites_its_prompt(tmp_path):
    with running(FakeLmm(answer)) as lmm, desk(lmm, tmp_path) as asker:
        planner = LmmPlanner(asker, prompt_of("plan"))
        plan = planner.plan([make_task(instructions=("put the duck on the plate",))])[0]
        assert [(one.phrase, one.role) for one in plan.targets] == [("the duck", "target"), ("the plate", "container")]
        assert plan.maker == f"{prompt_of('plan').id} {MODEL}"
        assert plan.maker.startswith("plan-v1@")
        assert lmm.asked[0].images[0].shape == (48, 48, 3)
        assert "container" in lmm.asked[0].system


def test_equal_tasks_are_asked_once_and_a_broken_picture_never(tmp_path):
    with running(FakeLmm(answer)) as lmm, desk(lmm, tmp_path) as asker:
        tasks = [make_task(), make_task(), make_task(picture=b"no picture")]
        plans = LmmPlanner(asker, prompt_of("plan")).plan(tasks)
        assert plans[0] == plans[1]
        assert isinstance(plans[2], IvmError)
        assert len(lmm.asked) == 1


@pytest.mark.parametrize(
    ("said", "told"),
    [(Reply(None, refusal="I cannot help with that"), "refuses to plan"),
     ("no json at all", "is not JSON"),
     (json.dumps({"things": [{"phrase": "??", "role": "target"}]}), "no word"),
     (json.dumps({"things": [{"phrase": "cup", "role": "king"}]}), "not of the schema")],
)  # fmt: skip
def test_a_bad_plan_is_an_error_of_its_task_alone(tmp_path, said, told):
    def script(asked):
        return said if "blue" in instruction_of(asked) else answer(asked)

    with running(FakeLmm(script)) as lmm, desk(lmm, tmp_path) as asker:
        plans = LmmPlanner(asker, prompt_of("plan")).plan([make_task(1, "blue"), make_task(2, "green")])
    assert told in str(plans[0])
    assert plans[1].targets[0].phrase == "the green square"


def case(mask: np.ndarray) -> Case:
    return Case(image=square(), mask=mask, instruction="pick up the red square", phrases=("the red square",))


def test_the_lmm_judges_the_picture_with_all_else_white(tmp_path):
    with running(FakeLmm(answer)) as lmm, desk(lmm, tmp_path) as asker:
        verifier = LmmVerifier(asker, prompt_of("verify"))
        good, bad = verifier.verify([case(squares_mask()), case(np.zeros((48, 48), bool))])
        seen = [(asked.images[0] < 245).any(axis=2) for asked in lmm.asked]
    assert sorted(int(one.sum()) > 200 for one in seen) == [False, True]
    assert good == Verdict(True, 0.9, "")
    assert (bad.good, bad.reason, round(bad.score, 3)) == (False, "everything", 0.1)


class Judge:
    name = "judge-1"

    def judge(self, images, masks, instructions):
        return np.array([mask.mean() * 4 for mask in masks], np.float32)


def test_a_judge_of_masks_verifies_too():
    good, bad = JudgeVerifier(Judge(), least=0.3).verify([case(squares_mask()), case(np.zeros((48, 48), bool))])
    assert (good.good, bad.good, bad.reason) == (True, False, "unlike a person's mask")
    assert JudgeVerifier(Judge()).verify([]) == []


def test_an_expert_is_asked_again_in_the_masked_picture(red_expert):
    verifier = AgainVerifier(red_expert)
    good, bad = verifier.verify([case(squares_mask()), case(np.roll(squares_mask(), 20, 0))])
    assert (good.good, bad.good) == (True, False)
    assert verifier.name == "red again"


def labelled(number: int, text: str = "the red square"):
    return make_task(
        number,
        instructions=(text,),
        known=encode_mask(squares_mask(number).astype(np.uint8) * 255),
        known_source="human",
    )


def test_instructions_are_invented_for_known_masks(tmp_path):
    def script(asked):
        assert "Object: the red square" in asked.text
        yellow = np.abs(asked.images[0].astype(int) - (255, 220, 0)).sum(axis=2) < 200
        assert yellow.sum() > 40
        return json.dumps({"instruction": "What would stop a bull?", "answer": "the red square"})

    with running(FakeLmm(script)) as lmm, desk(lmm, tmp_path) as asker:
        batch = InventStage(LmmInventor(asker, prompt_of("invent")))(tasks_batch([labelled(0), make_task(1)]))
    done, without = batch.drafts
    record = record_of(done)
    assert record.instructions == ("the red square", "What would stop a bull?")
    assert record.source == "human"
    assert (record.mask > 0).sum() == 256
    assert read_maker(record)["inventor"].startswith("invent-v1@")
    assert "no mask" in without.fault.message


def test_rules_invent_without_a_model():
    first, again = (RuleInventor().invent([labelled(3)])[0] for _ in range(2))
    assert first == again
    assert "the red square" in first


def test_a_refused_invention_is_an_error(tmp_path):
    with running(FakeLmm(lambda asked: Reply(None, refusal="no"))) as lmm, desk(lmm, tmp_path) as asker:
        said = LmmInventor(asker, prompt_of("invent")).invent([labelled(0)])[0]
    assert isinstance(said, LmmError)
