"""MuJoCo as a second renderer of a scene: its light, its shadows, its segmentation, without a screen.

A studio takes in its meshes once and then draws many layouts with them: new poses, sizes, colours, lights and cameras
are a few numbers each. `MujocoScenes` numbers scenes and keeps the studio of the last one.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.core.extras import optional
from ivm.data.tabletop.camera import photograph
from ivm.data.tabletop.layout import Layout, Solid, draw_layout
from ivm.data.tabletop.mujoco_gl import open_context
from ivm.data.tabletop.mujoco_look import Exposure, set_camera, set_lights
from ivm.data.tabletop.mujoco_paint import paint
from ivm.data.tabletop.options import SceneOptions
from ivm.data.tabletop.scene import CONTACT_SCALE, Scene, contact
from ivm.data.tabletop.shapes import Floats, Mesh
from ivm.data.tabletop.shelf import Shelf

METRE = 0.01
"""Of a centimetre: MuJoCo's tolerances suit metres."""

NEAR, FAR = 4.0, 600.0
"""Of the camera, in cm: an arm may reach nearly into it."""

SHADOW_PIXELS = 1024
SHADOW_REACH = 80.0
"""Half the side of the square that the shadow map covers, in cm."""

MOST_GEOMS = 250
"""Surfaces in a picture: their codes fit into one byte."""

TABLE_THICKNESS = 2.0


class Studio:
    """Draws layouts whose solids have the given shapes.

    Args:
        shapes: of all solids that will be drawn, recognised by identity.
        width: of the pictures, in pixels.
        height: of the pictures, in pixels.
        supersample: samples per pixel and axis.

    Raises:
        DeviceError: this machine has no OpenGL; the message says what to install.
        MissingExtraError: mujoco or numba is not installed.
    """

    def __init__(self, shapes: Iterable[Mesh], *, width: int, height: int, supersample: int = 2) -> None:
        self.width, self.height, self.supersample = width, height, supersample
        # The meshes are held so that no other may take their identity.
        self._shapes = list(shapes)
        columns, rows = width * supersample, height * supersample
        self._gl = open_context(columns, rows)
        self._mujoco = optional("mujoco", extra="data")
        self._model, self._meshes = _compile(self._mujoco, self._shapes, columns, rows)
        self._scene = self._mujoco.MjvScene(self._model, maxgeom=MOST_GEOMS)
        self._context = self._mujoco.MjrContext(self._model, self._mujoco.mjtFontScale.mjFONTSCALE_50)
        self._mujoco.mjr_setBuffer(self._mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._rect = self._mujoco.MjrRect(0, 0, columns, rows)
        self._drawn = np.empty((rows, columns, 3), np.uint8)
        self._codes = np.empty((rows, columns, 3), np.uint8)
        self._depth = np.empty((rows, columns), np.float32)
        # Also at the end of the interpreter, while the modules that free it are still there.
        self.close = weakref.finalize(self, _free, self._gl, self._context)

    def shoot(self, layout: Layout, rng: np.random.Generator) -> Scene:
        """Draw a layout and take its picture; `rng` draws the camera's faults."""
        light, ids = self.trace(layout)
        return Scene(photograph(light, rng), ids, layout.things)

    def trace(self, layout: Layout) -> tuple[Floats, NDArray[np.uint8]]:
        """Draw a layout: linear light (height, width, 3) float32 and ids (height, width) uint8."""
        exposure = Exposure.of(layout)
        surfaces, id_of = self._place(layout, exposure)
        camera = layout.camera
        set_camera(self._scene, camera, self.width / self.height, METRE, NEAR, FAR)
        set_lights(self._mujoco, self._scene, layout, exposure, METRE)
        self._render()
        past: NDArray[Any] = layout.backdrop
        if not self._codes[..., 0].all():
            past = cv2.resize(past, (self.width, self.height), interpolation=cv2.INTER_LINEAR)
        light: Floats = paint(
            self._drawn,
            self._depth,
            self._codes[..., 0],
            self.supersample,
            surfaces,
            camera.axes,
            camera.focal * self.width * self.supersample,
            camera.eye,
            NEAR,
            FAR,
            contact(layout),
            CONTACT_SCALE,
            np.asarray(past * exposure.gain, np.float32),
        )
        offset, step = self.supersample // 2, self.supersample
        return light, id_of[self._codes[::-1, :, 0][offset::step, offset::step]]

    def _place(self, layout: Layout, exposure: Exposure) -> tuple[Floats, NDArray[np.uint8]]:
        """Fill the scene with geoms: rows of `paint`'s surfaces, and ids (256,) uint8 by code."""
        sizes = np.array([*layout.table_size, TABLE_THICKNESS / 2]) * METRE
        surfaces, id_of = [np.zeros_like(layout.table[:11]), exposure.surface(layout.table)], np.zeros(256, np.uint8)
        self._scene.ngeom = 0
        self._add(
            1, self._mujoco.mjtGeom.mjGEOM_BOX, sizes, np.array([0, 0, -sizes[2]]), np.eye(3), layout.table, exposure
        )
        for solid in layout.solids:
            for part, mesh in self._meshes[id(solid.shape)]:
                code = len(surfaces)
                if code > MOST_GEOMS:
                    break
                position, matrix = self._pose(solid, mesh)
                kind = self._mujoco.mjtGeom.mjGEOM_MESH
                self._add(code, kind, np.ones(3), position, matrix, solid.materials[part], exposure, mesh)
                surfaces.append(exposure.surface(solid.materials[part], solid.origin))
                id_of[code] = solid.id
        return np.stack(surfaces).astype(np.float32), id_of

    def _pose(self, solid: Solid, mesh: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Position (3,) in metres and matrix (3, 3) with scale, of a mesh that the compiler has centred and turned."""
        centred = np.empty(9)
        self._mujoco.mju_quat2Mat(centred, self._model.mesh_quat[mesh])
        turn = solid.turn.astype(np.float64) * solid.scale
        return turn @ self._model.mesh_pos[mesh] + solid.place * METRE, turn @ centred.reshape(3, 3)

    def _add(
        self,
        code: int,
        kind: Any,
        size: NDArray[np.float64],
        position: NDArray[np.float64],
        matrix: NDArray[np.float64],
        material: Floats,
        exposure: Exposure,
        mesh: int = -1,
    ) -> None:
        geom = self._scene.geoms[self._scene.ngeom]
        rgba = exposure.color(material)
        self._mujoco.mjv_initGeom(geom, kind, size, position, matrix.ravel(), rgba)
        geom.dataid = 2 * mesh if mesh >= 0 else -1
        # The colour of a segment is its number plus one.
        geom.segid = code - 1
        geom.category = self._mujoco.mjtCatBit.mjCAT_DYNAMIC.value
        geom.transparent = int(rgba[3] < 1)
        geom.specular, geom.shininess = exposure.gloss(material)
        self._scene.ngeom += 1

    def _render(self) -> None:
        """Draw light and depth, then codes."""
        mujoco, flags = self._mujoco, self._mujoco.mjtRndFlag
        self._gl.make_current()
        for flag, on in ((flags.mjRND_SHADOW, 1), (flags.mjRND_SEGMENT, 0), (flags.mjRND_IDCOLOR, 0)):
            self._scene.flags[flag] = on
        mujoco.mjr_render(self._rect, self._scene, self._context)
        mujoco.mjr_readPixels(self._drawn, self._depth, self._rect, self._context)
        self._scene.flags[flags.mjRND_SEGMENT] = self._scene.flags[flags.mjRND_IDCOLOR] = 1
        mujoco.mjr_render(self._rect, self._scene, self._context)
        mujoco.mjr_readPixels(self._codes, None, self._rect, self._context)


def _free(gl: Any, context: Any) -> None:
    gl.make_current()
    context.free()
    gl.free()


def _compile(
    mujoco: Any, shapes: Sequence[Mesh], columns: int, rows: int
) -> tuple[Any, dict[int, list[tuple[int, int]]]]:
    """Compile a model of all meshes; also return, by identity of a shape, its parts, each with the mesh it became."""
    spec = mujoco.MjSpec()
    names: dict[int, list[tuple[int, str]]] = {}
    for number, shape in enumerate(shapes):
        names[id(shape)] = []
        for part in np.unique(shape.parts).tolist():
            names[id(shape)].append((part, f"{number}-{part}"))
            _add_mesh(mujoco, spec, f"{number}-{part}", shape, shape.faces[shape.parts == part])
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[METRE, 0, 0])
    model = spec.compile()
    model.vis.quality.shadowsize, model.vis.quality.offsamples = SHADOW_PIXELS, 0
    model.vis.global_.offwidth, model.vis.global_.offheight = columns, rows
    model.stat.extent, model.vis.map.shadowclip = 1.0, SHADOW_REACH * METRE
    meshes = {key: [(part, model.mesh(name).id) for part, name in parts] for key, parts in names.items()}
    return model, meshes


def _add_mesh(mujoco: Any, spec: Any, name: str, shape: Mesh, faces: NDArray[np.int32]) -> None:
    used, corners = np.unique(faces, return_inverse=True)
    corners = corners.reshape(-1, 3)
    vertices, normals = shape.vertices[used].astype(np.float64), shape.normals[used].astype(np.float64)
    a, b, c = (vertices[corners[:, i]] for i in range(3))
    # OpenGL does not draw the back of a triangle: all have to turn the way that their normals say.
    wrong = np.einsum("ij,ij->i", np.cross(b - a, c - a), normals[corners].mean(axis=1)) < 0
    corners[wrong] = corners[wrong][:, [0, 2, 1]]
    mesh = spec.add_mesh(name=name)
    mesh.uservert, mesh.userface = (vertices * METRE).ravel().tolist(), corners.ravel().tolist()
    mesh.usernormal = (normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)).ravel().tolist()
    # The inertia of a body is of no use here, and not every mesh is a closed one.
    mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL


class MujocoScenes:
    """Numbered scenes drawn by MuJoCo: number n depends on the arguments and n alone, in any order and any process.

    Args:
        seed: of shapes and scenes.
        options: what may lie on the tables, and the size of the pictures.
        scenes_per_studio: consecutive scenes that share the specimens of a shelf.
        supersample: samples per pixel and axis.
    """

    def __init__(
        self,
        seed: int | tuple[int, ...],
        options: SceneOptions = SceneOptions(width=256, height=256),  # noqa: B008 - it is frozen
        *,
        scenes_per_studio: int = 100,
        supersample: int = 2,
    ) -> None:
        self.seed = seed if isinstance(seed, tuple) else (seed,)
        self.options, self.scenes_per_studio, self.supersample = options, scenes_per_studio, supersample
        self._open: tuple[int, Shelf, Studio] | None = None

    def scene(self, number: int) -> Scene:
        """Draw scene `number`, from 0.

        Raises:
            DeviceError: this machine has no OpenGL; the message says what to install.
            MissingExtraError: mujoco or numba is not installed.
        """
        shelf, studio = self._studio(number // self.scenes_per_studio)
        # The last number of a seed keeps scenes, shelves and the scenes of `scene.render` apart.
        rng = np.random.default_rng((*self.seed, number, 7))
        return studio.shoot(draw_layout(rng, self.options, workshop=shelf), rng)

    def _studio(self, index: int) -> tuple[Shelf, Studio]:
        if self._open is None or self._open[0] != index:
            self.close()
            shelf = Shelf(np.random.default_rng((*self.seed, index, 8)), self.options.kinds)
            width, height = self.options.width, self.options.height
            studio = Studio(shelf, width=width, height=height, supersample=self.supersample)
            self._open = index, shelf, studio
        return self._open[1:]

    def close(self) -> None:
        """Give the studio back; the next scene opens one again."""
        if self._open is not None:
            self._open[2].close()
            self._open = None
