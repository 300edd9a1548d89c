"""The model card that goes with a converted model."""

from __future__ import annotations

from collections.abc import Mapping

from ivm.models.ivm7b.config import Ivm7bConfig
from ivm.models.ivm7b.weights import Stored

_CARD = """\
---
license: apache-2.0
library_name: ivm
pipeline_tag: mask-generation
tags: [visual-grounding, instruction-guided-visual-masking]
---

# IVM-7B, converted

A picture and an instruction go in; a heatmap of what the instruction needs comes out (*Instruction-Guided Visual
Masking*, arXiv 2405.19783). Converted by `ivm convert`; the weights are those of the original, {adapters}.

```python
import ivm

model = ivm.load("this folder")
model("photo.jpg", "pick up the red cup").save("masked")
```

| part | sizes |
|---|---|
| image encoder | SAM, {sam[num_hidden_layers]} layers of width {sam[hidden_size]} at {sam[image_size]} pixels |
| language model | LLaVA-1.5, {layers} layers of width {width}, without its vocabulary head |
| projector | {projector} |
| mask decoder | {decoder.depth} layers of width {decoder.width} |

{values:,} values; stored as {dtypes}. Made from: {origin}.

## Licences

IVM's own weights and SAM's are under Apache-2.0. LLaVA-1.5's language model descends from Llama 2 and is under the
Llama 2 Community License, which goes on to hold for this folder.
"""


def model_card(config: Ivm7bConfig, weights: Mapping[str, Stored], origin: str) -> str:
    """Write the card of a converted model as Markdown.

    Args:
        config: of what is written.
        weights: what is written.
        origin: what it was made from.
    """
    text = config.llava["text_config"]
    dtypes = sorted({str(stored.dtype).removeprefix("torch.") for stored in weights.values()})
    return _CARD.format(
        adapters="with its adapters merged into the language model"
        if config.lora is None
        else "with its adapters beside",
        sam=config.sam,
        layers=text.get("num_hidden_layers", 32),
        width=text.get("hidden_size", 4096),
        projector=" - ".join(map(str, config.projector)),
        decoder=config.decoder,
        values=sum(stored.numel for stored in weights.values()),
        dtypes=", ".join(dtypes),
        origin=origin,
    )
