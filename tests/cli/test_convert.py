import subprocess
import sys

import pytest

from tiny_ivm7b import write_tiny


@pytest.fixture
def convert(tmp_path, environment):
    tiny = write_tiny(tmp_path)

    def run(*arguments):
        line = [sys.executable, "-m", "ivm", "convert", str(tiny.trained), "--sam", str(tiny.sam)]
        return subprocess.run([*line, *arguments], capture_output=True, text=True, env=environment, cwd=tmp_path)

    return run


def test_the_weights_are_put_into_one_folder(convert, tmp_path):
    done = convert("--llava", "llava", "-o", "one", "--no-merge", "--dtype", "bfloat16")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Converted to one.")
    assert done.stderr == ""
    assert {"ivm7b.json", "README.md", "tokenizer.json"} <= {path.name for path in (tmp_path / "one").iterdir()}


def test_a_mistake_is_one_sentence(convert, tmp_path):
    done = convert("--llava", "gone", "-o", "one")
    assert done.returncode == 41
    assert done.stderr == "error: There is no file or folder at gone: check the path\nmore: docs/errors.md#models\n"
    assert not (tmp_path / "one").exists()
