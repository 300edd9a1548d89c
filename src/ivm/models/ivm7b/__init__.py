"""IVM-7B: the paper's own model, SAM's image encoder and LLaVA-1.5-7B in front of a small mask decoder.

To read it, follow a question: `network.py` composes the parts, `model.py` asks them about a picture, `language.py` is
the cheap way through the language model. Then `load.py`: `parts.py` finds the weights, `weights.py` reads them lazily,
`names.py` says what they are called in which file, `plan.py` adds up the memory, `filling.py` puts them in place.
"""
