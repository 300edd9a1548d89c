"""Each mistake ends in one sentence, an exit code of its own and no trace; by real processes."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from ivm.core import errors
from mishaps import no_large_files


def sentence(done) -> str:
    """The only line on standard error, less "error: "; below it stands where to read more."""
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 2, lines
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("more: docs/errors.md#")
    return lines[0].removeprefix("error: ")


def huge_header(path: Path) -> None:
    """A PNG that says that it is 40,000 x 40,000."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    body = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + body + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    )


@pytest.fixture
def bad(place: Path) -> Path:
    """The current folder with one file for each kind of bad picture."""
    (place / "text.jpg").write_text("this is not a picture")
    (place / "cut.png").write_bytes((place / "scene.png").read_bytes()[:150])
    (place / "empty.png").write_bytes(b"")
    huge_header(place / "huge.png")
    (place / "a-file").write_text("in the way")
    (place / "no-pictures").mkdir()
    return place


MISTAKES = {
    "no instruction": (["scene.png"], errors.InstructionError, "Say what to keep"),
    "empty instruction": (["scene.png", ""], errors.InstructionError, "holds no word"),
    "blank instruction": (["scene.png", " \t "], errors.InstructionError, "holds no word"),
    "10,000 words": (["scene.png", "red " * 10_000], errors.InstructionError, "10000 words"),
    "a text called .jpg": (["text.jpg", "red"], errors.ImageFormatError, "text.jpg"),
    "a truncated picture": (["cut.png", "red"], errors.ImageTruncatedError, "cut.png"),
    "no byte": (["empty.png", "red"], errors.ImageEmptyError, "empty.png"),
    "40,000 x 40,000": (["huge.png", "red"], errors.ImageTooLargeError, "40000 x 40000"),
    "no such file": (["gone.png", "red"], errors.ImageNotFoundError, "gone.png"),
    "a folder without pictures": (["no-pictures", "red"], errors.ImageNotFoundError, "holds no picture"),
    "no such list": (["gone.jsonl"], errors.RecordError, "gone.jsonl"),
    "threshold NaN": (["scene.png", "red", "--threshold", "nan"], errors.ThresholdError, "'nan'"),
    "threshold 1.5": (["scene.png", "red", "--threshold", "1.5"], errors.ThresholdError, "'1.5'"),
    "threshold -1": (["scene.png", "red", "--threshold=-1"], errors.ThresholdError, "'-1'"),
    "threshold abc": (["scene.png", "red", "--threshold", "abc"], errors.ThresholdError, "'abc'"),
    "even blur": (["scene.png", "red", "--blur", "4"], errors.OptionError, "odd"),
    "no such preset": (["scene.png", "red", "--preset", "v9"], errors.OptionError, "v9"),
    "no such style": (["scene.png", "red", "--style", "neon"], errors.OptionError, "neon"),
    "no such picture": (["scene.png", "red", "--only", "neon"], errors.OptionError, "neon"),
    "no such colour": (["scene.png", "red", "--fill-color", "red-ish"], errors.OptionError, "red-ish"),
    "JSON into a picture": (["scene.png", "red", "-o", "-", "--json"], errors.OptionError, "--json"),
    "many into a pipe": ([".", "red", "-o", "-"], errors.OptionError, "one picture"),
    "output is a file": (["scene.png", "red", "-o", "a-file"], errors.OutputError, "a-file"),
    "output below a file": (["scene.png", "red", "-o", "a-file/x"], errors.OutputError, "a-file"),
    "output in /proc": (["scene.png", "red", "-o", "/proc/ivm"], errors.OutputError, "/proc/ivm"),
    "many below a file": ([".", "red", "-o", "a-file/x"], errors.OutputError, "a-file"),
    "no such model": (["scene.png", "red", "--model", "ivm-nanoo"], errors.UnknownModelError, "ivm-nano"),
    "no such device": (["scene.png", "red", "--device", "abacus"], errors.DeviceError, "abacus"),
}


@pytest.mark.parametrize(("arguments", "error", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_one_sentence_and_its_code(mask, bad, arguments, error, words):
    before = sorted(bad.rglob("*"))
    done = mask(*arguments, stdin=subprocess.DEVNULL)
    assert words in sentence(done)
    assert done.returncode == error.exit_code
    assert done.stdout == b""
    assert sorted(bad.rglob("*")) == before


def test_every_kind_of_error_has_a_code_of_its_own():
    def tree(kind):
        return [
            kind,
            *(one for child in kind.__subclasses__() for one in tree(child) if child.__module__ == errors.__name__),
        ]

    codes = [kind.exit_code for kind in tree(errors.IvmError)]
    assert len(set(codes)) == len(codes)
    assert not {0, 2, 130} & set(codes)


@pytest.mark.parametrize("arguments", [["--nonsense"], ["scene.png", "red", "--batch-size", "0"], []])
def test_wrong_use_of_the_command(mask, arguments):
    done = mask(*arguments)
    assert done.returncode == 2
    assert b"Usage: ivm mask" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("where", ["before", "after"])
def test_debug_shows_the_traceback_and_the_sentence(place, environment, where):
    line = ["mask", "gone.png", "red"]
    line = ["--debug", *line] if where == "before" else [*line, "--debug"]
    done = subprocess.run([sys.executable, "-m", "ivm", *line], capture_output=True, env=environment, timeout=60)
    assert done.returncode == errors.ImageNotFoundError.exit_code
    lines = done.stderr.decode().splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2].startswith("error: There is no file at 'gone.png'")


def test_a_full_disk(mask, place):
    done = mask("scene.png", "red", "-o", "out", preexec_fn=no_large_files)
    assert "No space is left to write" in sentence(done)
    assert done.returncode == errors.DiskFullError.exit_code
    assert [path.name for path in place.iterdir()] == ["scene.png"]


def test_a_full_disk_keeps_the_earlier_result(mask, place):
    mask("scene.png", "red", "-o", "out")
    before = {path.name: path.read_bytes() for path in (place / "out").iterdir()}
    assert mask("scene.png", "blue", "-o", "out", preexec_fn=no_large_files).returncode == 31
    assert {path.name: path.read_bytes() for path in (place / "out").iterdir()} == before


def test_a_full_disk_stops_a_job_at_once(mask, place):
    (place / "tasks.jsonl").write_text(
        "\n".join(json.dumps({"image": "scene.png", "instruction": f"red {n}"}) for n in range(40))
    )
    done = mask("tasks.jsonl", "-o", "out", preexec_fn=no_large_files)
    assert "No space is left" in sentence(done)
    assert done.returncode == errors.DiskFullError.exit_code
    assert not list((place / "out").iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["-o", "-"], ["--json"]])
def test_a_full_standard_output(mask, arguments):
    with Path("/dev/full").open("wb") as full:
        done = mask("scene.png", "red", *arguments, stdout=full)
    assert "No space is left" in sentence(done)
    assert done.returncode == errors.DiskFullError.exit_code


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_job_leaves_whole_results_and_goes_on(mask, place, command, environment, stop, code):
    count = 300
    lines = [json.dumps({"image": "scene.png", "instruction": f"red {n}", "id": f"t{n}"}) for n in range(count)]
    (place / "tasks.jsonl").write_text("\n".join(lines))
    arguments = ["tasks.jsonl", "-o", "out", "--only", "highlight", "--batch-size", "4"]
    process = subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, env=environment, start_new_session=True)
    limit = time.monotonic() + 60
    while len(list(place.glob("out/t*"))) < 5 and time.monotonic() < limit:
        time.sleep(0.005)
    process.send_signal(stop)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code, told
    whole = list(place.glob("out/t*"))
    assert 5 <= len(whole) < count
    assert all(sorted(file.name for file in one.iterdir()) == ["highlight_image.png", "summary.json"] for one in whole)
    assert not list(place.glob("out/**/.*"))
    assert b"Traceback" not in told
    if stop == signal.SIGINT:
        assert told.decode().startswith("error: interrupted, ")
        assert told.decode().endswith("run the same command again to go on\n")
        assert told.count(b"\n") == 1
    done = mask(*arguments)
    assert done.returncode == 0
    assert f"{count - len(whole)} done, {len(whole)} done before, 0 failed" in done.stderr.decode()


def test_an_interrupted_single_picture(place, command, environment):
    process = subprocess.Popen([*command, "-", "red"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert process.stdin is not None
    process.stdin.write(bytes(1 << 20))  # more than a pipe holds: afterwards it is certainly reading
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.decode() == "error: interrupted before anything was written: run the same command again\n"
    assert [path.name for path in place.iterdir()] == ["scene.png"]
