"""Writes the folders of diffusion_specs.py with random weights, and opens them with diffusers."""

import json
import re

import diffusers
import sentencepiece
import tokenizer_sentencepiece
import torch
import transformers
from safetensors.torch import save_file

TRANSFORMERS = {
    "DiTPipeline": diffusers.DiTTransformer2DModel,
    "PixArtAlphaPipeline": diffusers.PixArtTransformer2DModel,
    "LattePipeline": diffusers.LatteTransformer3DModel,
    "StableDiffusion3Pipeline": diffusers.SD3Transformer2DModel,
}
TEXT_PARTS = {
    "DiTPipeline": [],
    "PixArtAlphaPipeline": ["tokenizer", "text_encoder"],
    "LattePipeline": ["tokenizer", "text_encoder"],
    "StableDiffusion3Pipeline": ["tokenizer", "text_encoder", "tokenizer_2", "text_encoder_2",
                                 "tokenizer_3", "text_encoder_3"],
}
WEIGHTS = "diffusion_pytorch_model.safetensors"
LEGACY_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
WORDS = """a an the red blue green small large bright dark old new wooden glass paper stone metal
round square tall house tree river boat bird cat dog horse robot apple lamp chair mountain cloud sea
street garden bridge under over beside behind with without on in at near far drawn painted photo of
watercolour sketch style light shadow morning evening winter summer rain snow wind fire water
standing sitting flying running sleeping looking playing reading very quite slowly quickly""".split()


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def random_weights(shapes, generator, quiet):
    """{name: tensor}: scale 0.2 for weights, biases, tables and modulations alike, so that nothing
    hides behind a zero; gains of norms from 0.5 to 1.5."""
    tensors = {}
    for name, tensor in sorted(shapes.items()):
        noise = torch.randn(tensor.shape, generator=generator)
        scale = next((value for pattern, value in quiet.items() if re.search(pattern, name)), None)
        if name == "pos_embed.pos_embed":
            tensors[name] = tensor if scale is None else 5 * scale * tensor
        elif re.search(r"norm[^.]*\.weight|norm_added_[qk]\.weight", name):
            tensors[name] = 0.5 + torch.rand(tensor.shape, generator=generator)
        else:
            tensors[name] = (scale or 0.2) * noise
    return tensors


def write_transformer(folder, spec, generator):
    kind = TRANSFORMERS[spec.pipeline]
    known = {key: value for key, value in spec.transformer.items() if not key.startswith("_")}
    tensors = random_weights(kind.from_config(known).state_dict(), generator, spec.quiet)
    for name in tensors:
        # DiT's converter copied one embedder into every block.
        tensors[name] = tensors[re.sub(r"_blocks\.\d+\.norm1\.emb\.", "_blocks.0.norm1.emb.", name)]
    folder.mkdir()
    write_json(folder / "config.json", spec.transformer)
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, folder / WEIGHTS,
              metadata={"format": "pt"})


def write_vae(folder, spec, generator):
    known = {key: value for key, value in spec.vae.items() if not key.startswith("_")}
    model = diffusers.AutoencoderKL.from_config(known)
    tensors = random_weights(model.state_dict(), generator, spec.quiet)
    if spec.encoder_stored:  # as old as the files that still have the old names
        for new, old in LEGACY_NAMES.items():
            tensors = {re.sub(rf"(attentions\.0)\.{re.escape(new)}\.", rf"\1.{old}.", name): tensor
                       for name, tensor in tensors.items()}
    else:
        tensors = {name: tensor for name, tensor in tensors.items()
                   if not name.startswith(("encoder.", "quant_conv."))}
    folder.mkdir()
    write_json(folder / "config.json", spec.vae)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def write_text_encoder(folder, spec, generator):
    model = transformers.T5EncoderModel(transformers.T5Config(**spec.text_encoder))
    shapes = {name: tensor for name, tensor in model.state_dict().items()
              if name != "encoder.embed_tokens.weight"}
    tensors = random_weights(shapes, generator, spec.quiet)
    folder.mkdir()
    write_json(folder / "config.json", spec.text_encoder)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def write_tokenizer(folder, generator):
    """A SentencePiece unigram model as T5's: pad 0, end 1, unknown 2, no begin."""
    folder.mkdir()
    sentences = []
    for _ in range(2000):
        picks = torch.randint(len(WORDS), (8,), generator=generator).tolist()
        sentences.append(" ".join(WORDS[pick] for pick in picks) + ".")
    rules = folder / "rules.tsv"
    tokenizer_sentencepiece.rules_file(rules)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_prefix=str(folder / "spiece"), vocab_size=260,
        model_type="unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, pad_piece="<pad>",
        num_threads=1, minloglevel=2, normalization_rule_tsv=str(rules), hard_vocab_limit=False,
        required_chars="0123456789,!?'-éABCDEFGHIJKLMNOPQRSTUVWXYZ")
    rules.unlink()
    (folder / "spiece.vocab").unlink()
    write_json(folder / "special_tokens_map.json",
               {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"})
    write_json(folder / "tokenizer_config.json",
               {"additional_special_tokens": [f"<extra_id_{rank}>" for rank in range(100)],
                "eos_token": "</s>", "extra_ids": 100, "model_max_length": 120,
                "pad_token": "<pad>", "tokenizer_class": "T5Tokenizer", "unk_token": "<unk>"})


def write_folder(folder, spec, generator):
    transformer = spec.transformer["_class_name"]
    index = {"_class_name": spec.pipeline, "_diffusers_version": "0.29.0",
             "scheduler": ["diffusers", spec.scheduler["_class_name"]],
             "transformer": ["diffusers", transformer], "vae": ["diffusers", "AutoencoderKL"]}
    index |= {part: [None, None] for part in TEXT_PARTS[spec.pipeline]}
    write_transformer(folder / "transformer", spec, generator)
    write_vae(folder / "vae", spec, generator)
    if spec.text_encoder:
        index |= {"tokenizer": ["transformers", "T5Tokenizer"],
                  "text_encoder": ["transformers", "T5EncoderModel"]}
        write_text_encoder(folder / "text_encoder", spec, generator)
        write_tokenizer(folder / "tokenizer", generator)
    (folder / "scheduler").mkdir()
    write_json(folder / "scheduler" / "scheduler_config.json", spec.scheduler)
    write_json(folder / "model_index.json", index | spec.extra_index)


def open_transformer(folder, spec, **changes):
    """What from_pretrained of the old class name would give, plus `changes` of the config."""
    kind = TRANSFORMERS[spec.pipeline]
    model = kind.from_pretrained(folder / "transformer", low_cpu_mem_usage=False)
    if changes:
        state = model.state_dict()
        model = kind.from_config(dict(model.config) | changes)
        model.load_state_dict(state)
    return model.eval()


def open_vae(folder):
    return diffusers.AutoencoderKL.from_pretrained(folder / "vae", low_cpu_mem_usage=False).eval()


def open_scheduler(folder, spec):
    kind = getattr(diffusers, spec.scheduler["_class_name"])
    return kind.from_pretrained(folder / "scheduler")


def open_text_encoder(folder):
    model = transformers.T5EncoderModel.from_pretrained(folder / "text_encoder").eval()
    assert torch.equal(model.shared.weight, model.encoder.embed_tokens.weight)
    return model


class Prompts:
    """Token ids as T5's tokenizer gives them, straight from the sentencepiece library."""

    def __init__(self, folder):
        self.pieces = sentencepiece.SentencePieceProcessor(
            model_file=str(folder / "tokenizer" / "spiece.model"))

    def ids(self, text, most=120):
        return self.pieces.encode(text)[: most - 1] + [1]
