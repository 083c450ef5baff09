#include "tools/client/generate_options.h"

#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/client/input_file.h"
#include "tools/client/options.h"
#include "tools/client/policy_option.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

// What cannot go into the request before all options are known.
struct Pending {
  std::string chat_file, system, user, tools_file, template_arguments, token_ids;
  bool has_system = false, has_user = false, no_generation_prompt = false;

  bool is_chat() const { return !chat_file.empty() || has_system || has_user; }
};

absl::Status wrong(absl::string_view what) { return absl::InvalidArgumentError(std::string(what)); }

absl::Status parse_id(const std::string& text, int32_t& id) {
  if (absl::SimpleAtoi(text, &id)) return absl::OkStatus();
  return wrong(absl::StrCat("expected a token id, found '", text, "'"));
}

absl::Status add_bias(const std::string& text, v1::Sampling& sampling) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) return wrong("expected ID=BIAS");
  int32_t id = 0;
  double bias = 0;
  if (absl::Status status = parse_id(text.substr(0, equals), id); !status.ok()) return status;
  if (absl::Status status = parse_real(text.substr(equals + 1), bias); !status.ok()) return status;
  (*sampling.mutable_logit_bias())[id] = bias;
  return absl::OkStatus();
}

void add_input(Pending& pending, std::vector<Option>& rows) {
  rows.push_back({"--system", "TEXT", "system message of a chat",
                  [&](const std::string& text) {
                    pending.has_system = true;
                    pending.system = text;
                    return absl::OkStatus();
                  },
                  "What to continue (instead of PROMPT):"});
  rows.push_back(
      {"--user", "TEXT", "user message of a chat, the last one", [&](const std::string& text) {
         pending.has_user = true;
         pending.user = text;
         return absl::OkStatus();
       }});
  rows.push_back({"--chat", "FILE", "JSON array of messages {\"role\": ..., \"content\": ...}",
                  into_text(pending.chat_file)});
  rows.push_back({"--tools", "FILE", "JSON array of tools for the chat template",
                  into_text(pending.tools_file)});
  rows.push_back({"--template-arguments", "JSON", "object of further template arguments",
                  into_text(pending.template_arguments)});
  rows.push_back({"--no-generation-prompt", "", "do not open the assistant's answer",
                  into_flag(pending.no_generation_prompt)});
  rows.push_back(
      {"--token-ids", "IDS", "token ids instead of text: 1,15,7", into_text(pending.token_ids)});
}

void add_sampling(v1::Sampling& s, std::vector<Option>& rows) {
  rows.push_back({"--temperature", "X", "0 = always the most probable token",
                  with_number([&](double v) { s.set_temperature(v); }),
                  "How to choose tokens (absent = the model's own defaults):"});
  rows.push_back({"--top-k", "N", "of the N most probable; 0 = off",
                  with_integer([&](int64_t v) { s.set_top_k(v); })});
  rows.push_back({"--top-p", "X", "of the fewest with this probability together",
                  with_number([&](double v) { s.set_top_p(v); })});
  rows.push_back({"--min-p", "X", "of those with this share of the best one's probability",
                  with_number([&](double v) { s.set_min_p(v); })});
  rows.push_back({"--repetition-penalty", "X", "above 1 makes seen tokens rarer",
                  with_number([&](double v) { s.set_repetition_penalty(v); })});
  rows.push_back({"--presence-penalty", "X", "taken off once for each token in the output",
                  with_number([&](double v) { s.set_presence_penalty(v); })});
  rows.push_back({"--frequency-penalty", "X", "taken off for each time it is in the output",
                  with_number([&](double v) { s.set_frequency_penalty(v); })});
  rows.push_back({"--logit-bias", "ID=X", "added to the logit of a token; may be repeated",
                  [&](const std::string& text) { return add_bias(text, s); }});
  rows.push_back(
      {"--seed", "N", "same seed, same output", with_seed([&](uint64_t v) { s.set_seed(v); })});
  rows.push_back(
      {"--n", "N", "outputs for the prompt", with_integer([&](int64_t v) { s.set_n(v); })});
}

void add_stopping(v1::Stopping& s, std::vector<Option>& rows) {
  rows.push_back({"--max-tokens", "N", "absent = to the end of the model's context",
                  with_integer([&](int64_t v) { s.set_max_tokens(v); }), "When to stop:"});
  rows.push_back({"--min-tokens", "N", "no end before",
                  with_integer([&](int64_t v) { s.set_min_tokens(v); })});
  rows.push_back(
      {"--stop", "TEXT", "stop where this appears; may be repeated", [&](const std::string& text) {
         s.add_stop(text);
         return absl::OkStatus();
       }});
  rows.push_back({"--stop-token-id", "ID", "stop at this token; may be repeated",
                  [&](const std::string& text) {
                    int32_t id = 0;
                    absl::Status status = parse_id(text, id);
                    if (status.ok()) s.add_stop_token_ids(id);
                    return status;
                  }});
  rows.push_back({"--ignore-eos", "", "go on at the model's end tokens", [&](const std::string&) {
                    s.set_ignore_eos(true);
                    return absl::OkStatus();
                  }});
  rows.push_back(
      {"--include-stop", "", "keep the stop text in the output", [&](const std::string&) {
         s.set_include_stop_in_output(true);
         return absl::OkStatus();
       }});
}

void add_response(GenerateOptions& o, std::vector<Option>& rows) {
  v1::Response& r = *o.request.mutable_response();
  rows.push_back(
      {"--json", "", "every event as a line of JSON", into_flag(o.json), "What to show:"});
  rows.push_back({"--stats", "", "tokens and times, on stderr at the end", into_flag(o.stats)});
  rows.push_back({"--logprobs", "N", "with --json: log-probabilities and N alternatives",
                  with_integer([&](int64_t v) { r.set_logprobs(v); })});
  rows.push_back({"--prompt-logprobs", "N", "with --json: the same for the prompt",
                  with_integer([&](int64_t v) { r.set_prompt_logprobs(v); })});
  rows.push_back(
      {"--show-token-ids", "", "with --json: the tokens of each delta", [&](const std::string&) {
         r.set_token_ids(true);
         return absl::OkStatus();
       }});
  rows.push_back({"--keep-special-tokens", "", "show end tokens and the like as text",
                  [&](const std::string&) {
                    r.set_skip_special_tokens(false);
                    return absl::OkStatus();
                  }});
}

void add_service(GenerateOptions& o, std::vector<Option>& rows) {
  v1::GenerateTextRequest& r = o.request;
  rows.push_back({"--address", "HOST:PORT", "the daemon; 127.0.0.1:50051", into_text(o.address),
                  "How to serve it:"});
  rows.push_back({"--timeout", "SECONDS", "give up after", into_time(o.timeout_seconds)});
  rows.push_back(
      {"--model", "NAME", "which model, where a daemon has several", [&](const std::string& text) {
         r.set_model(text);
         return absl::OkStatus();
       }});
  rows.push_back(
      {"--request-id", "ID", "unique among the live requests", [&](const std::string& text) {
         r.set_request_id(text);
         return absl::OkStatus();
       }});
  rows.push_back({"--priority", "N", "higher goes first",
                  with_small_integer([&](int32_t v) { r.set_priority(v); })});
  rows.push_back({"--best-effort", "", "run in what other requests leave", [&](const std::string&) {
                    r.set_best_effort(true);
                    return absl::OkStatus();
                  }});
  rows.push_back({"--no-prefix-cache", "", "compute the whole prompt", [&](const std::string&) {
                    r.mutable_caching()->set_bypass_prefix_cache(true);
                    return absl::OkStatus();
                  }});
  rows.push_back({"--cache-salt", "TEXT", "share cached prompts only under this",
                  [&](const std::string& text) {
                    r.mutable_caching()->set_cache_salt(text);
                    return absl::OkStatus();
                  }});
  rows.push_back(
      {"--policy", "NAME:K=V,...", "a technique and its parameters; may be repeated",
       [&](const std::string& text) { return add_policy(text, *r.mutable_policies()); }});
  rows.push_back({"--help", "", "this", into_flag(o.help)});
}

std::vector<Option> rows_for(GenerateOptions& options, Pending& pending) {
  std::vector<Option> rows;
  add_input(pending, rows);
  add_sampling(*options.request.mutable_sampling(), rows);
  add_stopping(*options.request.mutable_stopping(), rows);
  add_response(options, rows);
  add_service(options, rows);
  return rows;
}

absl::Status add_message(const Json& message, const std::string& file, v1::Chat& chat) {
  if (!message.is_object())
    return wrong(absl::StrCat("--chat: ", file, " must hold an array of objects"));
  v1::ChatMessage& out = *chat.add_messages();
  Json rest = Json::object();
  for (const auto& [name, value] : message.items()) {
    if (name == "role" && value.is_string()) {
      out.set_role(value.get<std::string>());
    } else if (name == "content" && value.is_string()) {
      out.set_content(value.get<std::string>());
    } else {
      rest[name] = value;
    }
  }
  if (!rest.empty()) out.set_fields_json(rest.dump());
  return absl::OkStatus();
}

absl::Status add_chat_file(const std::string& file, v1::Chat& chat) {
  absl::StatusOr<std::string> text = read_input_file(file);
  if (!text.ok()) return wrong(absl::StrCat("--chat: ", text.status().message()));
  const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array()) return wrong(absl::StrCat("--chat: ", file, " is not a JSON array"));
  for (const Json& message : json) {
    if (absl::Status status = add_message(message, file, chat); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status add_chat(const Pending& pending, v1::Chat& chat) {
  const auto add_text = [&](const char* role, const std::string& content) {
    v1::ChatMessage& message = *chat.add_messages();
    message.set_role(role);
    message.set_content(content);
  };
  if (pending.has_system) add_text("system", pending.system);
  if (!pending.chat_file.empty()) {
    if (absl::Status status = add_chat_file(pending.chat_file, chat); !status.ok()) return status;
  }
  if (pending.has_user) add_text("user", pending.user);
  if (!pending.tools_file.empty()) {
    absl::StatusOr<std::string> tools = read_input_file(pending.tools_file);
    if (!tools.ok()) return wrong(absl::StrCat("--tools: ", tools.status().message()));
    chat.set_tools_json(*tools);
  }
  if (!pending.template_arguments.empty())
    chat.set_template_arguments_json(pending.template_arguments);
  if (pending.no_generation_prompt) chat.set_add_generation_prompt(false);
  return absl::OkStatus();
}

absl::Status add_token_ids(const std::string& text, v1::TokenIds& ids) {
  const std::vector<std::string> parts = absl::StrSplit(text, ',');
  for (const std::string& part : parts) {
    int32_t id = 0;
    if (absl::Status status = parse_id(part, id); !status.ok())
      return wrong(absl::StrCat("--token-ids: ", status.message()));
    ids.add_ids(id);
  }
  return absl::OkStatus();
}

absl::Status set_input(const Pending& pending, const std::vector<std::string>& positional,
                       std::istream& in, v1::GenerateTextRequest& request) {
  if (positional.size() > 1)
    return wrong(absl::StrCat("one prompt at a time; '", positional[1],
                              "' is a second one (quote a prompt that has spaces)"));
  const int inputs =
      static_cast<int>(positional.size()) + pending.is_chat() + !pending.token_ids.empty();
  if (inputs == 0)
    return wrong("nothing to continue: give a prompt, - for stdin, --user or --chat");
  if (inputs > 1)
    return wrong("give either a prompt, or a chat (--system, --user, --chat), or --token-ids");
  if (!pending.is_chat() && (!pending.tools_file.empty() || !pending.template_arguments.empty() ||
                             pending.no_generation_prompt))
    return wrong("--tools, --template-arguments and --no-generation-prompt belong to a chat");
  if (pending.is_chat()) return add_chat(pending, *request.mutable_chat());
  if (!pending.token_ids.empty())
    return add_token_ids(pending.token_ids, *request.mutable_token_ids());
  request.set_prompt(positional[0] == "-" ? std::string(std::istreambuf_iterator<char>(in),
                                                        std::istreambuf_iterator<char>())
                                          : positional[0]);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<GenerateOptions> parse_generate(const std::vector<std::string>& arguments,
                                               std::istream& in) {
  GenerateOptions options;
  Pending pending;
  std::vector<std::string> positional;
  absl::Status status = parse_options(rows_for(options, pending), arguments, positional);
  if (status.ok() && !options.help) status = set_input(pending, positional, in, options.request);
  if (!status.ok()) return status;
  return options;
}

std::string generate_help() {
  GenerateOptions options;
  Pending pending;
  return absl::StrCat(
      "tessera generate [options] PROMPT\n"
      "Continues PROMPT and prints the text as it comes. PROMPT - is read from stdin. Ctrl-C "
      "stops.\n"
      "\n"
      "  tessera generate \"def fibonacci(n):\" --max-tokens 64\n"
      "  tessera generate --system \"Be brief.\" --user \"What is a monad?\" --temperature 0.7\n",
      options_help(rows_for(options, pending)));
}

}  // namespace tessera
