"""Writes what Python's str methods know about each code point.

Templates are defined by Python's behaviour, so the tables are found by asking Python itself, one code
point at a time. Run:
  python tools/golden/chat_unicode.py flags > engine/chat/unicode_flags.cc
  python tools/golden/chat_unicode.py case > engine/chat/unicode_case.cc
"""

import sys
import unicodedata

LAST = 0x10FFFF
SURROGATES = range(0xD800, 0xE000)


def flags(char):
    """The bits of CharFlag in unicode.h."""
    title = (char + "a").title()
    cased = title.endswith("a")
    firm = (char + "Σ").lower().endswith("ς")
    skipped = ("A" + char + "Σ").lower().endswith("ς")
    bits = [
        char.isalpha(),
        char.isdecimal(),
        char.isdigit(),
        char.isnumeric(),
        char.isspace(),
        char.isprintable(),
        char.islower(),
        char.isupper(),
        unicodedata.category(char) == "Lt",
        cased,
        skipped and not firm,
    ]
    return sum(1 << index for index, bit in enumerate(bits) if bit)


def chars():
    for point in range(LAST + 1):
        if point not in SURROGATES:
            yield point, chr(point)


def property_runs():
    runs = []
    for point, char in chars():
        value = flags(char)
        if not runs or runs[-1][1] != value:
            runs.append((point, value))
    return runs


def case_runs(change):
    """Runs (first, last, step, delta) of one-to-one changes, and the one-to-many ones."""
    runs, many = [], []
    for point, char in chars():
        other = change(char)
        if other == char:
            continue
        if len(other) > 1:
            many.append((point, other))
            continue
        delta = ord(other) - point
        if runs:
            first, last, step, known = runs[-1]
            gap = point - last
            if known == delta and (gap == step or (step == 0 and gap in (1, 2))):
                runs[-1] = (first, point, gap, delta)
                continue
        runs.append((point, point, 0, delta))
    return [(first, last, step or 1, delta) for first, last, step, delta in runs], many


def print_rows(cells, width=98):
    line = ""
    for cell in cells:
        if len(line) + len(cell) + 2 > width:
            print("   " + line)
            line = ""
        line += f" {cell},"
    if line:
        print("   " + line)


def print_head():
    print("// Written by tools/golden/chat_unicode.py; change that file instead.")
    print(f"// Unicode {unicodedata.unidata_version}.")
    print('#include "engine/chat/unicode_tables.h"\n')
    print("namespace tessera::jinja {\n")
    print("// clang-format off")


def print_flags():
    print("const std::uint32_t kCharRuns[] = {")
    print_rows(f"0x{point << 11 | value:X}" for point, value in property_runs())
    print("};")
    print("const std::size_t kCharRunCount = sizeof(kCharRuns) / sizeof(kCharRuns[0]);")


def print_case(name, change):
    runs, many = case_runs(change)
    print(f"const CaseRun k{name}Runs[] = {{")
    print_rows(f"{{0x{a:X}, 0x{b:X}, {step}, {delta}}}" for a, b, step, delta in runs)
    print("};")
    print(f"const std::size_t k{name}RunCount = sizeof(k{name}Runs) / sizeof(k{name}Runs[0]);")
    print(f"const CaseMany k{name}Many[] = {{")
    cells = []
    for point, other in many:
        points = [f"0x{ord(char):X}" for char in other] + ["0"] * (3 - len(other))
        cells.append(f"{{0x{point:X}, {{{', '.join(points)}}}}}")
    print_rows(cells)
    print("};")
    print(f"const std::size_t k{name}ManyCount = sizeof(k{name}Many) / sizeof(k{name}Many[0]);")


def main():
    print_head()
    if sys.argv[1:] == ["flags"]:
        print_flags()
    elif sys.argv[1:] == ["case"]:
        for name, change in (("Lower", str.lower), ("Upper", str.upper), ("Title", str.title)):
            print_case(name, change)
    else:
        sys.exit("usage: chat_unicode.py flags|case")
    print("// clang-format on")
    print("}  // namespace tessera::jinja")


if __name__ == "__main__":
    main()
