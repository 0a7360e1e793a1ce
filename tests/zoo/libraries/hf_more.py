"""Audio, multimodal and time-series models of transformers."""

from __future__ import annotations

from typing import Any

import torch

from libraries.case import Case, numbers, tokens
from libraries.hf import case, tiny
from libraries.hf_language import mask, text

__all__ = ["AUDIO", "MULTIMODAL", "SERIES"]

CONVOLUTIONS = {
    "conv_dim": (16, 16), "conv_kernel": (5, 3), "conv_stride": (4, 2),
    "num_feat_extract_layers": 2, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2,
    "mask_time_length": 2, "classifier_proj_size": 16,
}  # fmt: skip
CLASSIFY = "ForSequenceClassification"


def wave() -> dict[str, Any]:
    return {"input_values": numbers(2, 400)}


def spectrogram() -> dict[str, Any]:
    return {"input_features": numbers(2, 8, 40), "decoder_input_ids": tokens(2, 5)}


def speech() -> dict[str, Any]:
    return {"input_features": numbers(2, 40, 8), "decoder_input_ids": tokens(2, 5)}


AUDIO: list[Case] = [
    case("wav2vec2", "Wav2Vec2", "ForCTC", wave, **CONVOLUTIONS),
    case("wav2vec2-pretraining", "Wav2Vec2", "ForPreTraining", wave, **CONVOLUTIONS,
         num_codevectors_per_group=8, codevector_dim=16, proj_codevector_dim=16),
    case("hubert", "Hubert", CLASSIFY, wave, **CONVOLUTIONS),
    case("wavlm", "WavLM", CLASSIFY, wave, **CONVOLUTIONS, num_buckets=8, max_bucket_distance=16),
    case("sew", "SEW", CLASSIFY, wave, **CONVOLUTIONS, squeeze_factor=2),
    case("unispeech-sat", "UniSpeechSat", CLASSIFY, wave, **CONVOLUTIONS),
    case("data2vec-audio", "Data2VecAudio", CLASSIFY, wave, **CONVOLUTIONS, conv_pos_kernel_size=3),
    case("whisper", "Whisper", "ForConditionalGeneration", spectrogram, num_mel_bins=8,
         max_source_positions=20, max_target_positions=16),
    case("whisper-classifier", "Whisper", "ForAudioClassification",
         lambda: {"input_features": numbers(2, 8, 40)}, num_mel_bins=8, max_source_positions=20,
         max_target_positions=16, classifier_proj_size=16),
    case("speech-to-text", "Speech2Text", "ForConditionalGeneration", speech, conv_channels=16,
         input_feat_per_channel=8, num_conv_layers=2, conv_kernel_sizes=[3, 3],
         max_source_positions=40, max_target_positions=16),
    case("ast", "AST", "ForAudioClassification", lambda: {"input_values": numbers(2, 32, 16)},
         max_length=32, num_mel_bins=16, frequency_stride=4, time_stride=4),
    case("encodec", "Encodec", "Model", lambda: {"input_values": numbers(1, 1, 320)}, num_filters=4,
         hidden_size=16, upsampling_ratios=[4, 2], codebook_size=8, num_lstm_layers=1,
         codebook_dim=16, target_bandwidths=[24.0], sampling_rate=24000),
    case("dac", "Dac", "Model", lambda: {"input_values": numbers(1, 1, 256)},
         encoder_hidden_size=8, downsampling_ratios=[2, 2], decoder_hidden_size=32,
         upsampling_ratios=[2, 2], n_codebooks=2, codebook_size=8, codebook_dim=4),
    case("univnet", "UnivNet", "Model", lambda: {"input_features": numbers(1, 8, 8)},
         model_in_channels=8, model_hidden_channels=8, num_mel_bins=8, resblock_stride_sizes=[2, 2],
         resblock_kernel_sizes=[3, 3], resblock_dilation_sizes=[[1, 3], [1, 3]],
         kernel_predictor_hidden_channels=8),
    case("speecht5", "SpeechT5", "ForTextToSpeech", lambda: {
        "input_ids": tokens(2, 7), "decoder_input_values": numbers(2, 6, 8)}, num_mel_bins=8,
        speech_decoder_prenet_units=16, speech_decoder_postnet_units=16, speaker_embedding_dim=0,
        encoder_max_relative_position=8),
    case("musicgen", "MusicgenDecoder", "=MusicgenForCausalLM", lambda: {
        "input_ids": tokens(8, 6)}, num_codebooks=4, num_hidden_layers=2),
    case("vits", "Vits", "Model", lambda: {"input_ids": tokens(1, 6, below=30)}, ffn_dim=48,
         hidden_size=16, flow_size=16, spectrogram_bins=9, upsample_initial_channel=16,
         upsample_rates=[4, 2], upsample_kernel_sizes=[8, 4], resblock_kernel_sizes=[3],
         resblock_dilation_sizes=[[1, 3]], posterior_encoder_num_wavenet_layers=2,
         prior_encoder_num_wavenet_layers=2, prior_encoder_num_flows=2, wavenet_kernel_size=3,
         duration_predictor_num_flows=2, depth_separable_num_layers=2),
]  # fmt: skip


def pair() -> dict[str, Any]:
    return {**text(), "pixel_values": numbers(2, 3, 32, 32)}


def boxes() -> dict[str, Any]:
    left = torch.arange(24).view(2, 12, 1)
    return {**text(), "bbox": torch.cat((left, left, left + 9, left + 5), -1)}


def prompted() -> dict[str, Any]:
    """A sentence with the places of an image in it."""
    ids = tokens(1, 20)
    ids[:, 1:17] = 99
    return {"input_ids": ids, "attention_mask": mask(1, 20), "pixel_values": numbers(1, 3, 32, 32)}


def qwen() -> dict[str, Any]:
    ids = tokens(1, 10)
    ids[:, 2:6] = 99
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values": numbers(16, 3 * 2 * 4 * 4),
        "image_grid_thw": torch.tensor([[1, 4, 4]]),
        "mm_token_type_ids": (ids == 99).long(),
    }


def written() -> Any:
    return tiny("Llama", vocab_size=100)


def vit(kind: str, **more: Any) -> Any:
    return lambda: tiny(kind, **more)


MULTIMODAL: list[Case] = [
    case("clip", "CLIP", "Model", pair, projection_dim=16, text_config=lambda:
         tiny("CLIPText").to_dict(), vision_config=lambda: tiny("CLIPVision").to_dict()),
    case("siglip", "Siglip", "Model", pair, text_config=lambda: tiny("SiglipText").to_dict(),
         vision_config=lambda: tiny("SiglipVision").to_dict()),
    case("blip", "Blip", "ForConditionalGeneration", pair, projection_dim=16,
         text_config=lambda: tiny("BlipText", encoder_hidden_size=32).to_dict(),
         vision_config=lambda: tiny("BlipVision").to_dict()),
    case("blip-2", "Blip2", "Model", prompted, image_token_index=99,
         qformer_config=lambda: tiny("Blip2QFormer", encoder_hidden_size=32).to_dict(),
         vision_config=lambda: tiny("Blip2Vision").to_dict(), num_query_tokens=16,
         text_config=lambda: tiny("OPT", word_embed_proj_dim=32).to_dict()),
    case("vilt", "Vilt", "ForQuestionAnswering", pair, modality_type_vocab_size=2),
    case("flava", "Flava", "Model", pair, projection_dim=16, hidden_size=32,
         text_config=lambda: tiny("FlavaText").to_dict(),
         image_config=lambda: tiny("FlavaImage").to_dict(),
         multimodal_config=lambda: tiny("FlavaMultimodal").to_dict()),
    case("llava", "Llava", "ForConditionalGeneration", prompted, image_token_index=99,
         vision_config=vit("CLIPVision"), text_config=written, vision_feature_layer=-1,
         image_seq_length=16),
    case("paligemma", "PaliGemma", "ForConditionalGeneration", prompted, image_token_index=99,
         vision_config=vit("SiglipVision", vision_use_head=False), projection_dim=32,
         text_config=vit("Gemma"), hidden_size=32),
    case("idefics3", "Idefics3", "ForConditionalGeneration", lambda: {
        **prompted(), "pixel_values": numbers(1, 1, 3, 32, 32)}, image_token_id=99, scale_factor=1,
        vision_config=lambda: tiny("Idefics3Vision").to_dict(), text_config=written),
    case("qwen2-vl", "Qwen2VL", "ForConditionalGeneration", qwen, image_token_id=99,
         video_token_id=98, vision_start_token_id=97, vision_end_token_id=96, vision_token_id=95,
         vision_config={"depth": 1, "embed_dim": 32, "hidden_size": 32, "num_heads": 4,
                        "patch_size": 4, "spatial_merge_size": 2, "temporal_patch_size": 2,
                        "mlp_ratio": 2},
         text_config={"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2,
                      "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48,
                      "rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 2]}}),
    case("git", "Git", "ForCausalLM", pair,
         vision_config=lambda: tiny("GitVision").to_dict()),
    case("layoutlmv3", "LayoutLMv3", CLASSIFY, lambda: {**boxes(), **pair()}, coordinate_size=4,
         shape_size=8, input_size=32, max_2d_position_embeddings=64, rel_pos_bins=8,
         rel_2d_pos_bins=8, max_rel_pos=16, max_rel_2d_pos=16),
    case("lilt", "Lilt", CLASSIFY, boxes, hidden_size=48,
         max_2d_position_embeddings=64),
    case("bridgetower", "BridgeTower", "Model", pair, text_config=lambda: tiny(
        "BridgeTowerText", layer_norm_eps=1e-5).to_dict(), vision_config=lambda: tiny(
            "BridgeTowerVision", hidden_size=64).to_dict()),
    case("owlvit", "OwlViT", "ForObjectDetection", pair, projection_dim=32, text_config=lambda:
         tiny("OwlViTText").to_dict(), vision_config=lambda: tiny("OwlViTVision").to_dict()),
    case("clipseg", "CLIPSeg", "ForImageSegmentation", pair, projection_dim=16, reduce_dim=16,
         extract_layers=[0, 1], text_config=lambda: tiny("CLIPSegText").to_dict(),
         vision_config=lambda: tiny("CLIPSegVision").to_dict(),
         decoder_num_attention_heads=4, decoder_intermediate_size=48),
    case("groupvit", "GroupViT", "Model", pair, projection_dim=16, projection_intermediate_dim=24,
         text_config=lambda: tiny("GroupViTText").to_dict(), vision_config=lambda: tiny(
             "GroupViTVision", depths=[1, 1], num_group_tokens=[4, 0], num_output_groups=[4, 2],
             num_hidden_layers=2).to_dict()),
    case("lxmert", "Lxmert", "Model", lambda: {**text(), "visual_feats": numbers(2, 4, 16),
         "visual_pos": numbers(2, 4, 4)}, visual_feat_dim=16, l_layers=1, x_layers=1, r_layers=1),
    case("clap", "Clap", "Model", lambda: {**text(), "input_features": numbers(2, 1, 64, 64),
         "is_longer": torch.zeros(2, 1, dtype=torch.bool)}, projection_dim=16, text_config=lambda:
         tiny("ClapText").to_dict(), audio_config=lambda: tiny(
             "ClapAudio", patch_embeds_hidden_size=16, depths=[1, 1], num_attention_heads=[2, 4],
             num_hidden_layers=2, hidden_size=32, spec_size=64, num_mel_bins=64, window_size=4,
             patch_size=4, patch_stride=[4, 4], projection_dim=16).to_dict()),
    case("trocr", "TrOCR", "ForCausalLM", text, d_model=32, decoder_layers=2),
]  # fmt: skip


def past() -> dict[str, Any]:
    return {
        "past_values": numbers(2, 15),
        "past_time_features": numbers(2, 15, 1),
        "past_observed_mask": torch.ones(2, 15),
        "future_values": numbers(2, 4),
        "future_time_features": numbers(2, 4, 1),
    }


HORIZON = {"prediction_length": 4, "context_length": 12, "lags_sequence": [1, 2, 3],
           "num_time_features": 1, "d_model": 16}  # fmt: skip

SERIES: list[Case] = [
    case("time-series", "TimeSeriesTransformer", "ForPrediction", past, **HORIZON),
    case("informer", "Informer", "ForPrediction", past, **HORIZON),
    case("autoformer", "Autoformer", "ForPrediction", past, **HORIZON, label_length=6,
         moving_average=3),
    case("patchtst", "PatchTST", "ForPrediction", lambda: {"past_values": numbers(2, 16, 3)},
         num_input_channels=3, context_length=16, patch_length=4, patch_stride=4,
         prediction_length=4),
    case("patchtsmixer", "PatchTSMixer", "ForPrediction", lambda: {
        "past_values": numbers(2, 16, 3)}, num_input_channels=3, context_length=16, patch_length=4,
        patch_stride=4, prediction_length=4, d_model=8),
    case("decision", "DecisionTransformer", "Model", lambda: {
        "states": numbers(2, 5, 4), "actions": numbers(2, 5, 3), "rewards": numbers(2, 5, 1),
        "returns_to_go": numbers(2, 5, 1), "timesteps": torch.arange(5).repeat(2, 1),
        "attention_mask": torch.ones(2, 5)}, state_dim=4, act_dim=3, max_ep_len=16),
]  # fmt: skip
