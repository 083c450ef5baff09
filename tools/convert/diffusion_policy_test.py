"""Tests of diffusion_policy.py against checkpoints made here; needs torch (tools/golden/requirements.txt).

    python tools/convert/diffusion_policy_test.py
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest

import diffusion_policy
import torch
import torch_checkpoint
from safetensors.torch import load_file

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "diffusion" / "policy"

# Stand-ins with the names under which omegaconf's objects are pickled.
omegaconf = types.ModuleType("omegaconf.dictconfig")


class DictConfig:
    def __init__(self, content):
        self._metadata, self._parent = None, None
        self._content = {key: DictConfig(value) if isinstance(value, dict) else AnyNode(value)
                         for key, value in content.items()}


class AnyNode:
    def __init__(self, value):
        self._val, self._metadata, self._parent = value, dict, None


for kind in (DictConfig, AnyNode):
    kind.__module__ = omegaconf.__name__
    setattr(omegaconf, kind.__name__, kind)
sys.modules["omegaconf"] = types.ModuleType("omegaconf")
sys.modules[omegaconf.__name__] = omegaconf


class Command:
    """Would make a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def configuration():
    golden = json.loads((GOLDEN / "config.json").read_text())
    model = {key: golden[key] for key in [
        "input_dim", "output_dim", "cond_dim", "n_layer", "n_head", "n_emb", "n_cond_layers",
        "causal_attn", "time_as_cond"]}
    scheduler = {key: value for key, value in golden["scheduler"].items() if key != "_class_name"}
    target = "diffusion_policy.policy.diffusion_transformer_lowdim_policy."
    return {
        "horizon": golden["horizon"], "n_obs_steps": golden["n_obs_steps"],
        "name": "${now:%Y}_unused",
        "policy": {
            "_target_": target + "DiffusionTransformerLowdimPolicy",
            "model": model | {"horizon": "${horizon}", "n_obs_steps": "${n_obs_steps}"},
            "noise_scheduler": scheduler | {
                "_target_": "diffusers.schedulers.scheduling_ddpm.DDPMScheduler"},
            "n_obs_steps": "${n_obs_steps}", "n_action_steps": golden["n_action_steps"],
            "num_inference_steps": 100, "obs_as_cond": True, "pred_action_steps_only": False}}


def state():
    golden = json.loads((GOLDEN / "config.json").read_text())
    out = {f"model.{name}": tensor
           for name, tensor in load_file(GOLDEN / "model.safetensors").items()}
    for key, parts in golden["normalizer"].items():
        for part, values in parts.items():
            out[f"normalizer.params_dict.{key}.{part}"] = torch.tensor(values)
        out[f"normalizer.params_dict.{key}.input_stats.min"] = torch.zeros(len(values))
    out |= {"_dummy_variable": torch.zeros(0), "model._dummy_variable": torch.zeros(0),
            "model.mask": torch.zeros(7, 7), "model.memory_mask": torch.zeros(7, 4)}
    # As a view with strides of its own.
    out["model.head.weight"] = out["model.head.weight"].t().contiguous().t()
    return out


class Conversion(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.scratch.name)

    def tearDown(self):
        self.scratch.cleanup()

    def convert(self, config=None, tensors=None, weights=None, **more):
        tensors = tensors or state()
        zeros = {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}
        payload = {"cfg": DictConfig(config or configuration()),
                   "state_dicts": {"model": zeros, "ema_model": tensors,
                                   "optimizer": {"state": {}, "step": torch.tensor(3)}},
                   "pickles": {"global_step": b"\x80\x02K\x01."}} | more
        torch.save(payload, self.folder / "a.ckpt")
        return diffusion_policy.convert(self.folder / "a.ckpt", self.folder / "out", weights)

    def refused(self, words, **arguments):
        with self.assertRaisesRegex(torch_checkpoint.CheckpointError, words):
            self.convert(**arguments)
        self.assertFalse((self.folder / "out").exists())

    def test_gives_back_the_golden_folder(self):
        self.convert()
        self.assertEqual(json.loads((self.folder / "out" / "config.json").read_text()),
                         json.loads((GOLDEN / "config.json").read_text()))
        found, wanted = (load_file(folder / "model.safetensors")
                         for folder in (self.folder / "out", GOLDEN))
        self.assertEqual(found.keys(), wanted.keys())
        for name, tensor in wanted.items():
            self.assertTrue(torch.equal(found[name], tensor), name)

    def test_takes_the_last_weights_where_asked(self):
        tensors = state() | {"normalizer.params_dict.obs.scale": torch.ones(6)}
        with self.assertRaisesRegex(torch_checkpoint.CheckpointError, "scale holds a zero"):
            self.convert(tensors=tensors, weights="model")

    def test_runs_no_code(self):
        made = self.folder / "made"
        self.refused(r"posix.system, which is not allowed", command=Command(made))
        self.assertFalse(made.exists())
        torch.load(self.folder / "a.ckpt", weights_only=False)
        self.assertTrue(made.exists(), "the checkpoint was harmless")

    def test_names_what_is_wrong(self):
        tensors = state()
        del tensors["model.ln_f.bias"]
        self.refused("model.ln_f.bias is missing", tensors=tensors)
        self.refused("obs_encoder.conv belongs to no part", tensors=state() | {
            "obs_encoder.conv": torch.zeros(2)})
        self.refused(r"model.pos_emb has shape \(1, 3, 32\)", tensors=state() | {
            "model.pos_emb": torch.zeros(1, 3, 32)})
        self.refused("model.ln_f.bias: holds a number that is not finite", tensors=state() | {
            "model.ln_f.bias": torch.full((32,), float("nan"))})
        self.refused("HalfStorage is not supported", tensors=state() | {
            "model.ln_f.bias": torch.zeros(32).half()})
        self.refused("action.scale has 2 numbers", tensors=state() | {
            "normalizer.params_dict.action.scale": torch.ones(2)})

    def test_names_what_is_not_supported(self):
        for path, value, words in [
                (("_target_",), "a.DiffusionTransformerHybridImagePolicy", "HybridImagePolicy"),
                (("model", "n_cond_layers"), 2, "n_cond_layers is 2"),
                (("model", "causal_attn"), False, "causal_attn is False"),
                (("obs_as_cond",), False, "obs_as_cond is False"),
                (("n_action_steps",), 6, "reach beyond horizon"),
                (("n_action_steps",), "${eval:'1+1'}", "resolve it before saving"),
                (("model", "horizon"), "${policy.model.horizon}", "nested too deep"),
                (("model", "n_head"), -1, "n_head is -1"),
                (("noise_scheduler", "_target_"), "a.PNDMScheduler", "PNDMScheduler")]:
            config = configuration()
            block = config["policy"]
            for key in path[:-1]:
                block = block[key]
            block[path[-1]] = value
            with self.subTest(words):
                self.refused(words, config=config)

    def test_broken_files_are_one_sentence(self):
        self.convert()
        data = (self.folder / "a.ckpt").read_bytes()
        tool = pathlib.Path(diffusion_policy.__file__)
        for rank, broken in enumerate([b"", b"no zip", data[:-1], data[: len(data) // 2],
                                       data.replace(b"_rebuild_tensor_v2", b"_rebuild_tensor_v9")]):
            path = self.folder / f"broken_{rank}.ckpt"
            path.write_bytes(broken)
            done = subprocess.run([sys.executable, tool, path, self.folder / "never"],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"^.*broken_\d\.ckpt: .+\n$")
            self.assertNotIn("Traceback", done.stderr)
        self.assertFalse((self.folder / "never").exists())


if __name__ == "__main__":
    unittest.main()
