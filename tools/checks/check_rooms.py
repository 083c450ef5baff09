"""No '..' in includes, no backend #if outside its room, no room folder missing from CMakeLists.txt.

The build already refuses an include of a room that was not declared; this closes the ways around it.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LISTED = set(re.findall(r"room_folder\(([^)]+)\)", (ROOT / "CMakeLists.txt").read_text()))


def sources():
    names = subprocess.run(["git", "ls-files", "*.cc", "*.h", "*.inc"], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout.split()
    return [name for name in names if (ROOT / name).exists()]


def room_of(name):
    parents = [str(parent) for parent in pathlib.Path(name).parents]
    return next((parent for parent in parents if parent in LISTED), None)


def main():
    errors = []
    for name in sources():
        text = (ROOT / name).read_text(errors="replace")
        if re.search(r'#include\s+"[^"]*\.\./', text):
            errors.append(f"{name}: '..' in an include")
        if name.startswith(("engine/", "server/")):
            if re.search(r"#\s*if.*(CUDA|__AVX|__AMX)", text):
                errors.append(f"{name}: backend #if outside kernels/")
            if room_of(name) is None:
                errors.append(f"{name}: its folder is not a room of CMakeLists.txt")
        if name.startswith("engine/") and re.search(r'#include\s+"(server|proto)/', text):
            errors.append(f"{name}: the engine includes the server")
        if name.startswith("server/"):
            for include in re.findall(r'#include\s+"((?:engine|kernels)/[^"]+)"', text):
                if not include.startswith("engine/api/") and include not in (
                        "engine/run/engine.h", "engine/diffusion/engine.h", "engine/registry/params.h"):
                    errors.append(f"{name}: the server includes {include}")
    print("\n".join(errors) or "rooms: ok")
    return bool(errors)


sys.exit(main())
