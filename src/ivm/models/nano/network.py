"""The network of `ivm-nano`: a picture encoder, and a predictor that answers questions about its features.

What things are and which colour they have is learnt from every pixel of every picture: the encoder maps both, and the
predictor multiplies the kinds by the colours that the instruction asks for. That product is given to the decoder among
its features, so that "red cup" is red and a cup from the start, and the decoder learns what else the words say.

The split follows the use: the encoder is the costly part and runs once a picture; a question adds about a tenth of it.
"""

from __future__ import annotations

from torch import Tensor, nn

from ivm.models.nano.config import NanoConfig
from ivm.models.nano.encoder import Encoder, Features
from ivm.models.nano.predictor import Predictor, TextEncoder

__all__ = ["Encoder", "Features", "NanoConfig", "NanoNetwork", "Predictor", "TextEncoder"]


class NanoNetwork(nn.Module):
    """Encoder and predictor together."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.predictor = Encoder(config), Predictor(config)

    def forward(self, image: Tensor, tokens: Tensor, picture: Tensor) -> tuple[Tensor, Tensor, Features]:
        """Encode B pictures and answer N questions about them.

        Args:
            image: (B, 3, H, W) float32 RGB in [0, 255].
            tokens: (N, L, P) int64.
            picture: (N,) int64, the picture that each question is about.

        Returns:
            Logits (N, H/2, W/2), presence logits (N,), and the features of the pictures.
        """
        features = self.encoder(image)
        logits, presence = self.predictor(*(f[picture] for f in features), tokens)
        return logits, presence, features
