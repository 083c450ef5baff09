#include "tools/client/denoise_options.h"

#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/client/input_file.h"
#include "tools/client/options.h"
#include "tools/client/policy_option.h"
#include "tools/client/tensor_json.h"

namespace tessera {
namespace {

// What cannot go into the request before all options are known.
struct Pending {
  std::string negative, embeddings, latents, observations;
  bool has_negative = false, has_class = false;
  int64_t class_label = 0;
};

absl::Status wrong(absl::string_view what) { return absl::InvalidArgumentError(std::string(what)); }

std::function<absl::Status(const std::string&)> into_numbers(
    google::protobuf::RepeatedField<double>& list) {
  return [&list](const std::string& text) {
    const std::vector<std::string> parts = absl::StrSplit(text, ',');
    for (const std::string& part : parts) {
      double value = 0;
      if (absl::Status status = parse_real(part, value); !status.ok()) return status;
      list.Add(value);
    }
    return absl::OkStatus();
  };
}

void add_condition(Pending& pending, std::vector<Option>& rows) {
  rows.push_back({"--class", "N", "class of the picture, for models of classes",
                  with_integer([&](int64_t v) {
                    pending.has_class = true;
                    pending.class_label = v;
                  }),
                  "What to make (instead of PROMPT):"});
  rows.push_back({"--embeddings", "FILE",
                  "JSON {\"prompt\": [[...]], \"pooled\": [...], \"negative_prompt\", ...}",
                  into_text(pending.embeddings)});
  rows.push_back({"--negative", "TEXT", "what guidance leads away from, with PROMPT",
                  with_text([&](const std::string& text) {
                    pending.has_negative = true;
                    pending.negative = text;
                  })});
}

template <class Request>
void add_sizes(Request& r, std::vector<Option>& rows) {
  rows.push_back({"--height", "N", "pixels", with_integer([&](int64_t v) { r.set_height(v); })});
  rows.push_back({"--width", "N", "pixels", with_integer([&](int64_t v) { r.set_width(v); })});
}

void add_denoising(DenoiseOptions& o, v1::Denoising& d, Pending& pending,
                   std::vector<Option>& rows) {
  rows.push_back({"--steps", "N", "steps from noise to result",
                  with_integer([&](int64_t v) { d.set_steps(v); }),
                  "How to make it (absent = the model's own defaults):"});
  rows.push_back({"--solver", "NAME", "how a step is taken; a wrong name gets the list",
                  with_text([&](const std::string& text) { d.set_solver(text); })});
  rows.push_back({"--timesteps", "T,T,...", "every timestep, instead of --steps",
                  into_numbers(*d.mutable_timesteps())});
  rows.push_back({"--sigmas", "S,S,...", "every noise level, for flow matching",
                  into_numbers(*d.mutable_sigmas())});
  rows.push_back({"--guidance", "X", "how strongly the condition leads; 1 = no guidance",
                  with_number([&](double v) { d.set_guidance_scale(v); })});
  rows.push_back({"--eta", "X", "share of fresh noise in every step, 0 to 1",
                  with_number([&](double v) { d.set_eta(v); })});
  rows.push_back(
      {"--seed", "N", "same seed, same result", with_seed([&](uint64_t v) { d.set_seed(v); })});
  const auto samples = with_integer([&](int64_t v) {
    d.set_samples(v);
    o.samples = v;
  });
  rows.push_back({"-n", "N", "results, 1 to 64, each from noise of its own", samples});
  rows.push_back({"--noise", "NAME", "counter, or torch_cpu or torch_cuda: the numbers of torch",
                  with_text([&](const std::string& text) { d.set_noise(text); })});
  rows.push_back(
      {"--latents", "FILE", "JSON array: the initial noise itself", into_text(pending.latents)});
}

void add_output(DenoiseOptions& o, v1::PictureOutput& p, const char* out_value,
                const char* out_help, std::vector<Option>& rows) {
  rows.push_back({"--out", out_value, out_help, into_text(o.out), "What to write and show:"});
  rows.push_back(
      {"--raw", "", "pixels in [0, 1] as NumPy files instead of PNG", [&p](const std::string&) {
         p.set_png(false);
         return absl::OkStatus();
       }});
  rows.push_back(
      {"--raw-latents", "", "latents as NumPy files, not decoded", [&p](const std::string&) {
         p.set_latents(true);
         return absl::OkStatus();
       }});
  rows.push_back({"--preview", "N", "a picture every N steps, beside the result",
                  with_integer([&](int64_t v) { p.set_preview_steps(v); })});
  rows.push_back({"--trace", "", "with --json: what was computed or reused in every step",
                  [&p](const std::string&) {
                    p.set_trace(true);
                    return absl::OkStatus();
                  }});
}

template <class Request>
void add_service(DenoiseOptions& o, Request& r, std::vector<Option>& rows) {
  rows.push_back({"--json", "", "every event as a line of JSON", into_flag(o.json)});
  rows.push_back({"--stats", "", "times and reuse, on stderr at the end", into_flag(o.stats)});
  rows.push_back({"--quiet", "", "no progress on stderr", into_flag(o.quiet)});
  rows.push_back({"--policy", "NAME:K=V,...",
                  "a cache or guidance policy and its parameters; may be repeated",
                  [&r](const std::string& text) { return add_policy(text, *r.mutable_policies()); },
                  "How to serve it:"});
  rows.push_back({"--address", "HOST:PORT", "the daemon; 127.0.0.1:50051", into_text(o.address)});
  rows.push_back({"--timeout", "SECONDS", "give up after", into_time(o.timeout_seconds)});
  rows.push_back({"--model", "NAME", "which model, where a daemon has several",
                  with_text([&r](const std::string& text) { r.set_model(text); })});
  rows.push_back({"--request-id", "ID", "unique among the live requests",
                  with_text([&r](const std::string& text) { r.set_request_id(text); })});
  rows.push_back({"--priority", "N", "higher goes first",
                  with_small_integer([&r](int32_t v) { r.set_priority(v); })});
  rows.push_back({"--help", "", "this", into_flag(o.help)});
}

absl::Status read_tensor(const std::string& option, const std::string& file, v1::Tensor& out) {
  const absl::StatusOr<std::string> text = read_input_file(file);
  if (!text.ok()) return wrong(absl::StrCat(option, ": ", text.status().message()));
  const absl::Status status = parse_tensor(*text, out);
  return status.ok() ? status : wrong(absl::StrCat(option, ": ", file, " ", status.message()));
}

absl::Status read_embeddings(const std::string& file, v1::PromptEmbeddings& out) {
  const absl::StatusOr<std::string> text = read_input_file(file);
  if (!text.ok()) return wrong(absl::StrCat("--embeddings: ", text.status().message()));
  const auto find = [&out](const std::string& name) -> v1::Tensor* {
    if (name == "prompt") return out.mutable_prompt();
    if (name == "pooled") return out.mutable_pooled();
    if (name == "negative_prompt") return out.mutable_negative_prompt();
    return name == "negative_pooled" ? out.mutable_negative_pooled() : nullptr;
  };
  const absl::Status status = parse_tensors(*text, find);
  return status.ok() ? status : wrong(absl::StrCat("--embeddings: ", file, " ", status.message()));
}

template <class Request>
absl::Status set_condition(const Pending& pending, const std::vector<std::string>& positional,
                           std::istream& in, Request& request) {
  if (positional.size() > 1)
    return wrong(absl::StrCat("one prompt at a time; '", positional[1],
                              "' is a second one (quote a prompt that has spaces)"));
  const int given =
      static_cast<int>(positional.size()) + pending.has_class + !pending.embeddings.empty();
  if (given == 0) return wrong("nothing to make: give a prompt, - for stdin, or --class");
  if (given > 1) return wrong("give either a prompt, or --class, or --embeddings");
  if (pending.has_negative && positional.empty()) return wrong("--negative belongs to a prompt");
  if (pending.has_class) request.set_class_label(pending.class_label);
  if (!positional.empty()) {
    v1::Prompt& prompt = *request.mutable_prompt();
    prompt.set_text(positional[0] == "-" ? std::string(std::istreambuf_iterator<char>(in),
                                                       std::istreambuf_iterator<char>())
                                         : positional[0]);
    if (pending.has_negative) prompt.set_negative(pending.negative);
  }
  if (!pending.embeddings.empty())
    return read_embeddings(pending.embeddings, *request.mutable_embeddings());
  return absl::OkStatus();
}

absl::Status set_latents(const Pending& pending, v1::Denoising& denoising) {
  if (pending.latents.empty()) return absl::OkStatus();
  return read_tensor("--latents", pending.latents, *denoising.mutable_latents());
}

std::vector<Option> image_rows(DenoiseOptions& options, Pending& pending) {
  auto& request = options.request.emplace<v1::GenerateImageRequest>();
  std::vector<Option> rows;
  add_condition(pending, rows);
  add_denoising(options, *request.mutable_denoising(), pending, rows);
  add_sizes(request, rows);
  add_output(options, *request.mutable_output(), "FILE",
             "image.png; of several, %d stands for the number: cat-%d.png", rows);
  add_service(options, request, rows);
  return rows;
}

std::vector<Option> video_rows(DenoiseOptions& options, Pending& pending) {
  auto& request = options.request.emplace<v1::GenerateVideoRequest>();
  std::vector<Option> rows;
  add_condition(pending, rows);
  add_denoising(options, *request.mutable_denoising(), pending, rows);
  add_sizes(request, rows);
  rows.push_back(
      {"--frames", "N", "of the video", with_integer([&](int64_t v) { request.set_frames(v); })});
  add_output(options, *request.mutable_output(), "FOLDER",
             "video; gets frame_0000.png, ...; of several, %d stands for the number", rows);
  add_service(options, request, rows);
  return rows;
}

std::vector<Option> act_rows(DenoiseOptions& options, Pending& pending) {
  auto& request = options.request.emplace<v1::PredictActionRequest>();
  std::vector<Option> rows;
  add_denoising(options, *request.mutable_denoising(), pending, rows);
  rows.push_back({"--trace", "", "with --json: what was computed or reused in every step",
                  [&request](const std::string&) {
                    request.set_trace(true);
                    return absl::OkStatus();
                  },
                  "What to show:"});
  rows.push_back({"--whole-horizon", "", "also the steps that are not to be executed",
                  [&request](const std::string&) {
                    request.set_whole_horizon(true);
                    return absl::OkStatus();
                  }});
  add_service(options, request, rows);
  return rows;
}

// "[[...]]" itself, "-" for stdin, or the name of a file.
absl::Status set_observations(const std::vector<std::string>& positional, std::istream& in,
                              v1::Tensor& out) {
  if (positional.size() != 1)
    return wrong(
        "give the observations: a JSON array of steps, a file that holds it, or - for stdin");
  const std::string& given = positional[0];
  if (given != "-" && !absl::StartsWith(given, "[")) return read_tensor("observations", given, out);
  const absl::Status status = parse_tensor(
      given == "-"
          ? std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>())
          : given,
      out);
  return status.ok() ? status : wrong(absl::StrCat("the observations: ", status.message()));
}

template <class Request, class Rows>
absl::StatusOr<DenoiseOptions> parse_pictures(const std::vector<std::string>& arguments,
                                              std::istream& in, Rows rows) {
  DenoiseOptions options;
  Pending pending;
  std::vector<std::string> positional;
  absl::Status status = parse_options(rows(options, pending), arguments, positional);
  if (!status.ok()) return status;
  if (options.help) return options;
  auto& request = std::get<Request>(options.request);
  status = set_condition(pending, positional, in, request);
  if (status.ok()) status = set_latents(pending, *request.mutable_denoising());
  if (!status.ok()) return status;
  return options;
}

template <class Rows>
std::string help(const char* head, Rows rows) {
  DenoiseOptions options;
  Pending pending;
  return absl::StrCat(head, options_help(rows(options, pending)));
}

}  // namespace

absl::StatusOr<DenoiseOptions> parse_image(const std::vector<std::string>& arguments,
                                           std::istream& in) {
  return parse_pictures<v1::GenerateImageRequest>(arguments, in, image_rows);
}

absl::StatusOr<DenoiseOptions> parse_video(const std::vector<std::string>& arguments,
                                           std::istream& in) {
  return parse_pictures<v1::GenerateVideoRequest>(arguments, in, video_rows);
}

absl::StatusOr<DenoiseOptions> parse_act(const std::vector<std::string>& arguments,
                                         std::istream& in) {
  DenoiseOptions options;
  Pending pending;
  std::vector<std::string> positional;
  absl::Status status = parse_options(act_rows(options, pending), arguments, positional);
  if (!status.ok()) return status;
  if (options.help) return options;
  auto& request = std::get<v1::PredictActionRequest>(options.request);
  status = set_observations(positional, in, *request.mutable_observations());
  if (status.ok()) status = set_latents(pending, *request.mutable_denoising());
  if (!status.ok()) return status;
  return options;
}

std::string image_help() {
  return help(
      "tessera image [options] [PROMPT]\n"
      "Makes pictures and writes them as PNG. PROMPT - is read from stdin. Ctrl-C stops.\n"
      "\n"
      "  tessera image --class 3 --seed 7 --out cat.png\n"
      "  tessera image \"a red ball on grass\" --steps 20 --guidance 5 -n 4 --out ball-%d.png\n",
      image_rows);
}

std::string video_help() {
  return help(
      "tessera video [options] [PROMPT]\n"
      "Makes videos and writes their frames as numbered PNGs. PROMPT - is read from stdin. Ctrl-C "
      "stops.\n"
      "\n"
      "  tessera video \"a ball rolls\" --frames 16 --seed 7 --out ball\n",
      video_rows);
}

std::string act_help() {
  return help(
      "tessera act [options] OBSERVATIONS\n"
      "Predicts a robot's next actions and prints them as JSON, [[step], ...], a line a sample.\n"
      "OBSERVATIONS is [[step], ...] itself, the latest last, or a file that holds it, or - for "
      "stdin.\n"
      "\n"
      "  tessera act \"[[0.1, 0.2, 0.3], [0.1, 0.25, 0.3]]\" --seed 7\n"
      "  tessera act observations.json --policy NAME\n",
      act_rows);
}

}  // namespace tessera
