"""How a layout's materials, lights and camera look in MuJoCo's renderer, whose light adds up as a screen shows it.

Our light is linear and a picture shows its square root; OpenGL adds lights in eight bits a channel. Drawing square
roots keeps the dark parts of a picture smooth: each light gets the step that it makes in the square root of the sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivm.data.tabletop.camera import Camera
from ivm.data.tabletop.layout import Layout
from ivm.data.tabletop.shapes import Floats

BRIGHTEST = 0.85
"""Linear light of white paper on the table, below the 1 at which OpenGL cuts off."""

GLINTS = 4
"""Most lobes of the room's light (`look.light_lobes`) that shine on glossy things: OpenGL has eight lights in all."""

FARTHEST_LIGHT = 150.0
"""Where lights stand, in cm from the middle of the table; only the shadow map minds."""


@dataclass(frozen=True)
class Exposure:
    """How light and materials become colours between 0 and 1."""

    gain: float
    """Factor on all light."""

    @classmethod
    def of(cls, layout: Layout) -> Exposure:
        """Expose for the table's plane in full light."""
        light = layout.light
        full = light.ambient[1] + light.key * light.axes[2, 2] + light.fill[4:] * max(float(light.fill[2]), 0)
        return cls(BRIGHTEST / float(full.max()))

    def color(self, material: Floats) -> NDArray[np.float32]:
        """RGBA (4,) float32 in [0, 1]: the brighter of a material's two colours; `paint` makes the darker of it."""
        # A metal mirrors the dark parts of the room too; where it mirrors lights, they shine on it.
        albedo = _brighter(material) * (material[6] * (1 - material[9]) * (0.7 if material[9] > 0.3 else 1))
        albedo += _brighter(material) * 0.1 * material[9]
        return np.array([*np.sqrt(np.clip(albedo, 0, 1)), 1 - material[12]], np.float32)

    def gloss(self, material: Floats) -> tuple[float, float]:
        """MuJoCo's specular and shininess, both in [0, 1]; metal mirrors lights, broadly."""
        if material[9] > 0.3:
            return 0.7, float(material[8]) / 250
        return min(float(0.8 * material[7]), 1.0), float(material[8]) / 128

    def surface(self, material: Floats, origin: Floats | None = None) -> Floats:
        """A row for `mujoco_paint.paint`: what a pattern makes of the colour drawn."""
        brighter = np.maximum(_brighter(material), 1e-4)
        # Behind a see-through surface lies another depth: no pattern can be laid there.
        texture = 0.0 if material[12] > 0 else material[10]
        place = np.zeros(3) if origin is None else origin
        row = [texture, material[11], *(material[:3] / brighter), *(material[3:6] / brighter), *place]
        return np.array(row, np.float32)


def _brighter(material: Floats) -> Floats:
    textured = material[10] > 0 and material[12] == 0
    return np.maximum(material[:3], material[3:6]) if textured else material[:3]


def set_camera(scene: Any, camera: Camera, aspect: float, metre: float, near: float, far: float) -> None:
    """Point both eyes of a MjvScene where the camera looks; `near` and `far` in cm."""
    for eye in scene.camera:
        eye.pos, eye.forward, eye.up = camera.eye * metre, camera.axes[2], -camera.axes[1]
        eye.frustum_near, eye.frustum_far = near * metre, far * metre
        eye.frustum_top = near * metre * 0.5 / (camera.focal * aspect)
        eye.frustum_bottom = -eye.frustum_top
        eye.frustum_center = eye.frustum_width = 0
        eye.orthographic = 0


def set_lights(mujoco: Any, scene: Any, layout: Layout, exposure: Exposure, metre: float) -> None:
    """Light a MjvScene: the key light with its shadow, the fill light, the sky, and a glint for the brightest lobes."""
    light = layout.light
    low, high, key, fill = (
        part * exposure.gain for part in (light.ambient.mean(axis=0), light.ambient[1], light.key, light.fill[4:])
    )
    black, sky = np.zeros(3), np.sqrt(high)
    # A light with shadows adds nothing where it does not reach: what comes from everywhere belongs to another one.
    rows = [
        (light.axes[2], black, np.sqrt(high + key) - sky, 0.7 * np.sqrt(key), 1),
        (np.array([0, 0, 1.0]), np.sqrt(low), sky - np.sqrt(low), black, 0),
        (light.fill[:3], black, np.sqrt(high + fill) - sky, black, 0),
    ]
    lobes = sorted((lobe for lobe in light.lobes[2:] if lobe[2] > -0.2), key=lambda lobe: -float(lobe[4:].sum()))
    for lobe in lobes[:GLINTS]:
        rows.append((lobe[:3], black, black, 0.5 * np.sqrt(np.clip(lobe[4:] * exposure.gain, 0, 1)), 0))
    scene.nlight = len(rows)
    for one, (towards, ambient, diffuse, specular, shadow) in zip(scene.lights, rows, strict=False):
        one.type = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL.value
        one.pos, one.dir = towards * FARTHEST_LIGHT * metre, -towards
        one.ambient, one.diffuse, one.specular = ambient, diffuse, specular
        one.attenuation, one.headlight, one.castshadow = (1, 0, 0), 0, shadow
        one.cutoff, one.exponent = 180, 0
