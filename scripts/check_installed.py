"""Use an installed `ivm` as a stranger would: no PyTorch, the paper's import, the seven pictures, the files it needs.

    python -I scripts/check_installed.py PICTURE

Run by scripts/check_wheel.sh in an environment that holds nothing but the wheel and what it depends on.
"""

import importlib.util
import subprocess
import sys
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


def check_environment() -> None:
    """PyTorch is not there, and the package comes from the wheel with its types and its model."""
    if importlib.util.find_spec("torch") is not None:
        sys.exit("PyTorch is installed here: the check would prove nothing")
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


if __name__ == "__main__":
    check_environment()
    print_import_time()
    check_paper_snippet(sys.argv[1])
