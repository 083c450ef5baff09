"""The small diffusion pipelines of tests/golden/diffusion: what their folders hold, component by
component, in the words of their config.json files. Read by diffusion_models.py.

Widths avoid multiples of 32 so that padding of panels is exercised. A norm epsilon that a config can
set is far from the usual 1e-6, so that ignoring it shows. The noise schedules are shorter than the
published ones: random weights do not take noise away, so latents would grow by 1 / sqrt(alpha bar) =
157 and hide what the late steps do.
"""

from dataclasses import dataclass, field

DDIM = {
    "_class_name": "DDIMScheduler",
    "beta_end": 0.004,
    "beta_schedule": "linear",
    "beta_start": 0.0001,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "set_alpha_to_one": True,
    "steps_offset": 0,
    "timestep_spacing": "leading",
    "trained_betas": None,
}
DPM_SOLVER = {
    "_class_name": "DPMSolverMultistepScheduler",
    "algorithm_type": "dpmsolver++",
    "beta_end": 0.004,
    "beta_schedule": "linear",
    "beta_start": 0.0001,
    "dynamic_thresholding_ratio": 0.995,
    "lambda_min_clipped": float("-inf"),
    "lower_order_final": True,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "sample_max_value": 1.0,
    "solver_order": 2,
    "solver_type": "midpoint",
    "steps_offset": 0,
    "thresholding": False,
    "timestep_spacing": "linspace",
    "trained_betas": None,
    "use_karras_sigmas": False,
    "variance_type": None,
}
FLOW_EULER = {
    "_class_name": "FlowMatchEulerDiscreteScheduler",
    "num_train_timesteps": 1000,
    "shift": 3.0,
}
VAE = {
    "_class_name": "AutoencoderKL",
    "act_fn": "silu",
    "block_out_channels": [8, 8, 12, 12],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "out_channels": 3,
    "sample_size": 64,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
# As the published DiT folder: the class name before DiT had its own, keys of other models as null.
DIT = {
    "_class_name": "Transformer2DModel",
    "_diffusers_version": "0.12.0.dev0",
    "activation_fn": "gelu-approximate",
    "attention_bias": True,
    "attention_head_dim": 12,
    "cross_attention_dim": None,
    "dropout": 0.0,
    "in_channels": 4,
    "norm_elementwise_affine": False,
    "norm_eps": 0.1,
    "norm_num_groups": 32,
    "norm_type": "ada_norm_zero",
    "num_attention_heads": 3,
    "num_embeds_ada_norm": 10,
    "num_layers": 3,
    "num_vector_embeds": None,
    "only_cross_attention": False,
    "out_channels": 8,
    "patch_size": 2,
    "sample_size": 8,
    "upcast_attention": False,
    "use_linear_projection": False,
}
PIXART = {
    "_class_name": "PixArtTransformer2DModel",
    "_diffusers_version": "0.28.0.dev0",
    "activation_fn": "gelu-approximate",
    "attention_bias": True,
    "attention_head_dim": 12,
    "attention_type": "default",
    "caption_channels": 32,
    "cross_attention_dim": 36,
    "dropout": 0.0,
    "in_channels": 4,
    "interpolation_scale": None,
    "norm_elementwise_affine": False,
    "norm_eps": 0.1,
    "norm_num_groups": 32,
    "norm_type": "ada_norm_single",
    "num_attention_heads": 3,
    "num_embeds_ada_norm": 1000,
    "num_layers": 2,
    "out_channels": 8,
    "patch_size": 2,
    "sample_size": 8,
    "upcast_attention": False,
    "use_additional_conditions": None,
}
# The largest published size: what its config leaves open follows from sample_size 128.
PIXART_SIZES = PIXART | {
    "_class_name": "Transformer2DModel",
    "caption_channels": 20,
    "sample_size": 128,
}
del PIXART_SIZES["interpolation_scale"], PIXART_SIZES["use_additional_conditions"]
LATTE = {
    "_class_name": "LatteTransformer3DModel",
    "_diffusers_version": "0.27.0.dev0",
    "activation_fn": "gelu-approximate",
    "attention_bias": True,
    "attention_head_dim": 12,
    "caption_channels": 20,
    "cross_attention_dim": 36,
    "dropout": 0.0,
    "in_channels": 4,
    "norm_elementwise_affine": False,
    "norm_eps": 0.4,
    "norm_type": "ada_norm_single",
    "num_attention_heads": 3,
    "num_embeds_ada_norm": 1000,
    "num_layers": 2,
    "out_channels": 8,
    "patch_size": 2,
    "sample_size": 8,
    "video_length": 5,
}
SD3 = {
    "_class_name": "SD3Transformer2DModel",
    "_diffusers_version": "0.29.0.dev0",
    "attention_head_dim": 12,
    "caption_projection_dim": 24,
    "in_channels": 16,
    "joint_attention_dim": 28,
    "num_attention_heads": 2,
    "num_layers": 2,
    "out_channels": 16,
    "patch_size": 2,
    "pooled_projection_dim": 12,
    "pos_embed_max_size": 9,
    "sample_size": 8,
}
SD3_DUAL = SD3 | {"dual_attention_layers": [0, 1], "num_layers": 3, "qk_norm": "rms_norm"}
T5 = {
    "architectures": ["T5EncoderModel"],
    "d_ff": 52,
    "d_kv": 10,
    "d_model": 32,
    "decoder_start_token_id": 0,
    "dense_act_fn": "gelu_new",
    "dropout_rate": 0.1,
    "eos_token_id": 1,
    "feed_forward_proj": "gated-gelu",
    "initializer_factor": 1.0,
    "is_encoder_decoder": True,
    "is_gated_act": True,
    "layer_norm_epsilon": 1e-06,
    "model_type": "t5",
    "num_decoder_layers": 2,
    "num_heads": 4,
    "num_layers": 2,
    "output_past": True,
    "pad_token_id": 0,
    "relative_attention_max_distance": 128,
    "relative_attention_num_buckets": 32,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
    "transformers_version": "4.21.1",
    "use_cache": True,
    "vocab_size": 512,
}


@dataclass
class Spec:
    """One folder. Weights have scale 0.2, but for those that match a pattern of `quiet`: inputs of
    norms that must be small for a wrong fixed epsilon to show."""
    name: str
    pipeline: str
    transformer: dict
    scheduler: dict
    vae: dict
    text_encoder: dict = field(default_factory=dict)
    encoder_stored: bool = False   # the VAE's
    quiet: dict = field(default_factory=dict)
    extra_index: dict = field(default_factory=dict)   # of model_index.json


QUIET_VAE = {r"decoder\.conv_in": 0.003}
VAE_4 = VAE | {"scaling_factor": 0.18215}
VAE_16 = VAE | {"force_upcast": True, "latent_channels": 16, "scaling_factor": 1.5305,
                "shift_factor": 0.0609, "use_post_quant_conv": False, "use_quant_conv": False}
SPECS = [
    # The oldest VAE configs name no scaling_factor.
    Spec("dit", "DiTPipeline", DIT, DDIM, VAE, encoder_stored=True, quiet=QUIET_VAE,
         extra_index={"id2label": {str(label): f"thing {label}" for label in range(10)}}),
    Spec("pixart", "PixArtAlphaPipeline", PIXART, DPM_SOLVER, VAE_4, text_encoder=T5,
         quiet={r"^shared": 0.02}),
    Spec("pixart_sizes", "PixArtAlphaPipeline", PIXART_SIZES, DPM_SOLVER, VAE_4),
    Spec("latte", "LattePipeline", LATTE, DDIM, VAE_4),
    Spec("sd3", "StableDiffusion3Pipeline", SD3, FLOW_EULER, VAE_16, quiet=QUIET_VAE),
    Spec("sd3_dual", "StableDiffusion3Pipeline", SD3_DUAL, FLOW_EULER, VAE_16,
         quiet={r"^pos_embed|^context_embedder": 0.002, r"to_q|to_k|add_q|add_k": 0.003}),
]
