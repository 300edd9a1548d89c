"""Where records come from: each file here reads one layout of data sets.

base.py        what a source is
shards.py      WebDataset shards
original.py    the layout of IVM-Mix-1M: JSON Lines, img_*.jpg, mask_*.jpg, boxes
coco.py        COCO's instances
referring.py   RefCOCO's expressions about COCO's objects
reasonseg.py   ReasonSeg's questions with polygons
objects.py     a manifest of objects with a mask file each
folders.py     pictures with class maps, object maps, cut-outs, videos
scenes.py      tables rendered here
finding.py     which of these a folder is
"""
