"""`ivm models fetch` as a process of its own, against a hub on this machine."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from huggingface_hub.constants import DOWNLOAD_CHUNK_SIZE

from fake_hub import COMMIT, FakeHub, running
from ivm.core.errors import DiskFullError, FetchError, UnknownModelError
from ivm.inference.zoo import load
from ivm.models.fetch import check_space
from tiny_experts import tiny_clipseg

REPOSITORY = "someone/clipseg"
CHUNK = DOWNLOAD_CHUNK_SIZE
"""huggingface_hub writes that many bytes at once; what has come of a chunk when a connection breaks is lost."""

WEIGHTS = bytes(range(256)) * (CHUNK // 256 + 5000)
FILES = {
    "config.json": b'{"model_type": "clipseg"}',
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"never fetched",
    "README.md": b"# a card",
    "code.py": b"print('never fetched')",
    "onnx/model.safetensors": b"never fetched",
}


@pytest.fixture
def hub():
    with running(FakeHub(REPOSITORY, FILES)) as hub:
        yield hub


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def environment(cache, hub, tmp_path):
    """Variables with which the fake hub is the hub."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS"))}
    return kept | {
        "COLUMNS": "240", "TERM": "dumb", "NO_COLOR": "1", "OMP_NUM_THREADS": "1", "NO_PROXY": "*",
        "HF_HUB_CACHE": str(cache), "HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": hub.endpoint,
    }  # fmt: skip


@pytest.fixture
def ivm(environment, tmp_path):
    """Run `ivm`, with the fake hub as its hub."""

    def run(*arguments, **variables):
        line = [sys.executable, "-m", "ivm", *map(str, arguments)]
        return subprocess.run(
            line, capture_output=True, text=True, env=environment | variables, cwd=tmp_path, timeout=200
        )

    return run


def sentence(done, error):
    """The one line that a failed command says at its end."""
    assert done.returncode == error.exit_code, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line


def stored(cache):
    """Files of the cache's one repository, without locks."""
    home = cache / f"models--{REPOSITORY.replace('/', '--')}"
    return {
        path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file() and ".lock" not in path.name
    }


def test_what_is_wanted_is_fetched_once_and_in_the_hubs_own_layout(ivm, hub, cache):
    done = ivm("models", "fetch", REPOSITORY)
    assert done.returncode == 0, done.stderr
    folder = cache / "models--someone--clipseg" / "snapshots" / COMMIT
    assert done.stdout == f"{REPOSITORY}: {folder}\n"
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors"}
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert (cache / "models--someone--clipseg" / "refs" / "main").read_text() == COMMIT
    assert ivm("models", "fetch", REPOSITORY).returncode == 0
    assert len([path for method, path, _ in hub.asked if method == "GET" and path.startswith("/large")]) == 1


def test_a_connection_that_breaks_is_taken_up_where_it_broke(ivm, hub, cache):
    hub.drop_after = [CHUNK + 1000]
    done = ivm("models", "fetch", REPOSITORY)
    assert done.returncode == 0, done.stderr
    assert f"bytes={CHUNK}-" in hub.ranges("model.safetensors")
    assert (cache / "models--someone--clipseg" / "snapshots" / COMMIT / "model.safetensors").read_bytes() == WEIGHTS


def test_another_run_goes_on_where_one_was_stopped(ivm, hub, cache):
    hub.drop_after, hub.refuse = [CHUNK + 1000], True
    line = sentence(ivm("models", "fetch", REPOSITORY), FetchError)
    assert "goes on where it stopped" in line
    assert not any(name.startswith("refs") for name in stored(cache)), "what is not complete is not the main branch"
    (part,) = (cache / "models--someone--clipseg" / "blobs").glob("*.part")
    assert part.stat().st_size == CHUNK
    hub.refuse, hub.asked = False, []
    assert ivm("models", "fetch", REPOSITORY).returncode == 0
    assert set(hub.ranges("model.safetensors")) == {f"bytes={CHUNK}-"}
    assert not any(name.endswith(".part") for name in stored(cache))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_what_is_not_what_its_checksum_says_is_refused(ivm, hub, cache, name):
    hub.served[name] = FILES[name][:-1] + b"?"
    line = sentence(ivm("models", "fetch", REPOSITORY), FetchError)
    assert f"{name} of {REPOSITORY} arrived damaged" in line
    assert not any(f"/{name}" in path or path.endswith(".part") for path in stored(cache))
    hub.served.clear()
    assert ivm("models", "fetch", REPOSITORY).returncode == 0


def test_what_was_damaged_in_the_cache_is_fetched_again(ivm, cache):
    assert ivm("models", "fetch", REPOSITORY).returncode == 0
    weights = cache / "models--someone--clipseg" / "snapshots" / COMMIT / "model.safetensors"
    weights.resolve().write_bytes(WEIGHTS[:-1] + b"?")
    assert ivm("models", "fetch", REPOSITORY).returncode == 0
    assert weights.read_bytes() == WEIGHTS


def test_a_repository_that_there_is_not(ivm):
    assert "has no model someone/else" in sentence(ivm("models", "fetch", "someone/else"), FetchError)


def test_a_repository_without_safetensors(ivm, hub):
    del hub.files["model.safetensors"]
    assert "has no model.safetensors" in sentence(ivm("models", "fetch", REPOSITORY), FetchError)


@pytest.mark.parametrize(
    "how", [{"HF_ENDPOINT": "http://127.0.0.1:9"}, {"HF_HUB_OFFLINE": "1"}], ids=["down", "offline"]
)
def test_without_the_hub_it_says_what_to_put_where(ivm, cache, how):
    line = sentence(ivm("models", "fetch", "owlv2", **how), FetchError)
    assert "google/owlv2-base-patch16-ensemble cannot be fetched" in line
    assert "missing here: config.json, preprocessor_config.json or processor_config.json" in line
    assert "copy the folder models--google--owlv2-base-patch16-ensemble" in line
    assert str(cache) in line


def test_names_that_need_no_fetching_or_mean_nothing(ivm):
    assert "nothing to fetch" in ivm("models", "fetch", "ivm-nano").stdout
    assert "did you mean owlv2" in sentence(ivm("models", "fetch", "owlv3"), UnknownModelError)


def test_a_cache_that_cannot_be_written(ivm, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    done = ivm("models", "fetch", REPOSITORY, HF_HUB_CACHE=str(tmp_path / "file" / "cache"))
    assert done.returncode == 30, done.stderr
    assert "Traceback" not in done.stderr


def test_a_disk_that_is_too_small_is_told_before_it_is_full(cache, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    with pytest.raises(DiskFullError, match="free some"):
        check_space(REPOSITORY, 1 << 60)


def test_a_model_of_the_hub_is_fetched_when_it_is_loaded_and_needs_the_hub_no_more(
    ivm, hub, cache, environment, tmp_path, monkeypatch
):
    folder = tiny_clipseg(tmp_path / "tiny")
    hub.files = {path.name: path.read_bytes() for path in folder.iterdir()}
    code = (
        "from ivm.core.hub import *; from ivm.models.fetch import fetch_missing;"
        f"print(fetch_missing(HubPart(repository={REPOSITORY!r}, needs=(CONFIG, PROCESSOR, TOKENIZER, WEIGHTS))))"
    )
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, timeout=200)
    assert done.stdout == f"{cache / 'models--someone--clipseg' / 'snapshots' / COMMIT}\n", done.stderr
    asked = len(hub.asked)
    assert subprocess.run(line, capture_output=True, text=True, env=environment, timeout=200).stdout == done.stdout
    assert len(hub.asked) == asked
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    masker = load(REPOSITORY)
    assert masker.model.name == "clipseg"
    assert masker(np.full((30, 40, 3), 90, np.uint8), "the red cup").soft.shape == (30, 40)
