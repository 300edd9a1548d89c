"""Experts with random weights, small enough to build in a moment, saved as their authors save the real ones.

Their processors are the real ones; only the tokenizers' word lists are short.
"""

from __future__ import annotations

from pathlib import Path

import torch
import transformers
from tokenizers.pre_tokenizers import ByteLevel

SIDE = 64
"""The picture that each tiny network but CLIPSeg reads, squared."""

CLIP_WORDS = ["the", "red", "cup"]
BERT_WORDS = ["[UNK]", "[MASK]", "the", "red", "cup", "plate", "a", "blue", *"bcdefghijklmnopqrstuvwxyz"]


def clip_tokenizer() -> transformers.CLIPTokenizer:
    """CLIP's byte-level BPE, knowing every letter and three words."""
    letters = sorted(ByteLevel.alphabet())
    merges, words = [], []
    for word in CLIP_WORDS:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        while len(pieces) > 1:
            merge = (pieces[0], pieces[1])
            if merge not in merges:
                merges.append(merge)
                words.append("".join(merge))
            pieces = ["".join(merge), *pieces[2:]]
    tokens = ["!", *(c for c in letters if c != "!"), *(f"{c}</w>" for c in letters), *words]
    vocabulary = {token: place for place, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token="!", model_max_length=16)


def bert_tokenizer() -> transformers.BertTokenizer:
    """BERT's WordPiece, with the special tokens at the places that Grounding DINO knows them by."""
    words = [*BERT_WORDS, *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")]
    places = {"[PAD]": 0, "[CLS]": 101, "[SEP]": 102, ".": 1012, "?": 1029}
    free = (place for place in range(1030) if place not in places.values())
    places |= dict(zip(words, free, strict=False))
    places |= {f"[unused{place}]": place for place in free}
    return transformers.BertTokenizer(
        vocab=dict(sorted(places.items(), key=lambda item: item[1])), model_max_length=512
    )


def _towers(tokenizer, **vision) -> tuple[dict, dict]:
    """Text and vision halves of CLIP's kind."""
    common = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    special = {
        "vocab_size": len(tokenizer), "max_position_embeddings": 16, "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    return common | special, common | vision


def tiny_clipseg(folder: Path) -> Path:
    tokenizer = clip_tokenizer()
    text, vision = _towers(tokenizer, image_size=32, patch_size=8)
    config = transformers.CLIPSegConfig(
        text_config=text,
        vision_config=vision,
        projection_dim=16,
        extract_layers=[0, 1],
        reduce_dim=8,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=16,
    )
    images = transformers.ViTImageProcessorPil(size={"height": 48, "width": 48})
    return _save(
        folder, transformers.CLIPSegForImageSegmentation, config, transformers.CLIPSegProcessor(images, tokenizer)
    )


def tiny_owlv2(folder: Path) -> Path:
    tokenizer = clip_tokenizer()
    text, vision = _towers(tokenizer, image_size=SIDE, patch_size=16)
    config = transformers.Owlv2Config(text_config=text, vision_config=vision, projection_dim=16)
    images = transformers.Owlv2ImageProcessorPil(size={"height": SIDE, "width": SIDE})
    return _save(folder, transformers.Owlv2ForObjectDetection, config, transformers.Owlv2Processor(images, tokenizer))


def tiny_grounding_dino(folder: Path) -> Path:
    tokenizer = bert_tokenizer()
    text = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        hidden_dropout_prob=0,
    )
    backbone = transformers.SwinConfig(
        image_size=SIDE,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 1, 1],
        window_size=2,
        out_features=["stage2", "stage3", "stage4"],
    )
    config = transformers.GroundingDinoConfig(
        backbone_config=backbone,
        text_config=text,
        d_model=64,  # two channels a group of its norms, without which a level of one place would fail
        num_queries=12,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        max_text_len=24,
    )
    images = transformers.GroundingDinoImageProcessorPil(size={"shortest_edge": 48, "longest_edge": 96})
    processor = transformers.GroundingDinoProcessor(images, tokenizer)
    return _save(folder, transformers.GroundingDinoForObjectDetection, config, processor)


def tiny_sam(folder: Path) -> Path:
    config = transformers.SamConfig(
        vision_config={
            "hidden_size": 16, "output_channels": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "image_size": SIDE, "mlp_dim": 16, "window_size": 2, "global_attn_indexes": [0], "num_pos_feats": 8,
        },
        prompt_encoder_config={"hidden_size": 16, "image_size": SIDE, "image_embedding_size": SIDE // 16},
        mask_decoder_config={
            "hidden_size": 16, "mlp_dim": 16, "num_attention_heads": 2, "num_hidden_layers": 1,
            "iou_head_hidden_dim": 16,
        },
    )  # fmt: skip
    images = transformers.SamImageProcessorPil(
        size={"longest_edge": SIDE}, pad_size={"height": SIDE, "width": SIDE}, mask_size={"longest_edge": SIDE // 4}
    )
    return _save(folder, transformers.SamModel, config, transformers.SamProcessor(images))


def _save(folder: Path, architecture, config, processor) -> Path:
    torch.manual_seed(0)
    model = architecture(config)
    with torch.no_grad():
        # Weights as small as those at the start of a training make all answers alike.
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
