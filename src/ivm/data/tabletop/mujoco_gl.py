"""A place to draw without a screen: an OpenGL context for MuJoCo, or one sentence that says what is missing."""

from __future__ import annotations

import ctypes
import importlib
import os
import warnings
from typing import Any

from ivm.core.errors import DeviceError
from ivm.core.extras import optional

LIBRARIES = {"osmesa": ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so"), "egl": ("libEGL.so.1", "libEGL.so")}
"""What each way of drawing needs of the system, in the order in which they are tried.

OSMesa comes first: it needs no graphics card, and its pictures are the same on every machine that has it.
"""

REMEDY = "install OSMesa (Debian, Ubuntu: apt-get install libosmesa6), or set MUJOCO_GL=egl where a driver brings EGL"

_NOTHING = '<mujoco><visual><quality shadowsize="0" offsamples="0"/></visual></mujoco>'
"""A model that costs little to draw."""


def backend() -> str:
    """Return how MuJoCo will draw: what the variable MUJOCO_GL says, else the first of `LIBRARIES` that is here.

    Raises:
        DeviceError: there is none; the message says what to install.
    """
    wanted = os.environ.get("MUJOCO_GL", "").strip().lower()
    if wanted:
        if wanted not in (*LIBRARIES, "glfw"):
            raise DeviceError(f"MUJOCO_GL={wanted} is no way to draw here: set it to osmesa, egl or glfw, or unset it")
        return wanted
    for name, files in LIBRARIES.items():
        if any(_loads(file) for file in files):
            return name
    raise DeviceError(f"MuJoCo has no OpenGL to draw with on this machine: {REMEDY}")


def _loads(file: str) -> bool:
    try:
        ctypes.CDLL(file)
    except OSError:
        return False
    return True


def open_context(width: int, height: int) -> Any:
    """Make an off-screen OpenGL context, current in this thread; it has `make_current()` and `free()`.

    Args:
        width: of the largest picture, in pixels.
        height: likewise.

    Raises:
        DeviceError: this machine has no OpenGL; the message says what to install.
        MissingExtraError: mujoco is not installed.
    """
    name = backend()
    # MuJoCo and PyOpenGL read it when they are first imported.
    os.environ.setdefault("MUJOCO_GL", name)
    mujoco = optional("mujoco", extra="data")
    try:
        with warnings.catch_warnings():
            # GLFW only warns that it has no display, and hands out a context that nothing can be drawn in.
            warnings.simplefilter("ignore")
            context = importlib.import_module(f"mujoco.{name}").GLContext(width, height)
            context.make_current()
            mujoco.MjrContext(mujoco.MjModel.from_xml_string(_NOTHING), mujoco.mjtFontScale.mjFONTSCALE_50).free()
    except Exception as error:  # whatever the binding finds wrong: it has no error of its own
        raise DeviceError(f"MuJoCo cannot draw with MUJOCO_GL={name} ({error}): {REMEDY}") from error
    return context
