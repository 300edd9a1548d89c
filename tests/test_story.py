"""`make story`: its commands are commands, it goes on where it stopped, and its page shows what they wrote."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer.main

pytest.importorskip("onnx", reason="the story's experts need onnx")
pytest.importorskip("numba", reason="the story's world is rendered")
pytest.importorskip("pyarrow", reason="the story's rollout is a LeRobot data set")

from scripts.story import experts, page, plan, running, showing
from scripts.story.plan import Step

import ivm
from ivm.cli.app import app
from ivm.core.errors import DataError
from ivm.labeling.recipe import read_recipe as read_labeling

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "examples" / "tabletop.jpg"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder with the project's recipes and pictures in it, as the current one."""
    for name in ("examples", "scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "recipes" / "story", tmp_path / "recipes" / "story")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experts")
    return {name: ivm.load(experts.make(name, folder)) for name in experts.FAULTS}


def parsed(command, words, parent=None):
    """Parse a line as the command does, without running anything."""
    context = command.make_context(words[0], list(words[1:]), parent=parent)
    if not hasattr(command, "resolve_command"):
        return context.params
    name, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
    return parsed(inner, [name, *rest], context)


@pytest.mark.parametrize("size", [None, plan.TINY], ids=["whole", "tiny"])
def test_every_command_is_one(size):
    for step in plan.chain(size):
        if step.words[0] == "ivm":
            assert parsed(typer.main.get_command(app), step.words)


def test_the_document_has_the_same_commands():
    text = (ROOT / "docs" / "story.md").read_text(encoding="utf-8")
    blocks = text.split("```")[1::2]
    lines = [line for block in blocks for line in block.splitlines() if line.startswith(("ivm ", "python "))]
    assert lines == [step.command for step in plan.chain()]


def test_each_step_reads_what_an_earlier_one_makes():
    seen = set()
    for step in plan.chain():
        assert set(step.uses) <= seen, step.name
        seen.add(step.name)
    assert set(page.SHOWS) <= seen


def test_its_recipes_are_read():
    pytest.importorskip("torch")
    from ivm.training.recipe import read_recipe

    assert read_recipe(ROOT / "recipes" / "story" / "model.yaml").make_weighting().judged
    assert (
        not read_recipe(ROOT / "recipes" / "story" / "model.yaml", {"weighting.kind": "uniform"})
        .make_weighting()
        .judged
    )
    chosen = read_labeling(ROOT / "recipes" / "story" / "label.yaml")
    assert [spec.name for spec in chosen.expert_specs()] == ["ivm-nano", *experts.FAULTS]


def test_colorblind_hears_no_color(faulty):
    red, blue = (faulty["colorblind"](PICTURE, f"pick up the {color} cup").soft for color in ("red", "blue"))
    assert (red == blue).all()
    plain = ivm.load()
    assert (plain(PICTURE, "pick up the red cup").soft != plain(PICTURE, "pick up the blue cup").soft).any()


def test_generous_draws_beyond_the_edge(faulty):
    plain = ivm.load()(PICTURE, "pick up the red cup").binary
    large = faulty["generous"](PICTURE, "pick up the red cup").binary
    assert (plain <= large).mean() > 0.99
    assert large.sum() > 1.5 * plain.sum()


def test_the_first_steps_are_really_run_and_shown(place):
    wanted = ("people", "tables", "look", "experts", "label", "labels")
    steps = [step for step in plan.chain(plan.TINY) if step.name in wanted]
    found = running.run(steps)
    assert [one.command for one in found] == [step.command for step in steps]
    assert "records in 1 files" in found[0].printed
    assert showing.samples("people.html").count("<img") >= 4
    assert "agreement of colorblind" in showing.labelling()


def python(name, code, makes, uses=()):
    return Step(name=name, chapter="c", says="s", command=f"python -c '{code}'", makes=makes, uses=uses)


def note(name):
    """Writes the file, and a line into another one each time that it is run."""
    return f'open("runs/story/{name}", "w").close(); open("runs/story/ran", "a").write("{name} ")'


def test_what_is_done_is_skipped_and_what_follows_a_new_result_is_made_anew(place):
    steps = [python("a", note("a"), "a"), python("b", note("b"), "b", ("a",)), python("c", note("c"), "c")]
    ran = place / "runs" / "story" / "ran"
    running.run(steps)
    running.run(steps)
    assert ran.read_text().split() == ["a", "b", "c"]
    (place / "runs" / "story" / "a").unlink()
    running.run(steps)
    assert ran.read_text().split() == ["a", "b", "c", "a", "b"], "c does not read a"
    steps[2] = python("c", note("c") + "; 1", "c")
    running.run(steps)
    assert ran.read_text().split()[5:] == ["c"], "another command is another step"


def test_a_step_that_fails_is_one_error_and_the_story_goes_on_after_it(place):
    broken = 'import sys; print("first", file=sys.stderr); print("no room", file=sys.stderr); sys.exit(72)'
    steps = [python("a", note("a"), "a"), python("b", broken, "b")]
    with pytest.raises(running.StepError, match=r"the step 'b' failed \(no room\)") as caught:
        running.run(steps)
    assert caught.value.exit_code == 72
    assert "first" in (place / "runs" / "story" / "steps" / "b.log").read_text()
    steps[1] = python("b", note("b"), "b")
    running.run(steps)
    assert (place / "runs" / "story" / "ran").read_text().split() == ["a", "b"]


def test_ctrl_c_lets_the_command_end_by_itself(place):
    slow = python(
        "slow",
        'import time\ntry:\n open("began", "w").close(); time.sleep(60)\n'
        'except KeyboardInterrupt:\n time.sleep(1); open("saved", "w").close(); raise',
        "slow",
    )
    code = f"from scripts.story.plan import Step\nfrom scripts.story.running import run\nrun([{slow!r}])"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        while not (place / "began").exists():
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=60) != 0
    finally:
        process.kill()
    assert (place / "saved").exists()
    assert running.read(slow) is None


def test_the_commands_can_be_listed_and_a_wrong_step_is_named(place):
    line = [sys.executable, "-m", "scripts.story"]
    listed = subprocess.run([*line, "--list"], capture_output=True, text=True, check=True, timeout=120)
    assert listed.stdout.splitlines() == [step.command for step in plan.chain()]
    wrong = subprocess.run([*line, "--until", "lunch"], capture_output=True, text=True, timeout=120)
    assert wrong.returncode == 2
    assert "no step is called 'lunch'" in wrong.stderr


def report(folder, name, scores):
    rows = [
        {"id": f"q{n}", "group": f"p{n // 2}", "iou": value, "hit": 1.0 if n % 2 else None}
        for n, value in enumerate(scores)
    ]
    told = {"scores": rows, "total": {}, "weights": {}, "model": name, "version": "1", "threshold": 0.5}
    (folder / f"{name}.json").write_text(json.dumps(told))
    return str(folder / f"{name}.json")


def test_the_headline_says_what_diff_printed(tmp_path):
    before, after = report(tmp_path, "before", [0.2] * 20), report(tmp_path, "after", [0.4] * 18 + [0.1] * 2)
    line = [sys.executable, "-m", "ivm", "eval", "diff", before, after]
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=120)
    change = showing.Change.read(done.stdout)
    assert (change.questions, change.before, change.after, change.change) == ("20", "0.200", "0.370", "+0.170")
    assert (change.better, change.worse) == ("18", "2")
    assert "more than chance explains" in showing.headline(done.stdout)
    assert "pointing" in done.stdout
    with pytest.raises(DataError):
        showing.Change.read("nothing")
