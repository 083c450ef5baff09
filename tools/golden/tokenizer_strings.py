"""Hostile texts for the tokenizer goldens, the same at every run."""
import random
import unicodedata

SPACES = [" ", "  ", "\t", "\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\xa0",
          "\u1680", "\u180e", "\u2000", "\u2003", "\u2007", "\u200a", "\u200b", "\u2028", "\u2029", "\u202f",
          "\u205f", "\u2060", "\u3000", "\ufeff", "\u2581", "\u2581\u2581"]
CONTRACTIONS = ["'s", "'S", "'t", "'T", "'re", "'RE", "'rE", "'Re", "'ve", "'VE", "'vE", "'m", "'M", "'ll", "'LL",
                "'lL", "'Ll", "'d", "'D", "'\u017f", "\u2019s", "'sS", "'l", "'r", "'v", "''", "'re'll", "'\u212a"]
EMOJI = ["\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
         "\u2764\ufe0f", "\U0001f1e9\U0001f1ea", "\U0001f44d\U0001f3fd", "\U0001f9d1\u200d\U0001f680", "\u2603", "1\ufe0f\u20e3"]
WORDS = {
    "latin": "Hello world the quick brown Fox jumps OVER lazy dog naïve Straße ĲSSEL ǅungla ﬁnal ﬀ İstanbul ıspanak Éclair ÀÉÎ œuvre ŉ ſt ẞ",
    "greek": "Ελληνικά ΣΊΣΥΦΟΣ άνθρωπος ᾳ ᾼ ῼ ΐ ϒ ϓ", "cyrillic": "Привет МИР ёлка й Й Ӂ ҋ",
    "cjk": "你好世界 東京都 한국어 각 한 カタカナ ひらがな ｶﾞ ﾊﾟ 㐀 𠀀 丽 豈 ㍿ ㎏ ①② ㈱ 〇", "hebrew": "שלום עולם שָׁלוֹם בְּרֵאשִׁית",
    "arabic": "مرحبا بالعالم ﷺ ﷽ ﻼ لا ١٢٣ ۴۵۶ عَلَيْكُم", "indic": "नमस्ते क्षेत्र হ্যালো ஸ்ரீ తెలుగు ಕನ್ನಡ ക്ഷ ൺ ड़ क़ ৎ",
    "thai": "สวัสดีครับ กำ ເຂົ້າ ཨོཾ་མ་ཎི ម៉ែ မြန်မာ", "other": "ᏣᎳᎩ ꮳꮃꭹ ⴰⵎⴰⵣⵉⵖ ᚠᚢᚦ 𐍈 𝕳𝖊𝖑𝖑𝖔 𝟘𝟙 ℌ ⅳ Ⅷ ½ ¾ ² ₃ 𐌰 𞤀𞤁 ꙁ ℵ ª º ʰ ˈ ʼn",
}
NUMBERS = "0123456789 ٠١٢٣ ۰۱۲ ०१२ ০১২ ௧௨ ๑๒๓ ༡༢ ၁၂ 一二三 ⅠⅡⅢ ①②③ ⑴⑵ ½⅓ ²³ ₄₅ 𝟎𝟏 ０１２ 〡〢 ㉈ 𐒠 𑁦 🄀 ꛦ ៱ ".split(" ")
PUNCTUATION = "! \" # $ % & ( ) * + , - . / : ; < = > ? @ [ \\ ] ^ _ ` { | } ~ ... --- /// \\n // <!-- == != ++ |> « » „ “ ” … — · ¿ § ¶ € ™ © ﷼ 、 。 「 」".split(" ")
CODE = ["def f(x, y=None):\n    return x**2 + y[0]\n", "for i in range(10):\n\tprint(i)\r\n", "if (a&&b||!c) { x->y = *p++; }\n\n\n",
        "SELECT * FROM t WHERE id='it''s';", "{\"a\": [1, 2.5e-3, null]}", "https://example.org/a?b=c&d=%20#e", "    \n        \n  x", "\t\t\t// comment\n",
        "# -*- coding: utf-8 -*-\nimport os, sys\n\n\nclass A(object):\n    \"\"\"Doc.\"\"\"\n"]


class Hostile:
    """Draws pieces of text of every nasty kind."""

    def __init__(self, seed, tokens):
        self.random = random.Random(seed)
        self.tokens = tokens
        self.words = {name: text.split(" ") for name, text in WORDS.items()}
        codes = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
        category = {c: unicodedata.category(chr(c)) for c in codes if c < 0x32000 or 0xE0000 <= c < 0xE0200}
        self.marks = [chr(c) for c, k in category.items() if k[0] == "M"]
        self.unassigned = [chr(c) for c, k in category.items() if k == "Cn"]
        self.numbers = [chr(c) for c, k in category.items() if k[0] == "N"]
        self.controls = [chr(c) for c, k in category.items() if k in ("Cc", "Cf", "Co")][:2000]
        self.cased = [chr(c) for c, k in category.items() if k in ("Lu", "Ll", "Lt", "Lm")]
        self.decomposing = [chr(c) for c in category if unicodedata.normalize("NFKD", chr(c)) != chr(c)
                            and not 0xAC00 <= c < 0xD7A4]
        self.edges = [chr(e) for a in codes if 0 < a < 0x32000 and category.get(a) != category.get(a - 1)
                      for e in (a - 1, a) if not 0xD800 <= e <= 0xDFFF]
        self.edge_at = 0

    def pick(self, items):
        return self.random.choice(items)

    def code_point(self):
        top = self.pick([0x80, 0x250, 0x800, 0x3000, 0xFFFF, 0x1FFFF, 0x10FFFF])
        code = self.random.randrange(top)
        return chr(code) if not 0xD800 <= code <= 0xDFFF else "\ue000"

    def run(self):
        unit = self.pick(["a", " ", "\n", "\u0301", "あ", "0", "'", "!", "\U0001f600", "ab", "A", "\u2581", "=", "\t", "e\u0301",
                          "\u0323\u0307", "Aa", "ʰ"])
        return unit * self.random.choice([2, 3, 5, 8, 17, 40])

    def next_edges(self):
        start = self.edge_at
        self.edge_at = (start + 6) % len(self.edges)
        return self.pick(["", " ", "a", "1", "'"]).join(self.edges[start : start + 6])

    def piece(self):
        kind = self.random.randrange(22)
        if kind < 3:
            return self.pick(self.pick(list(self.words.values())))
        if kind == 3:
            return self.pick(NUMBERS) * self.random.randrange(1, 4)
        if kind == 4:
            return self.pick(CONTRACTIONS)
        if kind == 5:
            return "".join(self.pick(SPACES) for _ in range(self.random.randrange(1, 6)))
        if kind == 6:
            return self.pick(PUNCTUATION)
        if kind == 7:
            return self.pick(EMOJI)
        if kind == 8:
            return self.pick(CODE)[: self.random.randrange(1, 60)]
        if kind == 9:
            return self.pick("aeouAnIḋ한ᄀֿक") + "".join(self.pick(self.marks) for _ in range(self.random.randrange(1, 6)))
        if kind == 10:
            return "".join(self.pick(self.decomposing) for _ in range(self.random.randrange(1, 4)))
        if kind == 11:
            return self.pick(self.unassigned)
        if kind == 12:
            return self.pick(self.numbers) + self.pick(["", "7", "x"])
        if kind == 13:
            return self.pick(self.controls)
        if kind == 14:
            return "".join(self.pick(self.cased) for _ in range(self.random.randrange(1, 5)))
        if kind == 15:
            return "".join(self.code_point() for _ in range(self.random.randrange(1, 5)))
        if kind == 16:
            return self.run()
        if kind == 17:
            return self.next_edges()
        if kind == 18:
            return "".join(chr(self.random.choice([0x1100, 0x1161, 0x11A8, 0xAC00, 0xAC01]) + self.random.randrange(3))
                           for _ in range(3))
        token = self.pick(self.tokens)
        return self.pick([token, " " + token, token + " ", token * 2, token[:-1], token + "x", "_" + token, "  " + token + "\n"])

    def text(self):
        count = self.pick([1, 1, 2, 2, 3, 4, 6, 9])
        return self.pick(["", "", " "]).join(self.piece() for _ in range(count))


def hostile_texts(count, tokens, seed=7):
    """`count` distinct texts, the empty one first."""
    source, texts, seen = Hostile(seed, tokens), [""], {""}
    while len(texts) < count:
        text = source.text()
        if text not in seen and len(text) <= 160:
            seen.add(text)
            texts.append(text)
    return texts


def invalid_bytes(count, seed=11):
    """Byte strings that are mostly no UTF-8."""
    source, draws = random.Random(seed), []
    valid = "aé你😀 '\n".encode()
    nasty = [b"\xc0", b"\xc1\x81", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf5", b"\xff", b"\xfe", b"\x80",
             b"\xbf", b"\xe4\xbd", b"\xf0\x9f\x98", b"\xf0\x9f", b"\xc3", b"\xe2\x96", b"\xf0\x80\x80\x80", b"\xef\xbf"]
    while len(draws) < count:
        text = b""
        for _ in range(source.randrange(1, 9)):
            start = source.randrange(len(valid))
            text += source.choice([source.choice(nasty), bytes([source.randrange(256)]), valid[start : start + 3], b"ab"])
        draws.append(text)
    return draws
