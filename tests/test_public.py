from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

import ivm

PAPER_KEYS = [
    "soft", "hard", "blur_image", "highlight_image", "cropped_blur_img", "cropped_highlight_img", "alpha_image"
]  # fmt: skip


def python(code: str, **options):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)], capture_output=True, text=True, **options
    )


def test_the_public_surface():
    assert ivm.__all__ == [
        "BatchError", "ImageError", "InputError", "IvmError", "MaskModel", "MaskResult", "Masker", "ModelError",
        "OutputError", "Prediction", "load", "load_image",
    ]  # fmt: skip
    assert all(getattr(ivm, name).__module__.startswith("ivm.") for name in ivm.__all__)
    assert set(ivm.__all__) <= set(dir(ivm))


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="has no attribute 'lod'"):
        ivm.lod  # noqa: B018


def test_importing_is_light():
    done = python("""
        import sys
        import ivm
        heavy = {"numpy", "cv2", "onnxruntime", "torch", "PIL", "rich", "typer"} & set(sys.modules)
        print(sorted(heavy))
    """)
    assert done.stdout == "[]\n", done.stderr


def test_using_the_model_needs_no_torch(toy_nano):
    done = python(f"""
        import sys, numpy, ivm
        print(len(ivm.load({str(toy_nano)!r})(numpy.zeros((8, 8, 3), numpy.uint8), "red")), "torch" in sys.modules)
    """)
    assert done.stdout == "7 False\n", done.stderr


def test_the_papers_snippet(toy_nano, tmp_path):
    (tmp_path / "assets" / "demo").mkdir(parents=True)
    picture = np.full((48, 64, 3), 128, np.uint8)
    picture[8:24, 8:24] = (255, 0, 0)
    Image.fromarray(picture).save(tmp_path / "assets" / "demo" / "robot.jpg")
    done = python(
        f"""
        from PIL import Image
        from IVM import load

        ckpt_path = {str(toy_nano)!r}
        model = load(ckpt_path, low_gpu_memory=False)  # Set `low_gpu_memory=True` if you don't have enough GPU Memory

        image = Image.open("assets/demo/robot.jpg")
        instruction = "pick up the red cup"

        result = model(image, instruction, threshold=0.5)
        for key in result:
            print(key, result[key].shape, result[key].dtype)
        """,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == PAPER_KEYS


def test_the_papers_module_has_the_same_surface():
    import IVM

    assert set(IVM.__all__) == {*ivm.__all__, "__version__"}
    assert all(getattr(IVM, name) is getattr(ivm, name) for name in IVM.__all__)
