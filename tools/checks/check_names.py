"""No two headers define a type of the same qualified name: every room links into one program, so the
linker would silently keep one of them."""
import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    names = subprocess.run(["git", "ls-files", "engine/*.h", "kernels/*.h", "server/*.h"], cwd=ROOT,
                           check=True, capture_output=True, text=True).stdout.split()
    places = collections.defaultdict(set)
    for name in names:
        if name.startswith("kernels/bench/") or not (ROOT / name).exists():
            continue
        scope = ""
        for line in (ROOT / name).read_text(errors="replace").splitlines():
            if opened := re.match(r"namespace ([\w:]+) \{", line):
                scope = opened.group(1)
            if defined := re.match(r"(?:class|struct) (?:alignas\(\d+\) )?(\w+)(?: final)?(?: :[^:].*| \{.*)?$", line):
                places[f"{scope}::{defined.group(1)}"].add(name)
    errors = [f"{name} is defined in {', '.join(sorted(where))}"
              for name, where in sorted(places.items()) if len(where) > 1]
    print("\n".join(errors) or "names: ok")
    return bool(errors)


sys.exit(main())
