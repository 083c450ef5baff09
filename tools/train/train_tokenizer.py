"""Trains the byte-level BPE tokenizer (GPT-2 pre-tokenizer) and encodes the collected text.

Writes tokenizer.json and tokenizer_config.json, and train.bin, plain.bin (its everyday part) and
held_out.bin: token ids as little-endian 16-bit numbers, every document opened by <|endoftext|>
(id 0).
"""

import argparse
import hashlib
import json
import pathlib
import random
import re

import numpy
import tokenizers

END = "<|endoftext|>"
SPLIT_SHARE = 0.5  # files cut into their definitions, so that a prompt may start with `def`
SEED = 1


def read_documents(path):
    with open(path) as lines:
        return [json.loads(line) for line in lines]


def train(texts, vocab):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=[END],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"{END} $A", pair=f"{END} $A {END} $B", special_tokens=[(END, 0)]
    )
    return tokenizer


def cut(document):
    """The whole file, or for every second file (by its path) its top-level definitions."""
    digest = hashlib.sha256(document["path"].encode()).digest()
    if digest[-1] >= 256 * SPLIT_SHARE:
        return [document["text"]]
    pieces = re.split(r"\n\n+(?=@|def |class |async def )", document["text"])
    return [piece.strip("\n") + "\n" for piece in pieces]


def encode(tokenizer, texts, path):
    ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]
    numpy.concatenate([numpy.array(row, dtype="<u2") for row in ids]).tofile(path)
    return sum(map(len, ids))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--vocab", type=int, default=4096)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    documents = read_documents(args.data / "train.jsonl")
    tokenizer = train((document["text"] for document in documents), args.vocab)
    tokenizer.save(str(args.out / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END,
        "eos_token": END,
        "add_bos_token": True,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1024,
    }
    (args.out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    plain = [document for document in documents if document["plain"]]
    for name, chosen in (("train", documents), ("plain", plain)):
        pieces = [piece for document in chosen for piece in cut(document)]
        random.Random(SEED).shuffle(pieces)
        print(name, "tokens", encode(tokenizer, pieces, args.out / f"{name}.bin"))
    held_out = [document["text"] for document in read_documents(args.data / "held_out.jsonl")]
    print("held-out tokens", encode(tokenizer, held_out, args.out / "held_out.bin"))
    print("held-out bytes", sum(len(text.encode()) for text in held_out))


if __name__ == "__main__":
    main()
