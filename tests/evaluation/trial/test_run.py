"""A trial against a real server on a socket: what is asked, what is counted, what is kept."""

import threading
from collections import Counter

import pytest

from evaluation.colour_lmm import answer
from evaluation.squares import SmallSquare
from fake_lmm import Body, Drop, FakeLmm, Mishaps, Reply, Status, running
from ivm.core.errors import OptionError
from ivm.evaluation.trial.run import GIVE_UP
from ivm.evaluation.trial.variants import Arm, arms_of
from ivm.lmm.budget import Budget


def scores(ran, arm):
    return [one.score for one in ran.outcomes if one.arm == arm]


def test_the_right_mask_helps_and_a_wrong_one_does_not(squares, trial):
    views = ("highlight", "crop", "original+crop")
    with (
        running(FakeLmm(answer)) as lmm,
        trial(squares, lmm.base_url, views=views, controls=("oracle", "random")) as one,
    ):
        ran = one.run()
    assert scores(ran, "raw") == [0] * 6, "blue is the largest"
    for view in views:
        assert scores(ran, view) == scores(ran, f"{view}/oracle") == [1] * 6
        assert sum(scores(ran, f"{view}/random")) < 6
    assert len(ran.outcomes) == len({(row.question, row.arm) for row in ran.outcomes}) == 6 * 10
    assert {row.state for row in ran.outcomes} == {"answered"}


def test_each_view_sends_what_it_says(squares, trial):
    sent = {}

    def note(asked):
        sent.setdefault(tuple(image.shape[:2] for image in asked.images), asked.images)
        return "A"

    views = ("highlight", "crop", "original+crop")
    with running(FakeLmm(note)) as lmm, trial(squares, lmm.base_url, views=views, controls=("matched",)) as one:
        ran = one.run()
    shapes = set(sent)
    assert ((120, 160),) in shapes
    crops = {shape[-1] for shape in shapes if len(shape) == 2}
    assert len(crops) == 1, "original+crop sends two pictures"
    (crop,) = crops
    by_arm = {row.arm: row.pixels for row in ran.outcomes}
    assert by_arm["raw"] == by_arm["highlight"] == 120 * 160
    assert by_arm["original+crop"] == 120 * 160 + crop[0] * crop[1]
    assert by_arm["crop/matched"] == pytest.approx(by_arm["crop"], rel=0.4), "no side is below 32"
    assert by_arm["original+crop/matched"] == pytest.approx(by_arm["original+crop"], rel=0.02)
    assert "highlight/matched" not in by_arm, "it has the raw picture's size anyway"


def test_a_second_run_asks_nothing(squares, trial, tmp_path):
    with running(FakeLmm(answer)) as lmm:
        with trial(squares, lmm.base_url, controls=("random",)) as one:
            first = one.run(tmp_path / "report")
        asked = len(lmm.asked)
        told = []
        with trial(squares, lmm.base_url, controls=("random",)) as one:
            second = one.run(tmp_path / "report", told.append)
        assert len(lmm.asked) == asked == 18
    assert second.outcomes == first.outcomes
    assert second.taken == len(told) == 18
    assert second.times.mask_s == 0


def test_other_settings_are_another_trial_in_the_same_folder(squares, trial, tmp_path):
    with running(FakeLmm(answer)) as lmm:
        for likelihood, view in ((False, "highlight"), (False, "blur"), (True, "highlight")):
            with trial(squares, lmm.base_url, views=(view,), likelihood=likelihood) as one:
                one.run(tmp_path)
        assert len(lmm.asked) == 36
    assert len(list(tmp_path.glob("trial-*.jsonl"))) == 3


def test_what_is_no_answer_is_counted_and_told_apart(squares, trial, tmp_path):
    (squares / "direct_attributes" / "5.jpg").unlink()
    mishaps = {
        0: Reply(None, refusal="I will not"),
        1: Body(b'{"id": "x", "object": "chat.completion", "choices": []}'),
        2: "I see many things.",
        3: Status(500),
        4: Reply(""),
    }
    with running(FakeLmm(Mishaps(lambda asked: "A", mishaps))) as lmm:
        with trial(squares, lmm.base_url, concurrency=1) as one:
            ran = one.run(tmp_path)
        states = Counter(row.state for row in ran.outcomes)
        assert len(ran.outcomes) == 12, "nothing is dropped"
        assert states["refused"] == 1
        assert states["malformed"] == 1
        assert states["failed"] + states["empty"] == 3, "empty choices, an error, and an empty text"
        assert states["no-picture"] == 2
        assert all(row.score == 0 for row in ran.outcomes if row.state != "answered")
        assert all(row.message for row in ran.outcomes if row.state in ("failed", "no-picture"))
        before = len(lmm.asked)
        with trial(squares, lmm.base_url, concurrency=1) as one:
            again = one.run(tmp_path)
        assert len(lmm.asked) - before == states["failed"], "only what failed is asked again"
    assert Counter(row.state for row in again.outcomes)["failed"] == 0


def test_a_failing_mask_model_costs_its_arm_only(squares, trial):
    listing = squares / "test_questions.jsonl"
    listing.write_text(listing.read_text().replace("square 2", "square fail"))
    with running(FakeLmm(answer)) as lmm, trial(squares, lmm.base_url) as one:
        ran = one.run()
    states = {(row.question, row.arm): row.state for row in ran.outcomes}
    assert states["direct_attributes/2", "highlight"] == "no-mask"
    assert states["direct_attributes/2", "raw"] == "answered"
    assert list(states.values()).count("answered") == 11


def test_a_server_that_dies_is_given_up_and_the_rest_counts(squares, trial, tmp_path):
    dead = Mishaps(answer, dict.fromkeys(range(2, 100), Drop()))
    with running(FakeLmm(dead)) as lmm, trial(squares, lmm.base_url, concurrency=1) as one:
        ran = one.run(tmp_path)
        assert len(lmm.asked) <= 2 + GIVE_UP
    states = Counter(row.state for row in ran.outcomes)
    assert states == {"answered": 2, "failed": GIVE_UP, "unasked": 12 - 2 - GIVE_UP}
    assert all("in a row" in row.message for row in ran.outcomes if row.state == "unasked")
    with running(FakeLmm(answer)) as lmm, trial(squares, lmm.base_url, concurrency=1) as one:
        again = one.run(tmp_path)
        assert len(lmm.asked) == 10, "what was answered is not asked again"
    assert {row.state for row in again.outcomes} == {"answered"}


def test_a_spent_budget_leaves_the_rest_unasked(squares, trial):
    reply = Reply("A", usage=(1000, 1))
    with (
        running(FakeLmm(lambda asked: reply)) as lmm,
        trial(squares, lmm.base_url, concurrency=1, client={"budget": Budget(tokens=4000)}) as one,
    ):
        ran = one.run()
    states = Counter(row.state for row in ran.outcomes)
    assert states["answered"] + states["unasked"] == 12
    assert 1 <= states["answered"] <= 4


def test_masks_are_made_while_the_model_answers(squares, trial):
    second = threading.Event()

    class Watched(SmallSquare):
        def encode(self, images):
            if self.encoded >= 1:
                second.set()
            return super().encode(images)

    def patient(asked):
        # The first question is answered only when the second picture is being masked: one after the other never ends.
        assert second.wait(200)
        return "A"

    with running(FakeLmm(patient)) as lmm, trial(squares, lmm.base_url, model=Watched(), concurrency=4) as one:
        ran = one.run()
    assert {row.state for row in ran.outcomes} == {"answered"}


def test_several_questions_are_on_their_way_at_once(squares, trial):
    both = threading.Barrier(2)

    def together(asked):
        both.wait(200)
        return "A"

    with running(FakeLmm(together)) as lmm, trial(squares, lmm.base_url, concurrency=2) as one:
        ran = one.run()
        assert lmm.most_at_once == 2
    assert len(ran.outcomes) == 12


def test_options_are_ranked_by_likelihood(squares, trial):
    top = {" B": -0.2, "(A": -1.0, "A": -1.1, "the": -5.0}

    def told(asked):
        assert asked.body["max_tokens"] == 1
        return Reply("the", tokens=(("the", -0.1, top),))

    with running(FakeLmm(told)) as lmm, trial(squares, lmm.base_url, likelihood=True) as one:
        ran = one.run()
    # exp(-1.0) + exp(-1.1) = 0.70 is less than exp(-0.2) = 0.82.
    assert {row.said for row in ran.outcomes} == {"B"}
    with running(FakeLmm(lambda asked: "B")) as lmm, trial(squares, lmm.base_url, likelihood=True) as one:
        assert {row.state for row in one.run().outcomes} == {"malformed"}, "this server tells no likelihoods"


def test_an_interruption_ends_at_once_and_what_was_answered_is_kept(squares, trial, tmp_path):
    def stop(outcome):
        raise KeyboardInterrupt

    with running(FakeLmm(answer)) as lmm:
        with trial(squares, lmm.base_url, concurrency=1) as one, pytest.raises(KeyboardInterrupt):
            one.run(tmp_path, stop)
        with trial(squares, lmm.base_url, concurrency=1) as one:
            assert one.run(tmp_path).taken == 1


def test_arms_by_name():
    arms = arms_of(["highlight", "crop"], ["random", "matched"])
    assert [arm.name for arm in arms] == [
        "raw", "highlight", "highlight/random", "crop", "crop/random", "crop/matched"
    ]  # fmt: skip
    assert Arm.named("crop/random") == Arm("crop", "random")
    for wrong in ("zoom", "crop/wrong"):
        with pytest.raises(OptionError):
            Arm.named(wrong)
    with pytest.raises(OptionError, match="beside raw"):
        arms_of(["raw"], [])
