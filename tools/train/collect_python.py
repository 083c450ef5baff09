"""Collects the training text: the Python sources of the Debian packages in packages.txt.

Packages are downloaded and unpacked, not installed. Writes train.jsonl and held_out.jsonl (one
{"path", "plain", "text"} per line) and sources.json (package, version, licence, files, characters).
"""

import argparse
import collections
import concurrent.futures
import hashlib
import json
import pathlib
import subprocess

from normalise import normalise

HELD_OUT_SHARE = 0.02
TEST_SHARE = 0.35  # tests repeat themselves; the rest of them are left out
EXCLUDED = {"joint_degree_seq.py"}  # GPL-3 in an otherwise BSD package


def read_packages(path):
    """{package: (kind, licence)}"""
    rows = (line.split(maxsplit=2) for line in path.read_text().splitlines())
    return {row[0]: (row[1], row[2]) for row in rows if row and row[0] != "#"}


def unpack(packages, folder):
    """Downloads what is not there yet; returns {package: version}."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in packages if not list(folder.glob(f"{name}_*.deb"))]
    if missing:
        subprocess.run(["apt-get", "download", *missing], cwd=folder, check=True)
    versions = {}
    for name in packages:
        archive = next(folder.glob(f"{name}_*.deb"))
        versions[name] = archive.stem.split("_")[1].replace("%3a", ":")
        if not (folder / name).is_dir():
            subprocess.run(["dpkg-deb", "--extract", archive, folder / name], check=True)
    return versions


def fraction(path):
    """A number in [0, 1) that depends on the path inside the package alone."""
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big") / 2**64


def is_test(path):
    return "/test" in path or "_test" in path or "conftest" in path


def read_text(task):
    root, path = task
    try:
        return normalise((root / path).read_text(encoding="utf-8"))
    except (UnicodeDecodeError, OSError):
        return None


def list_files(folder, packages):
    """(package, path in package) of every file to read, in a fixed order."""
    for name in packages:
        root = folder / name
        for file in sorted(root.rglob("*.py")):
            path = str(file.relative_to(root))
            left_out = is_test(path) and fraction("test:" + path) >= TEST_SHARE
            if file.name not in EXCLUDED and not file.is_symlink() and not left_out:
                yield name, path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=pathlib.Path, default="packages.txt")
    parser.add_argument("--cache", type=pathlib.Path, required=True, help="downloaded packages")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    packages = read_packages(args.packages)
    versions = unpack(packages, args.cache)
    files = list(list_files(args.cache, packages))
    counts = collections.defaultdict(lambda: {"files": 0, "characters": 0})
    seen = set()
    args.out.mkdir(parents=True, exist_ok=True)
    with (
        concurrent.futures.ProcessPoolExecutor(max_workers=2) as pool,
        open(args.out / "train.jsonl", "w") as train,
        open(args.out / "held_out.jsonl", "w") as held_out,
    ):
        tasks = [(args.cache / name, path) for name, path in files]
        for (name, path), text in zip(files, pool.map(read_text, tasks, chunksize=32)):
            digest = text and hashlib.sha256(text.encode()).digest()
            if not text or digest in seen:
                continue
            seen.add(digest)
            part = held_out if fraction(path) < HELD_OUT_SHARE else train
            plain = packages[name][0] == "plain" and not is_test(path)
            document = {"path": f"{name}/{path}", "plain": plain, "text": text}
            part.write(json.dumps(document) + "\n")
            counts[name]["files"] += 1
            counts[name]["characters"] += len(text)
    table = [
        {"package": name, "version": versions[name], "licence": licence, **counts[name]}
        for name, (_, licence) in packages.items()
    ]
    (args.out / "sources.json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
