"""Files and functions stay small: 500 lines a file (kernels 700), with exceptions listed with a reason
in tools/checks/size_exceptions.txt ("path reason ...")."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def limit_of(name):
    return 700 if name.startswith("kernels/") else 500


def main():
    listing = ROOT / "tools/checks/size_exceptions.txt"
    excused = {line.split()[0] for line in listing.read_text().splitlines()
               if line and not line.startswith("#")}
    names = subprocess.run(["git", "ls-files", "*.cc", "*.h", "*.py"], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout.split()
    errors = []
    for name in names:
        path = ROOT / name
        if name in excused or not path.exists():
            continue
        lines = len(path.read_text(errors="replace").splitlines())
        if lines > limit_of(name):
            errors.append(f"{name}: {lines} lines, the limit is {limit_of(name)}")
    print("\n".join(errors) or "sizes: ok")
    return bool(errors)


sys.exit(main())
