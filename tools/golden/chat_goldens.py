"""Writes tests/golden/chat: what transformers and Jinja make of templates and conversations.

rendered.json    conversations x templates/*.jinja through apply_chat_template
expressions.json the small templates of chat_expressions.py through the same Jinja environment

A result is {"text": ...}, {"raised": ...} for what a template raises itself, or {"error": true}. The
clock stands still at NOW. Run: python tools/golden/chat_goldens.py
"""

import datetime
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import jinja2
import transformers.utils.chat_template_utils as template_utils
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

import chat_conversations
import chat_expressions

NOW = (2026, 7, 26, 9, 5, 7)
FOLDER = pathlib.Path(__file__).parents[2] / "tests/golden/chat"
ADDRESS = re.compile(r" at 0x[0-9a-f]+>")


class StoppedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(*NOW)


def result_of(render):
    try:
        text = render()
    except jinja2.exceptions.TemplateError as error:
        if type(error) is jinja2.exceptions.TemplateError:
            return {"raised": str(error)}
        return {"error": True}
    except Exception:
        return {"error": True}
    assert not ADDRESS.search(text), text
    return {"text": text}


def rendered():
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"<unk>": 0}, "<unk>")),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )
    results = {}
    for path in sorted(FOLDER.glob("templates/*.jinja")):
        template = path.read_text(encoding="utf-8")
        results[path.stem] = {}
        for name, request in chat_conversations.REQUESTS.items():
            results[path.stem][name] = result_of(
                lambda: tokenizer.apply_chat_template(
                    request["messages"],
                    tools=request.get("tools"),
                    documents=request.get("documents"),
                    chat_template=template,
                    add_generation_prompt=request.get("add_generation_prompt", True),
                    continue_final_message=request.get("continue_final_message", False),
                    tokenize=False,
                    **request.get("arguments", {}),
                )
            )
    return {"tokens": tokenizer.special_tokens_map, "requests": chat_conversations.REQUESTS, "results": results}


def expressions():
    cases = []
    for source in chat_expressions.cases():
        render = lambda: template_utils._compile_jinja_template(source).render(**chat_expressions.CONTEXT)
        cases.append({"template": source, **result_of(render)})
    return {"context": chat_expressions.CONTEXT, "cases": cases}


def write(name, content):
    text = json.dumps(content, ensure_ascii=False, indent=0, separators=(",", ":"))
    (FOLDER / name).write_text(text + "\n", encoding="utf-8")


def main():
    template_utils.datetime = StoppedClock
    results = rendered()
    write("rendered.json", results)
    write("expressions.json", expressions())
    counts = {}
    for by_request in results["results"].values():
        for result in by_request.values():
            for kind in result:
                counts[kind] = counts.get(kind, 0) + 1
    print("rendered:", counts)


if __name__ == "__main__":
    main()
