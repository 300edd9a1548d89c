"""Runs the paper's chain in `runs/story` and writes one page about it.

python -m scripts.story            # or: make story; run it again to go on where it stopped
python -m scripts.story --list     # the commands only
"""

from __future__ import annotations

import argparse
import sys

from ivm.core.errors import IvmError
from ivm.core.files import write_files

from . import page, plan, running


def main() -> int:
    """Run what is not done, and write the page; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the commands, run nothing")
    parser.add_argument(
        "--tiny", action="store_true", help="a minute's worth to see that all steps run; remove runs/story after it"
    )
    parser.add_argument("--until", metavar="STEP", help="stop after this step, and write no page")
    options = parser.parse_args()
    steps = plan.chain(plan.TINY if options.tiny else None)
    if options.list:
        print("\n".join(step.command for step in steps))
        return 0
    names = [step.name for step in steps]
    if options.until is not None and options.until not in names:
        parser.error(f"no step is called {options.until!r}: there are {', '.join(names)}")
    try:
        found = running.run(steps[: names.index(options.until) + 1] if options.until else steps)
        if options.until:
            return 0
        place = plan.FOLDER / "index.html"
        write_files([(place, page.page(steps, found).encode())])
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on", file=sys.stderr)
        return 130
    except (running.StepError, IvmError) as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    wall, cpu = sum(one.wall_s for one in found), sum(one.cpu_s for one in found)
    print(f"All steps: {wall / 60:.1f} minutes, {cpu / 60:.1f} of CPU. The page: {place}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
