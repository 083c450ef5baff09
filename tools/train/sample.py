"""Prints what a model folder makes of a few Python prefixes, through transformers."""

import argparse

import torch
import transformers

PROMPTS = (
    "def fibonacci(n):",
    "import os\n\ndef read_file(path):",
    "class Stack:\n    def __init__(self):",
    "for i in range(",
)


def complete(model, tokenizer, prompt, temperature, tokens):
    inputs = tokenizer(prompt, return_tensors="pt")
    choice = {"temperature": temperature, "do_sample": True} if temperature else {}
    ids = model.generate(
        **inputs,
        generation_config=transformers.GenerationConfig(
            max_new_tokens=tokens,
            eos_token_id=0,
            pad_token_id=0,
            repetition_penalty=model.generation_config.repetition_penalty,
            **choice,
        ),
    )
    return tokenizer.decode(ids[0], skip_special_tokens=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--temperatures", type=float, nargs="+", default=[0.0, 0.5])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prompt", nargs="+", default=PROMPTS)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(args.folder)
    penalty = model.generation_config.repetition_penalty
    model.generation_config = transformers.GenerationConfig(repetition_penalty=penalty)
    for prompt in args.prompt:
        for temperature in args.temperatures:
            print(f"--- temperature {temperature}")
            print(complete(model, tokenizer, prompt, temperature, args.tokens))


if __name__ == "__main__":
    main()
