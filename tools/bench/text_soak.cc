// text_soak: does the daemon hold what it promises for long? Serves a random model of a real shape
// with a tesserad of its own under mixed load, and compares its memory with the plan it made at
// start, its steps with what the cost model predicted, and what is left of the load with nothing.
// Prints a table and a last line of JSON; ends with 1 when something failed or was left.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bench/daemon/daemon_process.h"
#include "tools/bench/random_model/model_writer.h"
#include "tools/bench/soak/report.h"
#include "tools/bench/soak/soak.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUsage =
    "usage: text_soak [OPTION VALUE]...\n"
    "  --minutes N       how long the load lasts, 30 unless said\n"
    "  --shape NAME      a shape of make_random_model, llama-3.2-3b unless said\n"
    "  --model-dir DIR   where the random models are kept; made on the first run\n"
    "  --daemon FILE     the tesserad to measure; the one beside this program unless said\n"
    "  --clients N       requests at a time, 4 unless said\n"
    "  --context LOW-HIGH  tokens of prompt and output, 2048-8192 unless said\n"
    "  --set KEY=VALUE   a further setting of the daemon; may be repeated\n";

struct Options {
  double minutes = 30;
  std::string shape = "llama-3.2-3b";
  std::string model_dir, daemon;
  MixedLoadShape load;
  std::vector<std::string> sets;
};

bool parse(int argc, char** argv, Options& options) {
  for (int at = 1; at < argc; at += 2) {
    if (at + 1 == argc) return false;
    const std::string_view name = argv[at];
    const char* const value = argv[at + 1];
    if (name == "--minutes") {
      options.minutes = std::atof(value);
    } else if (name == "--shape") {
      options.shape = value;
    } else if (name == "--model-dir") {
      options.model_dir = value;
    } else if (name == "--daemon") {
      options.daemon = value;
    } else if (name == "--clients") {
      options.load.clients = std::atoi(value);
    } else if (name == "--context") {
      if (std::sscanf(value, "%ld-%ld", &options.load.context_low, &options.load.context_high) !=
          2) {
        return false;
      }
    } else if (name == "--set") {
      options.sets.push_back(value);
    } else {
      return false;
    }
  }
  const MixedLoadShape& load = options.load;
  return options.minutes > 0 && load.clients >= 1 && load.clients <= 1000 &&
         load.context_low > load.output_high && load.context_low <= load.context_high;
}

void show_progress(const std::string& words) {
  std::fprintf(stderr, "%s\n", words.c_str());
  std::fflush(stderr);
}

absl::StatusOr<bool> run(const Options& options) {
  const absl::StatusOr<ModelShape> shape = find_shape(options.shape);
  if (!shape.ok()) return shape.status();
  const absl::StatusOr<std::string> model =
      ready_random_model(*shape, options.model_dir, show_progress);
  if (!model.ok()) return model.status();
  show_progress("starting tesserad");
  std::vector<std::string> sets = {"logging.level=info"};
  sets.insert(sets.end(), options.sets.begin(), options.sets.end());
  const auto daemon = DaemonProcess::start({options.daemon, *model, sets});
  if (!daemon.ok()) return daemon.status();
  const auto result = soak(**daemon, options.load, options.minutes * 60, show_progress);
  if (!result.ok()) return result.status();
  std::printf("%s%s\n", table_text(*result).c_str(), json_text(options.shape, *result).c_str());
  return result->load.failed == 0 && result->running + result->waiting + result->kv_usage == 0;
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  using namespace tessera;  // NOLINT: this program's own names
  if (argc == 2 && (std::string_view(argv[1]) == "--help" || std::string_view(argv[1]) == "-h")) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  Options options;
  const fs::path here = fs::read_symlink("/proc/self/exe").parent_path();
  options.daemon = here / "tesserad";
  options.model_dir = here.parent_path() / "bench_models";
  if (!parse(argc, argv, options)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  const absl::StatusOr<bool> held = run(options);
  if (!held.ok()) {
    std::fprintf(stderr, "text_soak: %s\n", std::string(held.status().message()).c_str());
    return 1;
  }
  return *held ? 0 : 1;
}
