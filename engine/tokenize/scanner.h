// The regular expressions that pre-tokenizers of supported models use, each as a hand-written
// scanner. A pattern is recognised by its exact text; there is no general regex engine, so
// splitting is linear in the text whatever the text is. Stateless; any thread.
#pragma once

#include <optional>
#include <string_view>

namespace tessera {

enum class ScanPattern { kGpt2, kLlama3, kQwen2, kTekken };

// nullopt: not one of the known patterns.
std::optional<ScanPattern> known_pattern(std::string_view regex);

// End of the match that starts at `at`; every pattern here matches at every position.
// REQUIRES: valid UTF-8, `at` a boundary before the end.
size_t scan(ScanPattern pattern, std::string_view text, size_t at);

}  // namespace tessera
