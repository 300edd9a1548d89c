"""A rendered table with named, coloured objects, and instructions about them with exact masks.

shapes.py          solids: lathes, tubes, boxes, and the triangles they become
kinds.py           what lies on a table: 50 kinds, their names, colours, sizes and shapes (ware.py, food.py, robot.py)
colors.py          names of colours, the ranges they cover, and which of them people confuse
look.py            materials, light, and what is seen past the table
options.py         what may lie on a table, how large its picture is
shelf.py           specimens, built anew for each scene or shared by many
layout.py          a scene drawn from a seed: camera, things in their places, table, light; renderers draw it
camera.py          where a camera stands, and what a cheap one does to a picture: blur, noise, colour cast, JPEG
patterns.py        grain, spots, labels and the like, at any point of space
raster.py          triangles to pixels (numba): which face is nearest, and where on it
shading.py         the light that each pixel sends (numba); lamps.py has lobes, shadows and maps
develop.py         linear light to eight bits (numba): tones and grain
scene.py           a layout drawn by the two: picture and ids
mujoco_studio.py   a layout drawn by MuJoCo: picture and ids (mujoco_gl.py, mujoco_look.py, mujoco_paint.py)
wordings.py        how people ask
questions.py       instructions about a scene, with the mask of what each needs
relations.py       further forms of them: near and far, beside what, good for what, made of what
asked.py           whole scenes with questions, to calibrate and to evaluate by
stream.py          training batches without end
"""
