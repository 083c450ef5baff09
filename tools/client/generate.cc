#include "tools/client/generate.h"

#include <map>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/client/connection.h"
#include "tools/client/event_json.h"
#include "tools/client/generate_options.h"
#include "tools/client/interrupt.h"

namespace tessera {
namespace {

constexpr int kFailed = 1, kUsage = 2, kInterrupted = 130;

const char* reason_text(v1::FinishReason reason) {
  switch (reason) {
    case v1::FINISH_REASON_STOP:
      return "stop";
    case v1::FINISH_REASON_LENGTH:
      return "length";
    case v1::FINISH_REASON_CANCELLED:
      return "cancelled";
    default:
      return "unknown";
  }
}

// Shows the events of one call: the first output as it comes, further ones after it.
class Display {
 public:
  Display(const GenerateOptions& options, std::ostream& out) : options_(options), out_(out) {}

  void show(const v1::GenerateTextEvent& event) {
    if (options_.json) {
      out_ << event_json(event) << std::endl;
    } else if (event.has_delta()) {
      show_delta(event.delta());
    }
    if (event.has_finished())
      reasons_[event.finished().output_index()] = reason_text(event.finished().reason());
    if (event.has_completed()) completed_ = event.completed();
  }

  void end() {
    if (options_.json) return;
    // What follows on the terminal begins a line of its own.
    if (ends_without_newline_) out_ << '\n';
    for (const auto& [index, text] : later_) {
      out_ << "--- output " << index << '\n' << text;
      if (!text.empty() && text.back() != '\n') out_ << '\n';
    }
    out_.flush();
  }

  std::string stats() const {
    const v1::TextUsage& usage = completed_.usage();
    const v1::Timings& times = completed_.timings();
    const double decoding = times.total_seconds() - times.first_token_seconds();
    std::string text = absl::StrFormat(
        "prompt %d tokens (%d cached), output %d tokens, queue %.3f s, first token %.3f s, "
        "all %.3f s",
        usage.prompt_tokens(), usage.cached_prompt_tokens(), usage.completion_tokens(),
        times.queue_seconds(), times.first_token_seconds(), times.total_seconds());
    if (usage.completion_tokens() > 1 && decoding > 0)
      absl::StrAppendFormat(&text, ", %.1f tokens/s after the first",
                            (usage.completion_tokens() - 1) / decoding);
    if (usage.draft_tokens() > 0)
      absl::StrAppendFormat(&text, ", %d of %d drafts accepted", usage.accepted_draft_tokens(),
                            usage.draft_tokens());
    if (times.preemptions() > 0)
      absl::StrAppendFormat(&text, ", preempted %d times", times.preemptions());
    for (const auto& [index, reason] : reasons_)
      absl::StrAppend(&text, index == 0 ? ", ended by " : ", ", reason);
    return text;
  }

 private:
  void show_delta(const v1::TextDelta& delta) {
    if (delta.output_index() != 0) {
      later_[delta.output_index()] += delta.text();
      return;
    }
    if (delta.text().empty()) return;
    out_ << delta.text() << std::flush;
    ends_without_newline_ = delta.text().back() != '\n';
  }

  const GenerateOptions& options_;
  std::ostream& out_;
  std::map<int, std::string> later_, reasons_;
  v1::TextCompleted completed_;
  bool ends_without_newline_ = false;
};

}  // namespace

int run_generate(const std::vector<std::string>& arguments, std::istream& in, std::ostream& out,
                 std::ostream& err) {
  absl::StatusOr<GenerateOptions> options = parse_generate(arguments, in);
  if (!options.ok()) {
    err << "tessera generate: " << options.status().message() << '\n';
    return kUsage;
  }
  if (options->help) {
    out << generate_help();
    return 0;
  }
  Connection connection(options->address);
  Interrupt interrupt([&] { connection.cancel(); });
  Display display(*options, out);
  const absl::Status status =
      connection.generate(options->request, options->timeout_seconds,
                          [&](const v1::GenerateTextEvent& event) { display.show(event); });
  display.end();
  if (interrupt.happened()) return kInterrupted;
  if (!status.ok()) {
    err << "tessera: " << status.message() << " (" << absl::StatusCodeToString(status.code())
        << ")\n";
    return kFailed;
  }
  if (options->stats) err << display.stats() << '\n';
  return 0;
}

}  // namespace tessera
