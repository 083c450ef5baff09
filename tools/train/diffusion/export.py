"""Writes the model folders from the trainers' states: shapes-dit, shapes-latte or push-policy."""

import argparse
import json
import pathlib

import numpy

import folders
import latents
import loop
import policy
from dit import PictureTransformer
from latte import VideoTransformer
from videos import SIDE


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=("shapes-dit", "shapes-latte", "push-policy"))
    parser.add_argument("--state", type=pathlib.Path, required=True, help="the trainer's --state")
    parser.add_argument("--vae", type=pathlib.Path, help="train_vae.py's --state")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=1, help="of the training")
    args = parser.parse_args()
    if args.model == "push-policy":
        model, step = loop.averaged(policy.PolicyTransformer(policy.Shape()), args.state)
        normaliser = json.loads((args.state / "normaliser.json").read_text())
        mean, std = (numpy.array(normaliser[name]) for name in ("mean", "std"))
        folders.write_policy(args.out, model, mean, std)
    elif args.model == "shapes-dit":
        model, step = loop.averaged(PictureTransformer(), args.state)
        folders.write_pictures(args.out, model, *latents.shared_autoencoder(args.vae, args.seed), side=64)
    else:
        model, step = loop.averaged(VideoTransformer(), args.state)
        folders.write_videos(args.out, model, *latents.shared_autoencoder(args.vae, args.seed), side=SIDE)
    files = [path for path in args.out.rglob("*") if path.is_file()]
    print(f"{args.out}: step {step}, {sum(path.stat().st_size for path in files)} bytes")


if __name__ == "__main__":
    main()
