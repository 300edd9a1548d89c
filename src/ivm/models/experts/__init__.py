"""Open-vocabulary models of other people behind `MaskModel`: CLIPSeg as a heatmap, detectors whose boxes go into SAM.

    load.py       load_expert(): a folder or hub id -> the expert that its config.json names
    checkpoint.py reading transformers' folders: every mistake is one clear error, nothing in them is run
    clipseg.py    text -> heatmap
    owlv2.py, grounding_dino.py, florence2.py   text -> boxes
    sam.py        boxes -> masks
    boxes.py      the arithmetic of boxes
    boxed.py      a detector and SAM together are a MaskModel

An expert is asked with the instruction as it is: "the red cup" suits it, "make me a coffee" needs a model that reasons.
"""
