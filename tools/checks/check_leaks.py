"""A technique is one file, one registry line, one test. Each name registered in engine/builtin/builtin.cc may
be written in its own files, in builtin.cc, in tests, config, tools and documentation, and nowhere else."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
REGISTRY = "engine/builtin/builtin.cc"


def main():
    text = (ROOT / REGISTRY).read_text()
    names = re.findall(r'\.add<[^>]+>\("([a-z0-9_]+)"\)', text)
    errors = []
    for name in names:
        hits = subprocess.run(["git", "grep", "-l", "-w", name, "--", "engine", "server", "kernels"],
                              cwd=ROOT, capture_output=True, text=True).stdout.split()
        for path in hits:
            stem = pathlib.Path(path).stem
            if path == REGISTRY or path.endswith((".md", "CMakeLists.txt")) or stem == name:
                continue
            errors.append(f"{path}: knows the technique {name}")
    print("\n".join(errors) or f"leaks: ok ({len(names)} techniques)")
    return bool(errors)


sys.exit(main())
