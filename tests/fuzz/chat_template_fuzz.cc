// Any bytes as a chat template, rendered over a conversation under small limits: text or an error
// that names the template, never a crash and never a hang.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "engine/chat/chat_template.h"

namespace {

const nlohmann::ordered_json& conversation() {
  static const auto* context = new nlohmann::ordered_json(nlohmann::ordered_json::parse(R"json({
    "messages": [
      {"role": "system", "content": "Be brief. äöü 你好 😀"},
      {"role": "user", "content": " Hi \n"},
      {"role": "assistant", "content": "<think>\nso\n</think>\n\nHello",
       "tool_calls": [{"type": "function", "id": "abcDEF123",
                       "function": {"name": "f", "arguments": {"x": 1.5, "y": [null, true]}}}]},
      {"role": "tool", "tool_call_id": "abcDEF123", "content": {"t": 21}},
      {"role": "user", "content": [{"type": "text", "text": "Bye"}]}
    ],
    "tools": [{"type": "function", "function": {"name": "f", "description": "does",
      "parameters": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}}}],
    "documents": null, "add_generation_prompt": true, "enable_thinking": false,
    "bos_token": "<s>", "eos_token": "</s>", "n": 7, "xs": [3, 1, 2], "d": {"b": 1, "a": 2}
  })json"));
  return *context;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<tessera::ChatTemplate> parsed = tessera::ChatTemplate::parse(source, "fuzz");
  if (!parsed.ok()) {
    if (parsed.status().message().substr(0, 5) == "fuzz:") return 0;
    std::fprintf(stderr, "chat_template_fuzz: an error does not name the template\n");
    std::abort();
  }
  tessera::RenderLimits limits;
  limits.steps = 50'000;
  limits.output_bytes = 1 << 20;
  limits.memory_bytes = 8 << 20;
  (void)parsed->render(conversation(), limits);
  return 0;
}
