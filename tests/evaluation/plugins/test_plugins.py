"""Both plug-ins, against the harnesses themselves where they are installed, else against their recorded interface."""

import importlib
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.recorded_harness import installed, lmms_eval, vlmeval
from evaluation.squares import SmallSquare
from ivm.core.errors import ImageError, MissingExtraError, OptionError
from ivm.evaluation.plugins.hook import MaskingHook, instruction_of
from ivm.inference.masker import Masker

PROMPT = "What is the color of the square?\nA. red\nB. blue\nAnswer with the option's letter from the choices directly."


@pytest.fixture
def masker():
    return Masker(SmallSquare())


@pytest.fixture
def square():
    image = np.full((120, 160, 3), 128, np.uint8)
    image[40:60, 80:100] = (220, 20, 20)
    return Image.fromarray(image)


def masked(picture):
    """Whether all but the square and its edge is white."""
    pixels = np.asarray(picture)
    return bool((pixels[0, 0] == 255).all() and tuple(pixels[50, 90]) == (220, 20, 20))


@pytest.fixture
def lmms(monkeypatch):
    installed(monkeypatch, "lmms_eval", lmms_eval)
    sys.modules.pop("ivm.evaluation.plugins.lmms", None)
    yield importlib.import_module("ivm.evaluation.plugins.lmms")
    sys.modules.pop("ivm.evaluation.plugins.lmms", None)


@pytest.fixture
def inner(lmms):
    """A model of lmms-eval that keeps what it is asked."""
    base = importlib.import_module("lmms_eval.api.model").lmms

    class Inner(base):
        is_simple = True

        def __init__(self, pretrained="", **options):
            super().__init__()
            self.pretrained, self.options, self.seen = pretrained, options, []
            self.device = "cpu"

        def generate_until(self, requests):
            for request in requests:
                if self.is_simple:
                    _, _, visuals, number, task, split = request.args
                    self.seen.append(visuals(self.task_dict[task][split][number]))
                else:
                    _, messages, _, number, task, split = request.args
                    self.seen.append(messages(self.task_dict[task][split][number]))
            return ["A"] * len(requests)

        loglikelihood = generate_until_multi_round = generate_until

    return Inner


def request(*arguments):
    instance = importlib.import_module("lmms_eval.api.instance").Instance
    about = {"task": "t", "doc_id": 0, "repeats": 1}
    return instance(request_type="generate_until", arguments=arguments, idx=0, metadata=about)


def test_the_entry_point_leads_to_a_manifest(lmms):
    about = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    target = about["project"]["entry-points"]["lmms_eval.models"]["ivm"]
    module, _, name = target.partition(":")
    made = getattr(importlib.import_module(module), name)()
    assert made.model_id == "ivm"
    for path, simple in ((made.simple_class_path, True), (made.chat_class_path, False)):
        place, _, cls = path.rpartition(".")
        found = getattr(importlib.import_module(place), cls)
        assert issubclass(found, importlib.import_module("lmms_eval.api.model").lmms)
        assert found.is_simple is simple


def test_a_simple_model_gets_masked_pictures(lmms, inner, masker, square):
    made = inner()
    model = lmms.MaskedSimple(inner=made, masker=masker)
    model.task_dict["t"] = {"test": [{"image": square}]}  # as the evaluator does it
    asked = request(PROMPT, {"max_new_tokens": 4}, lambda doc: [doc["image"], "clip.mp4"], 0, "t", "test")
    assert model.generate_until([asked]) == ["A"]
    picture, video = made.seen[0]
    assert masked(picture)
    assert video == "clip.mp4"
    assert not masked(square)
    assert model.device == "cpu", "what the wrapper has not is the inner model's"
    assert (model.rank, model.world_size) == (0, 1)


def test_a_chat_model_gets_masked_pictures_in_its_messages(lmms, inner, masker, square):
    inner.is_simple = False
    made = inner()
    model = lmms.MaskedChat(inner=made, masker=masker, view="original+crop")
    content = [{"type": "image", "url": square}, {"type": "text", "text": PROMPT}]
    model.task_dict["t"] = {"test": [[{"role": "user", "content": content}]]}
    model.generate_until([request("", lambda doc: doc, {}, 0, "t", "test")])
    kinds = [part["type"] for part in made.seen[0][0]["content"]]
    assert kinds == ["image", "image", "text"]
    whole, crop = (part["url"] for part in made.seen[0][0]["content"][:2])
    assert whole.size == (160, 120)
    assert crop.size[0] < 160
    assert content[0]["url"] is square, "the task's own message is left alone"


def test_other_arguments_go_to_the_inner_model(lmms, inner, monkeypatch):
    models = importlib.import_module("lmms_eval.models")
    monkeypatch.setattr(models, "get_model", lambda name, force_simple=False: inner)
    model = lmms.MaskedSimple.create_from_arg_string(
        "inner=some,view=blur,threshold=0.3,pretrained=owner/name", {"batch_size": 2}
    )
    assert model.hook == MaskingHook(view="blur", threshold=0.3)
    assert (model.inner.pretrained, model.inner.options) == ("owner/name", {"batch_size": 2})
    with pytest.raises(OptionError, match="inner="):
        lmms.MaskedSimple()
    with pytest.raises(OptionError, match="simple one"):
        lmms.MaskedChat(inner="some")
    with pytest.raises(OptionError, match="no view"):
        lmms.MaskedSimple(inner="some", view="zoom")


@pytest.fixture
def kit(monkeypatch):
    installed(monkeypatch, "vlmeval", vlmeval)
    return importlib.import_module("ivm.evaluation.plugins.vlmevalkit")


class Local:
    """A local model of VLMEvalKit's kind."""

    def __init__(self, **options):
        self.options, self.seen = options, []

    def generate(self, message, dataset=None):
        self.seen.append(message)
        return "A"


def test_the_adapter_masks_what_is_sent(kit, masker, square, tmp_path):
    square.save(tmp_path / "a.png")
    kit.register(MaskingHook(masker=masker), tmp_path / "masked")
    adapter = importlib.import_module("vlmeval.api.adapters").build_adapter("ivm")
    message = [{"type": "image", "value": str(tmp_path / "a.png")}, {"type": "text", "value": PROMPT}]
    picture, text = adapter.process_inputs(message, dataset="VStarBench")
    assert text == message[1]
    with Image.open(picture["value"]) as shown:
        assert masked(shown.convert("RGB"))
    assert adapter.process_inputs(message)[0] == picture, "the same picture is written once"
    assert adapter.postprocess("B") == "B"
    with pytest.raises(ImageError):
        adapter.process_inputs([{"type": "image", "value": "gone.png"}, message[1]])


def test_every_local_model_gets_a_masked_twin(kit, masker, square, tmp_path):
    supported = importlib.import_module("vlmeval.config").supported_VLM
    supported["Some-7B"] = Local
    square.save(tmp_path / "a.png")
    kit.register(MaskingHook(masker=masker), tmp_path / "masked")
    model = supported["ivm:Some-7B"](max_new_tokens=9)
    assert model.options == {"max_new_tokens": 9}
    message = [{"type": "image", "value": str(tmp_path / "a.png")}, {"type": "text", "value": PROMPT}]
    assert model.generate(message, dataset="x") == "A"
    assert model.seen[0][0]["value"].startswith(str(tmp_path / "masked"))


def test_the_launcher_registers_and_runs(kit, monkeypatch, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom vlmeval.api.adapters import build_adapter\n"
        "Path(sys.argv[1]).write_text(type(build_adapter('ivm')).__name__)\n"
    )
    monkeypatch.setattr(sys, "argv", ["x"])
    kit.main([str(script), str(tmp_path / "told")])
    assert (tmp_path / "told").read_text() == "IvmAdapter"
    with pytest.raises(OptionError, match=r"run\.py"):
        kit.main(["nowhere.py"])


def test_without_the_harness_its_name_is_told(monkeypatch):
    for package in ("vlmeval", "lmms_eval"):
        for name in {package, *(one for one in sys.modules if one.startswith(f"{package}."))}:
            monkeypatch.setitem(sys.modules, name, None)
    from ivm.evaluation.plugins import lmms, vlmevalkit

    for ask in (vlmevalkit.register, lmms.manifest):
        with pytest.raises((MissingExtraError, ImportError), match=r"vlmeval|lmms_eval"):
            ask()


def test_the_environment_chooses_how_to_mask():
    told = {"IVM_VIEW": "crop", "IVM_THRESHOLD": "0.25", "OTHER": "x"}
    assert MaskingHook.from_environment(told) == MaskingHook(view="crop", threshold=0.25)
    with pytest.raises(OptionError, match="number"):
        MaskingHook.from_environment({"IVM_THRESHOLD": "high"})


def test_the_instruction_is_the_question_alone():
    assert instruction_of(PROMPT) == "What is the color of the square?"
    assert instruction_of("<image>\nWhere is it?") == "Where is it?"
    assert len(instruction_of("word " * 100).split()) == 64
