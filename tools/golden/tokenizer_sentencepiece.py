"""SentencePiece model folders and the sentencepiece library's answers, for tokenizer_goldens.py."""
import io
import json
import unicodedata

import sentencepiece

NORMAL, CONTROL, USER_DEFINED = 1, 3, 4
RULES = [chr(c) for c in (*range(0xA0, 0x100), *range(0x2000, 0x200B), *range(0x2100, 0x2140), *range(0x2160, 0x2180),
                          *range(0x2460, 0x2480), *range(0x3300, 0x3358), *range(0xFB00, 0xFB07), *range(0xFF01, 0xFF5F), 0x3000)]


def read_varint(data, at):
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def message(data):
    """[(field number, wire type, value)] of a protocol buffer message."""
    at, fields = 0, []
    while at < len(data):
        key, at = read_varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = read_varint(data, at)
        elif wire == 2:
            length, at = read_varint(data, at)
            value, at = data[at : at + length], at + length
        else:
            width = 8 if wire == 1 else 4
            value, at = data[at : at + width], at + width
        fields.append((key >> 3, wire, value))
    return fields


def packed(fields):
    out = b""
    for number, wire, value in fields:
        out += varint(number << 3 | wire)
        out += varint(value) if wire == 0 else varint(len(value)) + value if wire == 2 else value
    return out


def piece(text, kind):
    return (1, 2, packed([(1, 2, text.encode()), (2, 5, b"\0\0\0\0"), (3, 0, kind)]))


def rules_file(path):
    """A small stand-in for the library's NFKC rules, which would make each model 240 kB larger."""
    lines = []
    for char in RULES:
        wide = unicodedata.normalize("NFKC", char)
        if wide != char:
            lines.append(f"{ord(char):X}\t" + " ".join(f"{ord(part):X}" for part in wide))
    lines += ["9\t20", "A\t20", "65 301\tE9", "AD\t"]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def train(lines, **options):
    model = io.BytesIO()
    # No more than a tenth: training a unigram model weighs every substring.
    sentences = [line.strip("\n").replace("\n", " ") for line in lines[::10] if line.strip()]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=model, vocab_size=1000, character_coverage=0.98, minloglevel=2,
        num_threads=1, **options)
    return model.getvalue()


class Reference:
    """A folder read as the Llama tokenizer of transformers does, by way of the sentencepiece library."""

    def __init__(self, proto, added, special, legacy=True, bos=True, eos=False):
        self.parts = sentencepiece.SentencePieceProcessor(model_proto=proto)
        self.later = self.parts if legacy else sentencepiece.SentencePieceProcessor(
            model_proto=proto + packed([(3, 2, packed([(3, 0, 0)]))]))  # the same without the dummy prefix
        self.size = self.parts.get_piece_size()
        self.tokens = {name: self.parts.piece_to_id(name) for name in special}
        self.tokens.update({name: self.size + index for index, name in enumerate(added)})
        self.special, self.bos, self.eos = set(special), bos, eos
        self.special_ids = {self.tokens[name] for name in special}
        self.verbatim = self.verbatim_model(proto)

    def verbatim_model(self, proto):
        """Decodes added and special tokens as what they are called: they become user-defined pieces."""
        fields, ids = [], 0
        for number, wire, value in message(proto):
            if number == 1:
                inner = message(value)
                name = next(v for n, _, v in inner if n == 1).decode()
                if name == "<unk>":
                    inner = [(n, w, b"<never>" if n == 1 else v) for n, w, v in inner]
                elif name in self.tokens:
                    inner = [(n, w, USER_DEFINED if n == 3 else v) for n, w, v in inner]
                value, ids = packed(inner), ids + 1
            fields.append((number, wire, value))
        self.unk = ids
        fields.append(piece("<unk>", USER_DEFINED))
        fields += [piece(name, USER_DEFINED) for name, id in self.tokens.items() if id >= self.size]
        return sentencepiece.SentencePieceProcessor(model_proto=packed(fields))

    def get_vocab_size(self):
        return max([self.size - 1, *self.tokens.values()]) + 1

    def split(self, text, parse_special):
        """Pieces of text and token ids; leftmost longest, a special token that is not parsed still hides others."""
        names, out, open_at, at = sorted(self.tokens, key=len, reverse=True), [], 0, 0
        while at < len(text):
            name = next((name for name in names if text.startswith(name, at)), None)
            if name is None:
                at += 1
                continue
            if parse_special or name not in self.special:
                out += [(open_at, text[open_at:at]), (at, self.tokens[name])]
                open_at = at + len(name)
            at += len(name)
        return [part for part in out + [(open_at, text[open_at:])] if part[1] != ""]

    def encode(self, text, add_special, parse_special):
        ids = [self.parts.bos_id()] if add_special and self.bos else []
        for at, part in self.split(text, parse_special):
            model = self.parts if at == 0 else self.later
            ids += [part] if isinstance(part, int) else model.encode(part)
        return ids + ([self.parts.eos_id()] if add_special and self.eos else [])

    def decode(self, ids, skip):
        kept = []
        for id in ids:
            if id < self.get_vocab_size() and not (skip and id in self.special_ids):
                # The renamed unknown piece took one id before the added tokens.
                kept.append(self.unk if id == 0 else id if id < self.size else id + 1)
        return self.verbatim.decode(kept)

    def answers(self, text):
        ids = self.encode(text, True, True)
        return ids, self.encode(text, False, False), self.decode(ids, False), self.decode(ids, True)

    def sequence_answers(self, ids):
        return ids, [], self.decode(ids, False), self.decode(ids, True)


def write(folder, proto, files):
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.model").write_bytes(proto)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, ensure_ascii=False))


def sentence_piece_folders(out, lines, scratch):
    """Yields (name, folder, Reference)."""
    rules = rules_file(scratch / "rules.tsv")
    names = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "unk_token": "<unk>"}

    proto = train(lines, model_type="bpe", byte_fallback=True, normalization_rule_name="identity",
                  remove_extra_whitespaces=False)
    added = ["[INST]", "<|im_end|>", "Solo"]
    size = sentencepiece.SentencePieceProcessor(model_proto=proto).get_piece_size()
    write(out / "sp_llama", proto, {
        "tokenizer_config.json": names | {"add_bos_token": True, "tokenizer_class": "LlamaTokenizer"},
        "special_tokens_map.json": names, "added_tokens.json": {name: size + index for index, name in enumerate(added)}})
    yield "sp_llama", out / "sp_llama", Reference(proto, added, ["<s>", "</s>", "<unk>"])

    proto = train(lines, model_type="unigram", byte_fallback=True, normalization_rule_tsv=rules,
                  user_defined_symbols=["<tool_call>", "aaa", "  "], control_symbols=["<ctrl>"])
    size = sentencepiece.SentencePieceProcessor(model_proto=proto).get_piece_size()
    flags = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False}
    decoder = {str(size): {"content": "<|im_start|>", "special": True, **flags}, str(size + 1): {"content": "LEFT", "special": False, **flags}}
    write(out / "sp_unigram", proto, {"tokenizer_config.json": names | {
        "add_bos_token": False, "add_eos_token": True, "legacy": False, "added_tokens_decoder": decoder}})
    reference = Reference(proto, ["<|im_start|>", "LEFT"], ["<s>", "</s>", "<unk>"], legacy=False, bos=False, eos=True)
    reference.special |= {"<|im_start|>"}
    reference.special_ids |= {size}
    yield "sp_unigram", out / "sp_unigram", reference

    proto = train(lines, model_type="bpe", byte_fallback=False, normalization_rule_tsv=rules, treat_whitespace_as_suffix=True,
                  user_defined_symbols=["[INST]", "ab"])
    # Every ninth learned piece is marked unused, so that it must be taken apart again.
    fields, seen = [], 0
    for number, wire, value in message(proto):
        if number == 1 and len(next(v for n, _, v in message(value) if n == 1).decode()) > 1 and message(value)[-1][0] != 3:
            seen += 1
            value = packed(message(value) + [(3, 0, 5)]) if seen % 9 == 0 else value
        fields.append((number, wire, value))
    proto = packed(fields)
    write(out / "sp_bare", proto, {})
    yield "sp_bare", out / "sp_bare", Reference(proto, [], ["<s>", "</s>", "<unk>"])
