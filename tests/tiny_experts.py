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


def bart_tokenizer() -> transformers.BartTokenizer:
    """BART's byte-level BPE, knowing every letter, with the places that Florence-2 writes."""
    words = ["<s>", "<pad>", "</s>", "<unk>", *sorted(ByteLevel.alphabet()), "<mask>"]
    vocabulary = {word: place for place, word in enumerate(words)}
    tokenizer = transformers.BartTokenizer(
        vocab=vocabulary, merges=[], extra_special_tokens={"image_token": "<image>"}, model_max_length=64
    )
    places = [f"<loc_{place}>" for place in range(1000)]
    tokenizer.add_tokens([*places, "<poly>", "</poly>", "<sep>"], special_tokens=True)
    return tokenizer


def tiny_florence2(folder: Path) -> Path:
    """Answers with places and nothing else, since it is kept from all other tokens."""
    tokenizer = bart_tokenizer()
    stages = {
        "embed_dim": [8, 8, 8, 8], "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1], "num_groups": [1, 1, 1, 1],
        "window_size": 2, "projection_dim": 16, "max_position_embeddings": 4, "drop_path_rate": 0.0,
    }  # fmt: skip
    language = {
        "model_type": "bart", "vocab_size": len(tokenizer), "d_model": 16, "max_position_embeddings": 59,
        "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16,
        "encoder_attention_heads": 2, "decoder_attention_heads": 2, "dropout": 0.0,
    }  # fmt: skip
    config = transformers.Florence2Config(
        vision_config=stages, text_config=language, image_token_id=tokenizer.image_token_id
    )
    images = transformers.CLIPImageProcessorPil(
        size={"height": SIDE, "width": SIDE}, do_center_crop=False, image_seq_length=5
    )
    processor = transformers.Florence2Processor(images, tokenizer)
    _save(folder, transformers.Florence2ForConditionalGeneration, config, processor)
    loud = {place for word, place in tokenizer.get_vocab().items() if word.startswith("<loc_")}
    generation = transformers.GenerationConfig(
        decoder_start_token_id=2, bos_token_id=0, eos_token_id=2, pad_token_id=1, num_beams=2,
        suppress_tokens=[place for place in range(len(tokenizer)) if place not in loud],
    )  # fmt: skip
    generation.save_pretrained(folder)
    return folder


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


def tiny_sam2(folder: Path) -> Path:
    """Needs torchvision, as the two below do."""
    backbone = {
        "model_type": "sam2_hiera_det_model", "image_size": [SIDE, SIDE], "hidden_size": 8, "num_attention_heads": 1,
        "blocks_per_stage": [1, 1, 1, 2], "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 2, 4, 8], "window_size_per_stage": [4, 4, 4, 4],
        "global_attention_blocks": [4], "window_positional_embedding_background_size": [4, 4],
    }  # fmt: skip
    vision = {
        "model_type": "sam2_vision_model", "backbone_config": backbone, "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]], "fpn_hidden_size": 16,
    }  # fmt: skip
    config = transformers.Sam2Config(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 16, "image_size": SIDE, "patch_size": 16},
        mask_decoder_config={
            "hidden_size": 16, "mlp_dim": 16, "num_attention_heads": 2, "num_hidden_layers": 1,
            "iou_head_hidden_dim": 16,
        },
    )  # fmt: skip
    images = transformers.Sam2ImageProcessor(
        size={"height": SIDE, "width": SIDE}, mask_size={"height": SIDE // 4, "width": SIDE // 4}
    )
    return _save(folder, transformers.Sam2Model, config, transformers.Sam2Processor(images))


def tiny_sam3(folder: Path) -> Path:
    tokenizer = clip_tokenizer()
    tokenizer.model_max_length = 32
    text, _ = _towers(tokenizer)
    common = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32, "dropout": 0.0}
    backbone = {
        "model_type": "sam3_vit_model", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": SIDE, "patch_size": 8, "window_size": 4, "global_attn_indexes": [1],
        "pretrain_image_size": SIDE,
    }  # fmt: skip
    config = transformers.Sam3Config(
        vision_config={
            "model_type": "sam3_vision_model", "backbone_config": backbone, "fpn_hidden_size": 32,
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        },
        text_config=text | {"max_position_embeddings": 32, "projection_dim": 16},
        geometry_encoder_config=common | {"num_layers": 1},
        detr_encoder_config=common | {"num_layers": 1},
        detr_decoder_config=common | {"num_layers": 2, "num_queries": 6},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2, "num_upsampling_stages": 3},
    )  # fmt: skip
    images = transformers.Sam3ImageProcessor(size={"height": SIDE, "width": SIDE})
    return _save(folder, transformers.Sam3Model, config, transformers.Sam3Processor(images, tokenizer))


CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_qwen2_5_vl(folder: Path) -> Path:
    words = sorted(ByteLevel.alphabet())
    tokenizer = transformers.Qwen2Tokenizer(
        vocab={word: place for place, word in enumerate(["<|endoftext|>", *words])}, merges=[]
    )
    marks = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    tokenizer.add_tokens(marks, special_tokens=True)
    places = {mark: tokenizer.convert_tokens_to_ids(mark) for mark in marks}
    config = transformers.Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 2048,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]},
            "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0,
        },
        vision_config={
            "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16,
            "patch_size": 14, "fullatt_block_indexes": [0],
        },
        image_token_id=places["<|image_pad|>"], video_token_id=places["<|video_pad|>"],
        vision_start_token_id=places["<|vision_start|>"], vision_end_token_id=places["<|vision_end|>"],
    )  # fmt: skip
    images = transformers.Qwen2VLImageProcessor(size={"shortest_edge": 56 * 56, "longest_edge": 112 * 112})
    processor = transformers.Qwen2_5_VLProcessor(
        images, tokenizer, transformers.Qwen2VLVideoProcessor(), chat_template=CHAT
    )
    return _save(folder, transformers.Qwen2_5_VLForConditionalGeneration, config, processor)


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
