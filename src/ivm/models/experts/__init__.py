"""Open-vocabulary models of other people behind `MaskModel`: heatmaps, and detectors whose boxes go into SAM.

    load.py       load_expert(): a folder or hub id -> the expert that its config.json names
    checkpoint.py reading transformers' folders: every mistake is one clear error, nothing in them is run
    runtime.py    where an expert computes, and how PyTorch's errors become ours
    clipseg.py, sam3.py    text -> heatmap
    owlv2.py, grounding_dino.py, florence2.py, qwen_vl.py    text -> boxes; Florence-2 also text -> outlines
    sam.py, sam2.py        boxes or points -> masks
    boxes.py, points.py, regions.py    the arithmetic of boxes, of points, and of Florence-2's answers
    boxed.py, pointed.py   a detector and SAM, or a heatmap and SAM, together are a MaskModel

An expert is asked with the instruction as it is: "the red cup" suits it, "make me a coffee" needs a model that reasons.
"""
