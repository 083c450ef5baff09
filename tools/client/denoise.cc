#include "tools/client/denoise.h"

#include <unistd.h>

#include <iostream>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/client/connection.h"
#include "tools/client/denoise_options.h"
#include "tools/client/event_json.h"
#include "tools/client/interrupt.h"
#include "tools/client/output_files.h"
#include "tools/client/progress.h"
#include "tools/client/tensor_json.h"

namespace tessera {
namespace {

constexpr int kFailed = 1, kUsage = 2, kInterrupted = 130;

// What the events of one call become: files, lines on `out`, progress.
class Display {
 public:
  Display(const DenoiseOptions& options, OutputFiles files, Progress& progress, std::ostream& out)
      : options_(options), files_(std::move(files)), progress_(progress), out_(out) {}

  // Not OK when a file cannot be written, or parts do not fit together.
  absl::Status show(const v1::DenoiseEvent& event) {
    absl::StatusOr<std::string> file = "";
    if (event.has_queued()) progress_.queued(event.queued().position());
    if (event.has_step()) progress_.step(event.step().step(), event.step().steps());
    if (event.has_preview()) file = files_.take(event.preview());
    if (event.has_result()) file = files_.take(event.result());
    if (!file.ok()) return file.status();
    if (event.has_actions()) add_actions(event.actions());
    if (event.has_completed()) completed_ = event.completed();
    if (options_.json) {
      out_ << event_json(event, *file) << std::endl;
    } else if (event.has_result() && !file->empty()) {
      written_.push_back(*std::move(file));
    }
    return absl::OkStatus();
  }

  void end() {
    progress_.end();
    if (options_.json) return;
    for (const std::string& file : files_.summary(written_)) out_ << file << '\n';
    for (const auto& [sample, actions] : actions_) out_ << tensor_json(actions) << '\n';
    out_.flush();
  }

  // What the client should know of a call that went well.
  const google::protobuf::RepeatedPtrField<std::string>& notes() const {
    return completed_.notes();
  }

  std::string stats() const {
    const v1::DenoiseTimings& times = completed_.timings();
    const v1::DenoiseUsage& usage = completed_.usage();
    const auto branches = static_cast<double>(usage.branches_computed() + usage.branches_kept() +
                                              usage.branches_reused());
    std::string text = absl::StrFormat(
        "queue %.3f s, condition %.3f s, denoise %.3f s, decode %.3f s, "
        "all %.3f s",
        times.queue_seconds(), times.condition_seconds(), times.denoise_seconds(),
        times.decode_seconds(), times.total_seconds());
    if (branches > 0)
      absl::StrAppendFormat(&text, ", %.1f %% of %.0f branches reused",
                            100 * usage.branches_reused() / branches, branches);
    return text;
  }

 private:
  void add_actions(const v1::Actions& actions) {
    v1::Tensor& all = actions_[actions.sample()];
    if (all.shape_size() != 2) {
      all = actions.values();
      return;
    }
    all.set_shape(0, all.shape(0) + actions.values().shape(0));
    all.mutable_values()->MergeFrom(actions.values().values());
  }

  const DenoiseOptions& options_;
  OutputFiles files_;
  Progress& progress_;
  std::ostream& out_;
  std::vector<std::string> written_;
  std::map<int32_t, v1::Tensor> actions_;
  v1::DenoiseCompleted completed_;
};

// What differs between the commands.
struct Command {
  const char* name;
  absl::StatusOr<DenoiseOptions> (*parse)(const std::vector<std::string>&, std::istream&);
  std::string (*help)();
  OutputFiles::Kind kind;
};

int fail(std::ostream& err, const absl::Status& status) {
  err << "tessera: " << status.message() << " (" << absl::StatusCodeToString(status.code())
      << ")\n";
  return kFailed;
}

int run(const Command& command, const std::vector<std::string>& arguments, std::istream& in,
        std::ostream& out, std::ostream& err) {
  absl::StatusOr<DenoiseOptions> options = command.parse(arguments, in);
  if (!options.ok()) {
    err << "tessera " << command.name << ": " << options.status().message() << '\n';
    return kUsage;
  }
  if (options->help) {
    out << command.help();
    return 0;
  }
  absl::StatusOr<OutputFiles> files =
      OutputFiles::create(command.kind, options->out, options->samples);
  if (!files.ok()) {
    err << "tessera " << command.name << ": " << files.status().message() << '\n';
    return kUsage;
  }
  const bool terminal = &err == &std::cerr && isatty(STDERR_FILENO) == 1;
  Progress progress(options->quiet || options->json ? Progress::Style::kNone
                    : terminal                      ? Progress::Style::kBar
                                                    : Progress::Style::kLines,
                    err);
  Connection connection(options->address);
  Interrupt interrupt([&] { connection.cancel(); });
  Display display(*options, *std::move(files), progress, out);
  absl::Status shown;
  const absl::Status status = std::visit(
      [&](const auto& request) {
        return connection.generate(request, options->timeout_seconds,
                                   [&](const v1::DenoiseEvent& event) {
                                     if (!shown.ok()) return;
                                     shown = display.show(event);
                                     if (!shown.ok()) connection.cancel();
                                   });
      },
      options->request);
  display.end();
  if (interrupt.happened()) return kInterrupted;
  if (!shown.ok()) return fail(err, shown);
  if (!status.ok()) return fail(err, status);
  for (const std::string& note : display.notes()) err << "tessera: note: " << note << '\n';
  if (options->stats) err << display.stats() << '\n';
  return 0;
}

}  // namespace

int run_image(const std::vector<std::string>& arguments, std::istream& in, std::ostream& out,
              std::ostream& err) {
  return run({"image", parse_image, image_help, OutputFiles::Kind::kImages}, arguments, in, out,
             err);
}

int run_video(const std::vector<std::string>& arguments, std::istream& in, std::ostream& out,
              std::ostream& err) {
  return run({"video", parse_video, video_help, OutputFiles::Kind::kFolders}, arguments, in, out,
             err);
}

int run_act(const std::vector<std::string>& arguments, std::istream& in, std::ostream& out,
            std::ostream& err) {
  return run({"act", parse_act, act_help, OutputFiles::Kind::kNone}, arguments, in, out, err);
}

}  // namespace tessera
