"""Makes small tokenizers of every supported kind and what the libraries answer for hostile texts.

  tokenizer_goldens.py OUT_DIR     (tests/golden/tokenize)

OUT_DIR/<name>/ is a model folder each; <name>/expected.bin holds one CRC-32 per text, then per byte
string, then per id sequence, in the order of texts.bin, bytes.bin and ids.bin; <name>/expected.json
spells the first texts out for people.
"""
import glob
import json
import pathlib
import random
import struct
import sys
import tempfile
import zlib

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import tokenizer_tables
from tokenizer_sentencepiece import sentence_piece_folders
from tokenizer_strings import CODE, hostile_texts, invalid_bytes

TEXTS, BYTES, SEQUENCES, SPELLED_OUT = 21000, 400, 600, 30
VOCABULARY = 1200
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
          r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
          r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
TOKENS = ["<s>", "</s>", "<unk>", "<|endoftext|>", "<|begin_of_text|>", "<|eot_id|>", "<|im_start|>", "<|im_end|>", "<tool_call>",
          "[INST]", "[/INST]", "Solo", "LEFT", "right", "Both", "Ünï", "ﬁx", "  ", "<|", "|>", "aa", "aaa"]


def corpus():
    files = sorted(glob.glob("/usr/lib/python3*/[a-f]*.py"))[:40]
    text = "".join(pathlib.Path(name).read_text(errors="replace") for name in files)
    return text[:1_500_000].splitlines(keepends=True) + hostile_texts(3000, TOKENS, seed=5) + CODE * 20


def special(content, **flags):
    return AddedToken(content, special=True, normalized=False, **flags)


def byte_level(lines, pre, vocabulary=VOCABULARY):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=vocabulary, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return tokenizer


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), behavior, invert),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def template(bos, id, eos=None, eos_id=None):
    specials = [(bos, id)] + ([(eos, eos_id)] if eos else [])
    single = f"{bos} $A" + (f" {eos}" if eos else "")
    return processors.TemplateProcessing(single=single, pair=f"{bos} $A {bos} $B:1", special_tokens=specials)


def marked(lines, bytes_kept, **model):
    """SentencePiece-like BPE over U+2581 marks: specials, then byte tokens, then what training found."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    trained.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=VOCABULARY, limit_alphabet=180, show_progress=False))
    learned = json.loads(trained.to_str())["model"]
    names = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256) if bytes_kept(byte)]
    names += [token for token in sorted(learned["vocab"], key=learned["vocab"].get) if token not in names]
    tokenizer = Tokenizer(models.BPE(vocab={name: id for id, name in enumerate(names)},
                                     merges=[tuple(pair) for pair in learned["merges"]], unk_token="<unk>", **model))
    tokenizer.add_special_tokens([special(name) for name in names[:3]])
    return tokenizer


def byte_level_tokenizers(lines):
    tokenizer = byte_level(lines, pre_tokenizers.ByteLevel(add_prefix_space=False))
    tokenizer.add_special_tokens([special("<|endoftext|>")])
    yield "gpt2", tokenizer, {"merges": "strings"}

    tokenizer = byte_level(lines, pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=True)]))
    tokenizer.add_special_tokens([special("<|im_start|>"), special("<|im_end|>", rstrip=True)])
    yield "digits_prefix", tokenizer, {}

    tokenizer = byte_level(lines, split(LLAMA3))
    tokenizer.add_special_tokens([special("<|begin_of_text|>"), special("<|eot_id|>")])
    tokenizer.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=False), template("<|begin_of_text|>", tokenizer.token_to_id("<|begin_of_text|>"))])
    yield "llama3", tokenizer, {"ignore_merges": True, "drop_merges": 5}

    tokenizer = byte_level(lines, split(LLAMA3, "removed", True))
    tokenizer.add_tokens([AddedToken("aa", normalized=False), AddedToken("aaa", normalized=False), "  "])
    yield "llama3_removed", tokenizer, {"merges": "strings"}

    tokenizer = byte_level(lines, split(QWEN2))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_special_tokens([special("<|endoftext|>"), special("<|im_start|>"), special("<|im_end|>")])
    tokenizer.add_tokens([AddedToken("<tool_call>", normalized=False), AddedToken("Ünï", normalized=True)])
    yield "qwen2", tokenizer, {"merges": "strings"}

    tokenizer = byte_level(lines, split(TEKKEN))
    tokenizer.add_special_tokens([special("<s>"), special("</s>"), special("[INST]"), special("[/INST]")])
    tokenizer.post_processor = template("<s>", tokenizer.token_to_id("<s>"), "</s>", tokenizer.token_to_id("</s>"))
    yield "tekken", tokenizer, {"ignore_merges": True}


def marked_tokenizers(lines):
    strip_first = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                     decoders.Strip(content=" ", left=1, right=0)])
    tokenizer = marked(lines, lambda byte: True, byte_fallback=True, fuse_unk=True)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = strip_first
    tokenizer.post_processor = template("<s>", 1)
    yield "llama2", tokenizer, {"merges": "strings"}

    tokenizer = marked(lines, lambda byte: True, byte_fallback=True, fuse_unk=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = strip_first
    tokenizer.add_tokens([special("[INST]"), special("[/INST]", lstrip=True), AddedToken("LEFT", lstrip=True, normalized=False)])
    yield "metaspace_first", tokenizer, {}

    tokenizer = marked(lines, lambda byte: byte % 7 != 3, byte_fallback=True, fuse_unk=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="always")])
    tokenizer.add_tokens([AddedToken("Both", lstrip=True, rstrip=True, normalized=False), AddedToken("Solo", single_word=True, normalized=False)])
    yield "metaspace_always", tokenizer, {}

    tokenizer = marked(lines, lambda byte: False, byte_fallback=False, fuse_unk=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=True)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="never")
    yield "metaspace_never", tokenizer, {}


def odd_tokenizers(lines):
    tokenizer = marked(lines, lambda byte: byte % 2 == 0, byte_fallback=True, fuse_unk=False)
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Strip()])
    for content in ("Solo", "LEFT", "right", "Both", "ﬁx", "Ünï"):
        tokenizer.add_tokens([AddedToken(content, single_word=content == "Solo", lstrip=content in ("LEFT", "Both"),
                                         rstrip=content in ("right", "Both"), normalized=True)])
    tokenizer.add_special_tokens([AddedToken("<|IM_end|>", special=True, normalized=True)])
    yield "flags_lower", tokenizer, {}  # no decoder: joined by spaces

    tokenizer = marked(lines, lambda byte: False, byte_fallback=False, fuse_unk=True)
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.Replace("e", "éé"), normalizers.Strip(left=True, right=False)])
    splits = [pre_tokenizers.Split(literal, behavior, invert) for literal, behavior, invert in (
        ("=", "isolated", False), ("-", "merged_with_previous", False), ("(", "merged_with_next", False),
        ("a", "contiguous", False), ("\n", "removed", False), ("==", "merged_with_next", True))]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        splits + [pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.Metaspace(prepend_scheme="first", split=True)])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("aa", "b"), decoders.Strip(content="▁", left=2, right=0),
                                           decoders.Fuse(), decoders.Replace("▁▁", "-")])
    yield "splits", tokenizer, {}

    tokenizer = byte_level(lines, pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(GPT2), "contiguous", False), pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Prepend("x ")])
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Replace("\ufffd", "?!"), decoders.Strip(content="x", left=3, right=2)])
    yield "whole_text", tokenizer, {}


def finish(tokenizer, options):
    """The file as its publishers write it: merges as texts or pairs, some without a way to be reached."""
    document = json.loads(tokenizer.to_str())
    model = document["model"]
    if options.get("ignore_merges"):
        model["ignore_merges"] = True
    if options.get("drop_merges"):
        model["merges"] = [pair for index, pair in enumerate(model["merges"]) if index % options["drop_merges"]]
    if options.get("merges") == "strings":
        model["merges"] = [" ".join(pair) for pair in model["merges"]]
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text, Tokenizer.from_str(text)


def packed(ids):
    return struct.pack(f"<{len(ids)}I", *ids)


def answers(tokenizer, text):
    ids = tokenizer.encode(text, add_special_tokens=True).ids
    tokenizer.encode_special_tokens = True
    plain = tokenizer.encode(text, add_special_tokens=False).ids
    tokenizer.encode_special_tokens = False
    return ids, plain, tokenizer.decode(ids, skip_special_tokens=False), tokenizer.decode(ids, skip_special_tokens=True)


def digest(ids, plain, decoded, skipped):
    mark = b"\xff\xff\xff\xff"
    return zlib.crc32(mark.join([packed(ids), packed(plain), decoded.encode(), skipped.encode()]))


def sequence_answers(tokenizer, ids):
    return ids, [], tokenizer.decode(ids, skip_special_tokens=False), tokenizer.decode(ids, skip_special_tokens=True)


def digest_of(answer, *arguments):
    """0 where the library has no answer: its Strip decoder panics on texts shorter than what it strips."""
    try:
        return digest(*answer(*arguments))
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        return 0


class HuggingFace:
    """A tokenizers.Tokenizer behind the same two questions as tokenizer_sentencepiece.Reference."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.get_vocab_size = tokenizer.get_vocab_size

    def answers(self, text):
        return answers(self.tokenizer, text)

    def sequence_answers(self, ids):
        return sequence_answers(self.tokenizer, ids)


def write_expected(folder, library, texts, raw, sequences):
    crcs = [digest_of(library.answers, text) for text in texts]
    crcs += [digest_of(library.answers, item.decode("utf-8", "replace")) for item in raw]
    size = library.get_vocab_size()
    for sequence in sequences:
        crcs.append(digest_of(library.sequence_answers, [value % (size + 3) for value in sequence]))
    (folder / "expected.bin").write_bytes(packed(crcs))
    keys = ("ids", "plain_ids", "decoded", "decoded_without_special")
    spelled = [dict(zip(("text", *keys), (text, *library.answers(text))))
               for text, crc in zip(texts[:SPELLED_OUT], crcs) if crc]
    (folder / "expected.json").write_text(json.dumps(spelled, ensure_ascii=True, indent=0))


def write_list(path, items):
    """Little-endian: u32 count, then per item u16 length and the bytes."""
    path.write_bytes(struct.pack("<I", len(items)) + b"".join(struct.pack("<H", len(item)) + item for item in items))


def unicode_digests():
    """CRC-32 of what the library says of every code point, and of every pair of combining marks."""
    codes = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    masks = tokenizer_tables.class_masks()
    digests = {"classes": zlib.crc32(b"".join(struct.pack("<H", mask) for mask in masks))}
    forms = {name: getattr(normalizers, name)() for name in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase")}
    for name, form in forms.items():
        digests[name] = zlib.crc32("\n".join(form.normalize_str(chr(c)) for c in codes).encode())
    # After a letter every mark shows its class by moving, and its composites by vanishing.
    marks = [chr(c) for c in codes if forms["NFD"].normalize_str("a\u0345" + chr(c))[1:2] != "\u0345"] + ["\u0345"]
    digests["marks"] = "".join(marks)
    pairs = ["e" + first + second for first in marks for second in marks]
    digests["mark_pairs_NFC"] = zlib.crc32("".join(map(forms["NFC"].normalize_str, pairs)).encode())
    return digests


def inputs():
    source = random.Random(3)
    sequences = [[source.randrange(1 << 16) for _ in range(source.randrange(1, 25))] for _ in range(SEQUENCES)]
    return hostile_texts(TEXTS, TOKENS), invalid_bytes(BYTES), sequences


def main():
    out = pathlib.Path(sys.argv[1])
    only = sys.argv[2:]
    out.mkdir(parents=True, exist_ok=True)
    texts, raw, sequences = inputs()
    write_list(out / "texts.bin", [text.encode() for text in texts])
    write_list(out / "bytes.bin", raw)
    write_list(out / "ids.bin", [struct.pack(f"<{len(ids)}H", *ids) for ids in sequences])
    if not only:
        (out / "unicode.json").write_text(json.dumps(unicode_digests(), indent=0))
    lines = corpus()
    for kinds in (byte_level_tokenizers, marked_tokenizers, odd_tokenizers):
        for name, tokenizer, options in kinds(lines):
            if only and name not in only:
                continue
            folder = out / name
            folder.mkdir(exist_ok=True)
            text, tokenizer = finish(tokenizer, options)
            (folder / "tokenizer.json").write_text(text)
            write_expected(folder, HuggingFace(tokenizer), texts, raw, sequences)
            print(name, tokenizer.get_vocab_size(), len(text))
    with tempfile.TemporaryDirectory() as scratch:
        for name, folder, reference in sentence_piece_folders(out, lines, pathlib.Path(scratch)):
            if not only or name in only:
                write_expected(folder, reference, texts, raw, sequences)
                print(name, reference.get_vocab_size())


if __name__ == "__main__":
    main()
