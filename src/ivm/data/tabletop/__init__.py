"""A rendered table with named, coloured objects, and instructions about them with exact masks.

shapes.py      solids: lathes, tubes, boxes, and the triangles they become
kinds.py       what lies on a table: 50 kinds, their names, colours, sizes and shapes
colors.py      names of colours, the ranges they cover, and which of them people confuse
raster.py      triangles to pixels (numba): depth, light, shadow, material
scene.py       a scene drawn from a seed: table, camera, light, objects; and its picture
camera.py      what a cheap camera does to a picture: blur, noise, colour cast, JPEG
questions.py   instructions about a scene, with the mask of what each needs
"""
