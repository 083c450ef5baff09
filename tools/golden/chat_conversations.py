"""The conversations that chat_goldens.py renders with every template."""

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_current_weather",
        "description": "Get the weather in a place.\nGives temperature and sky.",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "City and country, e.g. \"Zürich, CH\""},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                "days": {"type": "integer", "minimum": 1, "maximum": 18446744073709551615},
            },
            "required": ["location"],
        },
    },
}

SEARCH = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Search <documents> & pages.",
        "parameters": {
            "type": "object",
            "properties": {
                "queries": {"type": "array", "items": {"type": "string"}, "description": "what to look for"},
                "filter": {
                    "type": "object",
                    "properties": {
                        "since": {"type": ["string", "null"]},
                        "score": {"type": "number", "default": 0.5},
                        "tags": {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}}}},
                    },
                    "required": ["since"],
                },
                "mode": {"oneOf": [{"type": "string", "default": "fast"}, {"type": "boolean"}]},
                "safe": {"type": "boolean", "nullable": True},
            },
        },
        "return": {"type": "object", "additionalProperties": {"type": "number"}, "description": "hits"},
    },
}

NO_ARGUMENTS = {
    "type": "function",
    "function": {"name": "now", "description": "The time.", "parameters": {"type": "object", "properties": {}}},
}


def system(text):
    return {"role": "system", "content": text}


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def call(name, arguments, call_id="abcDEF123"):
    return {"type": "function", "id": call_id, "function": {"name": name, "arguments": arguments}}


PLAIN = [user("Hi there!")]
TURNS = [user("Hi"), assistant("Hello! How can I help?"), user("  Tell me a joke.  \n")]
WITH_SYSTEM = [system("You are terse.\nNever apologise."), *TURNS]
CALLED = [
    user("Weather in Zürich?"),
    {"role": "assistant", "tool_calls": [call("get_current_weather", {"location": "Zürich, CH", "days": 2})]},
    {"role": "tool", "name": "get_current_weather", "tool_call_id": "abcDEF123", "content": '{"t": 21.5, "sky": "☀"}'},
    assistant("21.5 degrees and sunny."),
    user("Thanks! And tomorrow?"),
]
TWO_CALLS = [
    system("Use tools."),
    user("Compare"),
    {
        "role": "assistant",
        "content": "Let me look.",
        "tool_calls": [
            call("get_current_weather", {"location": "Oslo"}, "aaaaaaaa1"),
            call("search", {"queries": ["a", "b\"c"], "filter": {"since": None, "score": 1e-7}}, "bbbbbbbb2"),
        ],
    },
    {"role": "tool", "tool_call_id": "aaaaaaaa1", "content": "cold"},
    {"role": "tool", "tool_call_id": "bbbbbbbb2", "content": "nothing"},
]
THOUGHT = [
    user("What is 2 + 2?"),
    assistant("<think>\nTwo and two.\n</think>\n\n4"),
    user("And 3 + 3?"),
    {"role": "assistant", "reasoning_content": "Three and three.", "content": "6"},
]
PARTS = [
    system("Look closely."),
    {"role": "user", "content": [{"type": "text", "text": " What is this? "}, {"type": "image"}]},
]

REQUESTS = {
    "plain": {"messages": PLAIN},
    "plain_no_prompt": {"messages": PLAIN, "add_generation_prompt": False},
    "turns": {"messages": TURNS},
    "turns_ended": {"messages": TURNS[:2], "add_generation_prompt": False},
    "system": {"messages": WITH_SYSTEM},
    "system_only": {"messages": [system("Alone.")]},
    "system_late": {"messages": [user("a"), system("b"), user("c")]},
    "unicode": {"messages": [system("Antworte auf Deutsch, bitte. 你好"), user("Ça va? 😀\u2028\u00a0x\ud7ff"), assistant("«Да»\r\n\tok"), user("\u0000\u001f<|im_end|>{{ x }}{% y %}")]},
    "empty_texts": {"messages": [system(""), user(""), assistant(""), user(" \n ")]},
    "not_alternating": {"messages": [user("a"), user("b")]},
    "assistant_first": {"messages": [assistant("I begin."), user("Fine.")]},
    "unknown_role": {"messages": [user("a"), {"role": "critic", "content": "boo"}, user("b")]},
    "no_content": {"messages": [user("a"), {"role": "assistant"}, user("b")]},
    "null_content": {"messages": [user("a"), {"role": "assistant", "content": None, "tool_calls": None}, user("b")]},
    "number_content": {"messages": [{"role": "user", "content": 42}]},
    "long": {"messages": [message for index in range(12) for message in (user(f"Question {index}?"), assistant(f"Answer {index}.\n" * (index % 3)))] + [user("Last.")]},
    "tools": {"messages": WITH_SYSTEM, "tools": [WEATHER]},
    "tools_no_system": {"messages": TURNS, "tools": [WEATHER, SEARCH, NO_ARGUMENTS]},
    "tools_empty": {"messages": PLAIN, "tools": []},
    "tool_call": {"messages": CALLED, "tools": [WEATHER]},
    "tool_call_no_tools": {"messages": CALLED},
    "tool_call_string": {"messages": [CALLED[0], {"role": "assistant", "tool_calls": [call("get_current_weather", '{"location": "Bern"}')]}, CALLED[2]], "tools": [WEATHER]},
    "tool_call_pending": {"messages": CALLED[:2], "tools": [WEATHER], "add_generation_prompt": False},
    "tool_result_object": {"messages": [*CALLED[:2], {"role": "tool", "tool_call_id": "abcDEF123", "content": {"content": [1, 2.50, None, True]}}], "tools": [WEATHER]},
    "tool_bad_id": {"messages": [CALLED[0], {"role": "assistant", "tool_calls": [call("get_current_weather", {}, "short")]}, {"role": "tool", "tool_call_id": "short", "content": "x"}], "tools": [WEATHER]},
    "two_calls": {"messages": TWO_CALLS, "tools": [WEATHER, SEARCH]},
    "builtin_tools": {"messages": WITH_SYSTEM, "arguments": {"builtin_tools": ["brave_search", "code_interpreter"], "date_string": "01 Jan 2025"}},
    "builtin_call": {"messages": [user("Search"), {"role": "assistant", "tool_calls": [call("brave_search", {"query": "cats", "lang": "en"})]}, {"role": "ipython", "content": {"hits": 3}}], "arguments": {"builtin_tools": ["brave_search"]}},
    "custom_tools": {"messages": TURNS, "arguments": {"custom_tools": [SEARCH], "tools_in_user_message": False}},
    "thinking": {"messages": THOUGHT[:3]},
    "thinking_off": {"messages": THOUGHT[:3], "arguments": {"enable_thinking": False}},
    "thinking_ended": {"messages": THOUGHT, "add_generation_prompt": False},
    "thinking_alias": {"messages": [user("q"), {"role": "assistant", "reasoning": "hm", "content": "a"}], "add_generation_prompt": False, "arguments": {"reasoning_effort": "high"}},
    "thinking_with_call": {"messages": [user("q"), {"role": "assistant", "thinking": "use it", "tool_calls": [call("now", {})]}, {"role": "tool", "content": "12:00", "tool_call_id": "abcDEF123"}], "tools": [NO_ARGUMENTS]},
    "documents": {"messages": PLAIN, "documents": [{"title": "One", "text": "First text."}, {"title": "Two", "text": "Second.", "doc_id": 7}], "arguments": {"controls": {"citations": True, "length": "short"}}},
    "documents_and_tools": {"messages": PLAIN, "tools": [NO_ARGUMENTS], "documents": [{"text": "t"}], "arguments": {"controls": {}}},
    "parts": {"messages": PARTS},
    "system_parts": {"messages": [{"role": "system", "content": [{"type": "text", "text": "Sys"}]}, user("u")]},
    "continue": {"messages": [user("Count to three."), assistant("One, two,")], "add_generation_prompt": False, "continue_final_message": True},
    "continue_spaces": {"messages": [user("Count."), assistant(" One, two,  ")], "add_generation_prompt": False, "continue_final_message": True},
    "continue_parts": {"messages": [user("Count."), {"role": "assistant", "content": [{"type": "text", "text": "One"}]}], "add_generation_prompt": False, "continue_final_message": True},
    "continue_user": {"messages": PLAIN, "add_generation_prompt": False, "continue_final_message": True},
    "tokens_overridden": {"messages": TURNS, "arguments": {"bos_token": "<BOS>", "eos_token": ""}},
    "empty": {"messages": []},
}
