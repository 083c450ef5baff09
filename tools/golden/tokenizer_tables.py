"""Writes the Unicode tables of engine/tokenize by asking the `tokenizers` library about every code point.

The library mixes several Unicode versions (its regex engine, its word regex, its normaliser and its
runtime each carry their own), so the tables are probed, never taken from a Unicode data file.

  tokenizer_tables.py OUT_DIR      writes unicode_classes.inc and unicode_mappings.inc
"""
import pathlib
import sys

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"


def regex_class(pattern):
    """Code points matched by a character class of the pre-tokenizers' regex engine."""
    split = pre_tokenizers.Split(Regex(pattern + "+"), "removed", invert=True)
    pieces = split.pre_tokenize_str("".join(map(chr, CODE_POINTS)))
    return {ord(char) for piece, _ in pieces for char in piece}


def numeric_class():
    """Code points that the Digits pre-tokenizer isolates."""
    digits = pre_tokenizers.Digits(individual_digits=True)
    members = set()
    for start in range(0, len(CODE_POINTS), 4096):
        block = CODE_POINTS[start : start + 4096]
        # Between two commas a code point stands alone exactly if it is numeric.
        pieces = digits.pre_tokenize_str("," + ",".join(map(chr, block)) + ",")
        members.update(ord(piece) for piece, _ in pieces if len(piece) == 1 and piece != ",")
    return members


def strip_class():
    """Code points that the Strip normalizer removes."""
    strip = normalizers.Strip(left=True, right=False)
    return {c for c in CODE_POINTS if strip.normalize_str(chr(c) + "x") == "x"}


def added_token_class(**flags):
    """Code points that, placed before the added token T, change how a flagged T is matched."""
    tokenizer = Tokenizer(models.BPE(vocab={"<unk>": 0}, merges=[], unk_token="<unk>"))
    tokenizer.add_tokens([AddedToken("T", normalized=False, **flags)])
    token = tokenizer.token_to_id("T")
    before = {chr(c): tokenizer.encode(chr(c) + "T").ids for c in CODE_POINTS if chr(c) != "T"}
    if "lstrip" in flags:
        return {ord(char) for char, ids in before.items() if ids == [token]}
    return {ord(char) for char, ids in before.items() if token not in ids} | {ord("T")}


def varint(value):
    """Base-64 digits, least significant first, five bits each; the sixth bit says that more follow."""
    digits = ""
    while True:
        low, value = value & 31, value >> 5
        digits += ALPHABET[low | (32 if value else 0)]
        if not value:
            return digits


def zigzag(value):
    return value << 1 if value >= 0 else (-value << 1) - 1


def encode(numbers):
    return "".join(map(varint, numbers))


def literal(name, text, comment):
    lines = [f"// {line}" for line in comment]
    lines.append(f"constexpr char {name}[] =")
    chunks = [text[i : i + 94] for i in range(0, len(text), 94)]
    lines += [f'    "{chunk}"' for chunk in chunks]
    return "\n".join(lines) + ";\n"


def class_masks():
    """The bits of CharClass for code points 0 to 0x10FFFF."""
    white = strip_class()
    assert white == added_token_class(lstrip=True), "two notions of white space in the runtime"
    bits = [
        regex_class(r"\p{L}"), regex_class(r"\p{N}"), regex_class(r"\s"),
        regex_class(r"[\p{Lu}\p{Lt}]"), regex_class(r"\p{Ll}"), regex_class(r"[\p{Lm}\p{Lo}]"),
        regex_class(r"\p{M}"), added_token_class(single_word=True), numeric_class(), white,
    ]
    return [sum(1 << bit for bit, members in enumerate(bits) if code in members) for code in range(0x110000)]


def class_table():
    numbers, previous, length = [], None, 0
    for mask in class_masks():
        if mask == previous:
            length += 1
            continue
        if previous is not None:
            numbers += [length, previous]
        previous, length = mask, 1
    numbers += [length, previous]
    return literal("kClassRuns", encode(numbers), [
        "Pairs (run length, mask), from code point 0 on. Bits of the mask in the order of CharClass."])


def lowercase_table():
    lower = normalizers.Lowercase()
    numbers, last = [], 0
    for code in CODE_POINTS:
        text = lower.normalize_str(chr(code))
        if text != chr(code):
            numbers += [code - last, len(text)] + [zigzag(ord(char) - code) for char in text]
            last = code
    return literal("kLowercase", encode(numbers), [
        "Entries (code point delta, length, zigzag distance of each result from the code point)."])


def combining_order():
    """Canonical combining classes, up to a renumbering that keeps their order."""
    nfd = normalizers.NFD()

    def moves_before(reference, codes):
        """Which codes are moved before `reference` when they follow it."""
        moved = set()
        for start in range(0, len(codes), 2048):
            block = codes[start : start + 2048]
            for code in block:
                if nfd.normalize_str("a" + reference + chr(code))[1] != reference:
                    moved.add(code)
        return moved

    highest = "\u0345"
    marks = moves_before(highest, CODE_POINTS)
    single = [c for c in marks if nfd.normalize_str(chr(c)) == chr(c)]
    representatives = []
    for code in sorted(single):
        if not any(same_class(nfd, code, other) for other in representatives):
            representatives.append(code)
    representatives.append(ord(highest))
    order = {code: len(moved_by(nfd, code, representatives)) for code in representatives}
    result = {ord(highest): order[ord(highest)] + 1}
    for code in single:
        twin = next(r for r in representatives if same_class(nfd, code, r))
        result[code] = order[twin] + 1
    return result


def same_class(nfd, left, right):
    pair, reverse = "a" + chr(left) + chr(right), "a" + chr(right) + chr(left)
    return nfd.normalize_str(pair) == pair and nfd.normalize_str(reverse) == reverse


def moved_by(nfd, code, others):
    """The marks of a lower class than `code`: they move before it."""
    return [o for o in others if nfd.normalize_str("a" + chr(code) + chr(o)) != "a" + chr(code) + chr(o)]


def combining_table():
    order = combining_order()
    numbers, last = [], 0
    for code in sorted(order):
        numbers += [code - last, order[code]]
        last = code
    return literal("kCombiningOrder", encode(numbers), [
        "Entries (code point delta, rank of the canonical combining class); absent means 0, a starter."])


def decomposition_tables():
    nfd, nfkd, nfc = normalizers.NFD(), normalizers.NFKD(), normalizers.NFC()
    canonical, compatible, last_canonical, last_compatible = [], [], 0, 0
    for code in CODE_POINTS:
        if 0xAC00 <= code < 0xAC00 + 11172:  # Hangul syllables are computed
            continue
        char = chr(code)
        full, wide = nfd.normalize_str(char), nfkd.normalize_str(char)
        if full != char:
            composes = nfc.normalize_str(full) == char
            canonical += [code - last_canonical, len(full) * 2 + composes]
            canonical += [zigzag(ord(part) - code) for part in full]
            last_canonical = code
        if wide != full:
            compatible += [code - last_compatible, len(wide)] + [zigzag(ord(p) - code) for p in wide]
            last_compatible = code
    return (
        literal("kCanonical", encode(canonical), [
            "Full canonical decompositions: (code point delta, 2 * length + whether the result composes",
            "back, zigzag distance of each part from the code point). Hangul syllables are computed."])
        + "\n" + literal("kCompatible", encode(compatible), [
            "Full compatibility decompositions where they differ: (delta, length, distances)."]))


def main():
    out = pathlib.Path(sys.argv[1])
    head = "// Written by tools/golden/tokenizer_tables.py; table_reader.h reads the digits.\n\n"
    (out / "unicode_classes.inc").write_text(
        head + class_table() + "\n" + lowercase_table())
    (out / "unicode_mappings.inc").write_text(
        head + decomposition_tables() + "\n" + combining_table())


if __name__ == "__main__":
    main()
