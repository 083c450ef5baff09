// What the readers of all component configs share: the text of one config.json turned into a
// struct, with the keys nobody knows noted instead of refused. A key with a value that cannot be
// served faithfully is an error naming component, key and value; an absent key takes the default of
// its class in diffusers or transformers. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/weights/json_fields.h"
#include "engine/weights/json_text.h"
#include "engine/weights/message.h"

namespace tessera {

// Bounds of dimensions: above every published model by a factor of 4 or more.
inline constexpr int kMaxBlocks = 1024;
inline constexpr int kMaxHeads = 1024;
inline constexpr int kMaxHeadWidth = 1024;
inline constexpr int kMaxWidth = 1 << 17;
inline constexpr int kMaxChannels = 1 << 14;
inline constexpr int kMaxLatentSize = 1 << 13;

// Refuses `key` when it is present, not null and not `value`.
void require_value(JsonFields& fields, const char* key, const nlohmann::json& value);
// Refuses quantised weights and, where the file declares a type of its weights, any but float32,
// float16 and bfloat16.
void check_weight_type(JsonFields& fields);
// Adds one line per unknown key of `fields`, the first few of many.
void note_unknown_keys(const JsonFields& fields, std::vector<std::string>& notes);

// `read` fills a config from the fields of the object in `text`. `place` begins every message.
template <class Config>
absl::StatusOr<Config> parse_component(const std::string& place, std::string_view text,
                                       Config (*read)(JsonFields&),
                                       std::vector<std::string>& notes) {
  const absl::StatusOr<nlohmann::json> object = parse_json_object(place, text);
  if (!object.ok()) return object.status();
  absl::Status error;
  JsonFields fields(place, *object, error);
  check_weight_type(fields);
  Config config = read(fields);
  if (!error.ok()) return error;
  note_unknown_keys(fields, notes);
  return config;
}

}  // namespace tessera
