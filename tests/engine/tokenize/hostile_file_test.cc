// Broken and hostile tokenizer files: one error that names the file and the place, never a crash,
// never more memory or time than the file's own size warrants.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "engine/tokenize/golden_files.h"
#include "engine/tokenize/tokenizer.h"
#include "support/temporary_folder.h"

namespace tessera {
namespace {

using nlohmann::json;

// A valid file with every part that the cases below break.
json valid() {
  return json::parse(R"({"version":"1.0","truncation":null,"padding":null,
    "added_tokens":[{"id":6,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,
                     "normalized":false,"special":true}],
    "normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},
      {"type":"Replace","pattern":{"String":" "},"content":"_"}]},
    "pre_tokenizer":{"type":"Sequence","pretokenizers":[
      {"type":"Split","pattern":{"String":"_"},"behavior":"Isolated","invert":false},
      {"type":"Metaspace","replacement":"_","prepend_scheme":"first","split":true}]},
    "post_processor":{"type":"TemplateProcessing","single":[
        {"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
      "pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[6],"tokens":["<s>"]}}},
    "decoder":{"type":"Sequence","decoders":[{"type":"Fuse"},
      {"type":"Strip","content":"_","start":1,"stop":0}]},
    "model":{"type":"BPE","dropout":null,"unk_token":"u","fuse_unk":true,"byte_fallback":false,
      "vocab":{"a":0,"b":1,"ab":2,"u":3,"_":4,"_a":5},"merges":["a b","_ a"]}})");
}

std::string error_of(const std::string& name, std::string_view content) {
  const TemporaryFolder folder;
  folder.write(name, content);
  const auto loaded = Tokenizer::load(folder.path());
  if (loaded.ok()) return "";
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kInvalidArgument) << loaded.status();
  const std::string message(loaded.status().message());
  EXPECT_LT(message.size(), 800u);
  EXPECT_NE(message.find(folder.path() / name), std::string::npos) << message;
  return message;
}

std::string json_error(const json& file) { return error_of("tokenizer.json", file.dump()); }

TEST(HostileFileTest, TheUnbrokenFileLoads) { EXPECT_EQ(json_error(valid()), ""); }

TEST(HostileFileTest, EveryRefusalNamesItsPlace) {
  struct Case {
    const char* pointer;  // what is replaced
    const char* value;
    const char* message;  // what the error must hold
  };
  const Case cases[] = {
      {"/version", "\"2.0\"", "version: \"2.0\" is not supported"},
      {"/version", "7", "version: 7 must be a string"},
      {"/model", "[]", "model: an array must be an object"},
      {"/model/type", "\"Unigram\"", "model.type: \"Unigram\" is not a supported model"},
      {"/model/dropout", "0.1", "model.dropout: 0.1 is not supported"},
      {"/model/end_of_word_suffix", "\"</w>\"", "model.end_of_word_suffix: \"</w>\" is not"},
      {"/model/unk_token", "\"zz\"", "model.unk_token: \"zz\" is not in model.vocab"},
      {"/model/fuse_unk", "1", "model.fuse_unk: 1 must be true or false"},
      {"/model/vocab", "[[\"a\",0]]", "model.vocab: must be an object"},
      {"/model/vocab/a", "-1", "model.vocab: the id of \"a\" must be an integer"},
      {"/model/vocab/a", "1.5", "model.vocab: the id of \"a\" must be an integer"},
      {"/model/vocab/a", "4194304", "model.vocab: the id of \"a\" must be an integer"},
      {"/model/vocab/a", "18446744073709551615", "model.vocab: the id of \"a\" must be"},
      {"/model/vocab/a", "\"0\"", "model.vocab: the id of \"a\" must be an integer"},
      {"/model/vocab/a", "{}", "model.vocab: the id of \"a\" must be an integer"},
      {"/model/vocab/a", "1", "\"b\" both have id 1"},
      {"/model/merges", "null", "model.merges: must be a list"},
      {"/model/merges", "{\"a\":1}", "model.merges: must be a list"},
      {"/model/merges/0", "\"a\"", "model.merges[0]: \"a\" must be two tokens"},
      {"/model/merges/0", "\"a b c\"", "model.merges[0]: \"a b c\" must be two tokens"},
      {"/model/merges/0", "\"a zz\"", "model.merges[0]: \"zz\" is not in model.vocab"},
      {"/model/merges/0", "\"b a\"", "model.merges[0]: \"ba\" is not in model.vocab"},
      {"/model/merges/0", "[\"a\",\"b\"]", "model.merges[1]: texts and pairs are mixed"},
      {"/model/merges/1", "[\"a\"]", "model.merges[1]: must be a pair"},
      {"/model/merges/1", "[\"a\",[\"b\"]]", "model.merges[1]: must be a text or a pair"},
      {"/model/merges/1", "5", "model.merges[1]: must be a text or a pair"},
      {"/added_tokens", "{}", "added_tokens: an object must be an array"},
      {"/added_tokens/0/id", "7", "added_tokens: token \"<s>\" with id 7 would get id 6"},
      {"/added_tokens/0/id", "-3", "added_tokens[0].id: -3 must be an integer"},
      {"/added_tokens/0/id", "1e300", "added_tokens[0].id: 1e+300 must be an integer"},
      {"/added_tokens/0/content", "\"\"", "added_tokens: token \"\" with id 6 has no content"},
      {"/added_tokens/0/content", "\"a\"", "added_tokens: token \"a\" with id 6 would get id 0"},
      {"/added_tokens/0/special", "null", "added_tokens[0].special: null must be"},
      {"/added_tokens/0", "\"<s>\"", "added_tokens[0].content: null must be a string"},
      {"/normalizer", "\"NFC\"", "normalizer.type: null must be a string"},
      {"/normalizer/normalizers/0/type", "\"Precompiled\"",
       "normalizer.normalizers[0].type: \"Precompiled\" is not a supported normalizer"},
      {"/normalizer/normalizers/1/pattern", "{\"Regex\":\"a+\"}",
       "normalizer.normalizers[1].pattern.Regex: \"a+\" is not supported"},
      {"/normalizer/normalizers/1/pattern/String", "\"\"", "pattern.String: must not be empty"},
      {"/pre_tokenizer/pretokenizers/0/type", "\"Whitespace\"",
       "pre_tokenizer.pretokenizers[0].type: \"Whitespace\" is not a supported pre-tokenizer"},
      {"/pre_tokenizer/pretokenizers/0/pattern", "{\"Regex\":\"\\\\w+\"}",
       "pattern.Regex: \"\\w+\" is not one of the supported patterns"},
      {"/pre_tokenizer/pretokenizers/0/behavior", "\"Sideways\"",
       "pre_tokenizer.pretokenizers[0].behavior: \"Sideways\" is not a split behavior"},
      {"/pre_tokenizer/pretokenizers/0/invert", "0", "pretokenizers[0].invert: 0 must be true"},
      {"/pre_tokenizer/pretokenizers/1/replacement", "\"ab\"", "replacement: \"ab\" must be one"},
      {"/pre_tokenizer/pretokenizers/1/prepend_scheme", "\"last\"", "prepend_scheme: \"last\""},
      {"/post_processor/type", "\"BertProcessing\"", "post_processor.type: \"BertProcessing\""},
      {"/post_processor/single/1/Sequence/id", "\"B\"", "single[1].Sequence.id: \"B\" must be"},
      {"/post_processor/single/0/SpecialToken/id", "\"no\"",
       "post_processor.special_tokens.no.ids: null must be an array"},
      {"/post_processor/special_tokens/<s>/ids/0", "77", "post_processor: adds id 77"},
      {"/decoder/type", "\"WordPiece\"", "decoder.type: \"WordPiece\" is not a supported decoder"},
      {"/decoder/decoders/1/content", "\"\"", "decoder.decoders[1].content: \"\" must be one"},
      {"/decoder/decoders/1/start", "-1", "decoder.decoders[1].start: -1 must be an integer"},
      {"/decoder/decoders/1/stop", "1e9", "decoder.decoders[1].stop: 1000000000.0 must be"},
  };
  for (const Case& item : cases) {
    json file = valid();
    file[json::json_pointer(item.pointer)] = json::parse(item.value);
    const std::string message = json_error(file);
    EXPECT_NE(message.find(item.message), std::string::npos)
        << item.pointer << " = " << item.value << ": " << message;
  }
}

TEST(HostileFileTest, WhatIsMissingIsNamed) {
  for (const char* pointer :
       {"/model", "/model/vocab", "/model/merges", "/added_tokens/0/id", "/added_tokens/0/lstrip",
        "/normalizer/type", "/normalizer/normalizers", "/pre_tokenizer/pretokenizers/0/pattern",
        "/pre_tokenizer/pretokenizers/0/behavior", "/pre_tokenizer/pretokenizers/1/replacement",
        "/post_processor/single", "/post_processor/special_tokens",
        "/decoder/decoders/1/content"}) {
    json file = valid();
    const json::json_pointer place(pointer);
    file[place.parent_pointer()].erase(place.back());
    EXPECT_NE(json_error(file), "") << pointer;
  }
}

TEST(HostileFileTest, WrongTypesEverywhere) {
  const json flat = valid().flatten();
  for (const auto& [pointer, value] : flat.items()) {
    for (const char* wrong : {"[]", "{}", "null", "-5", "\"\\u0000\"", "1e308", "true"}) {
      json file = valid();
      file[json::json_pointer(pointer)] = json::parse(wrong);
      json_error(file);  // loads or names its place; never crashes
    }
  }
}

TEST(HostileFileTest, NoJson) {
  for (const char* text :
       {"", "{", "[]", "7", "\"a\"", "{\"a\":}", "{\"a\":1,\"a\":2}", "nul", "{\"a\":\"\xFF\"}",
        "{\"a\":\"\\ud800\"}", "{} {}", "{\"a\":1e999999}"}) {
    EXPECT_NE(error_of("tokenizer.json", text), "") << text;
  }
  EXPECT_NE(error_of("tokenizer.json", "{\"a\":1,\"a\":2}").find("a: is given twice"),
            std::string::npos);
}

TEST(HostileFileTest, KeysGivenTwice) {
  std::string text = valid().dump();
  text.replace(text.find("\"a\":0"), 5, "\"a\":0,\"a\":7");
  EXPECT_NE(error_of("tokenizer.json", text).find("token \"a\" is listed twice"),
            std::string::npos);
  text = valid().dump();
  text.replace(text.find("\"vocab\":"), 8, "\"vocab\":{},\"vocab\":");
  EXPECT_NE(error_of("tokenizer.json", text).find("model.vocab: is given twice"),
            std::string::npos);
}

TEST(HostileFileTest, DeepNestingAndHugeNumbers) {
  const size_t many = 4 << 20;
  EXPECT_NE(error_of("tokenizer.json", "{\"a\":" + std::string(many, '[')).find("nested deeper"),
            std::string::npos);
  std::string deep;
  for (int level = 0; level < 100000; ++level) deep += "{\"a\":";
  EXPECT_NE(error_of("tokenizer.json", deep).find("nested deeper"), std::string::npos);
  json_error(json{{"version", "1.0"}, {"model", nullptr}});
  EXPECT_NE(error_of("tokenizer.json", "{\"a\":" + std::string(many, '9')), "");
  EXPECT_NE(error_of("tokenizer.json", "{\"a\":0." + std::string(many, '1') + "}"), "");
  EXPECT_NE(error_of("tokenizer.json", "{\"" + std::string(many, 'k') + "\":[}"), "");

  json nested = valid();
  json step = {{"type", "NFC"}};
  for (int level = 0; level < 20; ++level) {
    step = {{"type", "Sequence"}, {"normalizers", json::array({step})}};
  }
  nested["normalizer"] = step;
  EXPECT_NE(json_error(nested).find("nested too deeply"), std::string::npos);
}

TEST(HostileFileTest, TextThatWouldExplode) {
  json file = valid();
  json& steps = file["normalizer"]["normalizers"];
  for (int step = 0; step < 20; ++step) {
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}});
  }
  EXPECT_NE(json_error(file).find("times longer"), std::string::npos);
  // Every word of one letter would get every prefix.
  file = valid();
  for (int step = 0; step < 5; ++step) {
    file["normalizer"]["normalizers"].push_back({{"type", "Prepend"}, {"prepend", "___"}});
  }
  EXPECT_NE(json_error(file).find("normalizer: may make"), std::string::npos);
  const json prefixing[] = {
      {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "always"}},
      {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"use_regex", true}},
      {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}};
  for (const json& step : prefixing) {
    file = valid();
    for (int count = 0; count < 20; ++count) {
      file["pre_tokenizer"]["pretokenizers"].push_back(step);
    }
    EXPECT_NE(json_error(file).find("pre_tokenizer: may make"), std::string::npos) << step;
  }
  file = valid();
  for (int token = 0; token < 1100; ++token) {
    json added = file["added_tokens"][0];
    added["id"] = 7 + token;
    added["content"] = std::string(4000, 'x') + std::to_string(token);
    file["added_tokens"].push_back(added);
  }
  EXPECT_NE(json_error(file).find("have more than"), std::string::npos);
  file = valid();
  file["model"]["vocab"][std::string(5000, 'q')] = 7;
  EXPECT_NE(json_error(file).find("is longer than"), std::string::npos);
}

TEST(HostileFileTest, EqualAddedTokens) {
  json file = valid();
  file["added_tokens"].push_back(file["added_tokens"][0]);
  EXPECT_NE(json_error(file).find("\"<s>\" with id 6 is listed twice"), std::string::npos);
}

// Flips, cuts and repeats bytes of real files; whatever loads must also encode and decode.
TEST(HostileFileTest, MutatedFilesLoadOrSayWhy) {
  std::mt19937_64 random(9);
  for (const auto& [folder_name, file_name] :
       {std::pair("llama2", "tokenizer.json"), std::pair("qwen2", "tokenizer.json"),
        std::pair("sp_llama", "tokenizer.model"), std::pair("sp_unigram", "tokenizer.model")}) {
    const std::string bytes = file_bytes(golden_folder() / folder_name / file_name);
    const TemporaryFolder folder;
    int loaded = 0;
    for (int round = 0; round < 150; ++round) {
      std::string broken = bytes;
      for (size_t left = 1 + random() % 8; left > 0; --left) {
        // Half of the changes fall on the small parts at either end of the file.
        const size_t place = random() % (random() % 2 ? broken.size() : 1500);
        if (random() % 6 == 0) {
          broken.erase(place, random() % 40);
        } else if (random() % 6 == 0) {
          broken.insert(place, broken.substr(random() % broken.size(), random() % 40));
        } else {
          broken[place] = static_cast<char>(random());
        }
      }
      folder.write(file_name, broken);
      const auto tokenizer = Tokenizer::load(folder.path());
      if (!tokenizer.ok()) {
        EXPECT_NE(tokenizer.status().message().find(file_name), absl::string_view::npos);
        continue;
      }
      ++loaded;
      const std::vector<int32_t> ids = (*tokenizer)->encode("a b\xE4\xBD\xA0 <s>  \xEF\xBC\xA1");
      (*tokenizer)->decode(ids, false);
    }
    EXPECT_LT(loaded, 150) << folder_name;
  }
}

}  // namespace
}  // namespace tessera
