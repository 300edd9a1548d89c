"""The table: Gymnasium's own checker, seeds, the expert, levels, memory, mistakes."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from ivm.core.errors import OptionError
from ivm.robotics.levels import LEVELS


def play(env, seed, steps=4):
    """Pictures, ids and rewards of an episode under fixed random actions."""
    rng = np.random.default_rng(0)
    observation, _ = env.reset(seed=seed)
    rows = [(observation["image"].tobytes(), observation["segmentation"].tobytes(), observation["instruction"], 0.0)]
    for _ in range(steps):
        observation, reward, *_ = env.step(rng.uniform(-1, 1, 4).astype(np.float32))
        rows.append((observation["image"].tobytes(), observation["segmentation"].tobytes(), "", reward))
    return rows


def test_gymnasium_finds_no_fault(table):
    from gymnasium.utils.env_checker import check_env

    check_env(table(size=32, render_mode="rgb_array"), skip_render_check=True)


def test_the_same_seed_gives_the_same_pictures_and_rewards(table):
    one, other = table("all"), table("all")
    first = play(one, 5)
    play(one, 6)
    assert play(one, 5) == first, "after another episode in the same scene"
    assert play(other, 5) == first, "in another environment"
    assert play(other, 7) != first


@pytest.mark.parametrize("verb", ["pick", "put", "push"])
def test_the_expert_does_what_it_is_asked(table, verb):
    from ivm.robotics.expert import act

    env = table(verbs=(verb,), size=32)
    done = []
    for seed in range(6):
        _, info = env.reset(seed=seed)
        rewards, over = [], False
        while not over:
            _, reward, success, cut, info = env.step(act(env))
            rewards.append(reward)
            over = success or cut
        assert sum(rewards) == float(success) == float(info["success"])
        done.append(success)
    assert sum(done) >= 5


def test_doing_nothing_is_no_success(table):
    env = table(max_steps=5, size=32)
    env.reset(seed=0)
    ends = [env.step(np.zeros(4, np.float32))[1:4] for _ in range(5)]
    assert ends == [(0.0, False, False)] * 4 + [(0.0, False, True)]


def test_the_segmentation_shows_what_the_instruction_needs(table):
    env = table("distractors", verbs=("put",))
    for seed in range(3):
        observation, info = env.reset(seed=seed)
        names = [f"{item.thing.color} {item.thing.kind}" for item in env.setting.items]
        assert len(info["needed"]) == 2
        for number in info["needed"]:
            assert names[number - 1] in observation["instruction"]
        assert set(np.unique(observation["segmentation"])) <= {0, 255, *range(1, len(names) + 1)}


def test_levels_change_what_they_say(table):
    from ivm.robotics.setting import TARGETS, UNSEEN

    settings = {}
    for name in LEVELS:
        env = table(name, size=32, verbs=("pick",))
        env.reset(seed=3)
        settings[name] = env.setting
    plain = settings["trained"]
    assert all(item.thing in TARGETS for item in plain.items)
    added = [item.thing.kind for item in settings["distractors"].items[3:]]
    assert len(added) >= 4
    assert set(added) <= set(UNSEEN)
    asked = plain.items[0].thing
    alike = settings["alike"].items[3:]
    assert all(item.thing.kind == asked.kind or item.thing.color == asked.color for item in alike)
    assert not np.array_equal(settings["background"].look.table, plain.look.table)
    assert not np.array_equal(settings["light"].look.camera.eye, plain.look.camera.eye)
    assert not np.array_equal(settings["light"].look.light.key, plain.look.light.key)
    assert {setting.task.instruction for setting in settings.values()} == {plain.task.instruction}


def test_many_steps_take_no_more_memory(table):
    env = table(size=32, max_steps=20)
    rng = np.random.default_rng(0)

    def steps(count):
        over = True
        for _ in range(count):
            if over:
                env.reset(seed=int(rng.integers(1000)))
            _, _, done, cut, _ = env.step(rng.uniform(-1, 1, 4))
            over = done or cut
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = steps(60)
    assert steps(200) - before < 40_000, "in kilobytes"


@pytest.mark.parametrize(
    ("options", "word"),
    [({"level": "moon"}, "trained"), ({"verbs": ("throw",)}, "pick"), ({"size": 8}, "size"), ({"others": 9}, "0 to 4")],
)
def test_an_impossible_table_is_refused(table, options, word):
    with pytest.raises(OptionError, match=word):
        table(**options).reset(seed=0)


def test_an_action_that_is_none_is_refused(table):
    env = table(size=32)
    with pytest.raises(OptionError, match="reset"):
        env.step(np.zeros(4))
    env.reset(seed=0)
    for action in (np.zeros(3), np.full(4, np.nan)):
        with pytest.raises(OptionError, match="4 finite numbers"):
            env.step(action)
