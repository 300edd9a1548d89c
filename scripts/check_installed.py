"""Use an installed `ivm` as a stranger would: the paper's import, the seven pictures, the files it needs, a server.

    python -I scripts/check_installed.py PICTURE [EXTRA[,EXTRA]]

Run by scripts/check_wheel.sh and scripts/release.py in environments of nothing but ivm and what it depends on.
"""

import importlib.util
import re
import subprocess
import sys
from importlib.metadata import requires
from importlib.resources import files
from pathlib import Path

SEVEN_KEYS = {
    "soft",
    "hard",
    "blur_image",
    "highlight_image",
    "cropped_blur_img",
    "cropped_highlight_img",
    "alpha_image",
}
MAX_MODEL_BYTES = 20_000_000


def check_environment(extras: str) -> None:
    """PyTorch is there only if an extra asks for it, and the package is the built one with its types and its model."""
    extra = extras.replace(",", "|") or "none"
    asked = any(re.fullmatch(rf"torch\W.*extra == ['\"]({extra})['\"]", line) for line in requires("ivm") or ())
    if asked != (importlib.util.find_spec("torch") is not None):
        sys.exit("PyTorch is not installed" if asked else "PyTorch is installed, and nothing here asks for it")
    package = Path(str(files("ivm")))
    if "site-packages" not in package.parts:
        sys.exit(f"ivm was imported from {package}, not from the wheel")
    if not (package / "py.typed").is_file():
        sys.exit("The wheel lacks py.typed")
    weights = sum(path.stat().st_size for path in (package / "inference" / "weights").rglob("*") if path.is_file())
    if not 0 < weights <= MAX_MODEL_BYTES:
        sys.exit(f"The wheel holds {weights} bytes of weights, expected 1 to {MAX_MODEL_BYTES}")
    print(f"ivm in {package}, weights {weights / 1e6:.1f} MB")


def print_import_time() -> None:
    """Say how long `import ivm` takes in a new process; information, because a busy machine may be slow."""
    code = "import time; t = time.perf_counter(); import ivm; print(time.perf_counter() - t)"
    runs = [
        subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True) for _ in range(5)
    ]
    best = min(float(run.stdout) for run in runs)
    print(f"import ivm: {best:.3f} s (best of {len(runs)}, to be under 0.3 s)")


def check_paper_snippet(picture: str) -> None:
    """The paper's import and call give its seven keys."""
    from PIL import Image

    from IVM import load

    result = load()(Image.open(picture), "pick up the red cup", threshold=0.5)
    if missing := SEVEN_KEYS - set(result):
        sys.exit(f"The result lacks {sorted(missing)}")
    print(f"from IVM import load: {len(SEVEN_KEYS)} keys, found {result.found:.2f}")


def check_server(picture: str) -> None:
    """`ivm serve` answers the client, and stops when it is told to."""
    from ivm.serving.client import Client

    line = [sys.executable, "-I", "-m", "ivm", "serve", "--port", "0"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            (cup,) = Client(address).mask(picture, "the red cup")
        finally:
            server.terminate()
            server.communicate()
    if server.returncode:
        sys.exit(f"ivm serve ended with {server.returncode}")
    print(f"ivm serve: found {cup.found:.2f}")


if __name__ == "__main__":
    picture, extras = sys.argv[1], "".join(sys.argv[2:])
    check_environment(extras)
    print_import_time()
    check_paper_snippet(picture)
    if "serve" in extras.split(","):
        check_server(picture)
