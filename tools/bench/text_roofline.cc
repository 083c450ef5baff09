// text_roofline: how near the daemon comes to what the machine can do. Makes a random model of a
// real shape, serves it with a tesserad of its own, measures decoding and prefill through gRPC
// between samples of the machine's peaks, and prints a table and a last line of JSON.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "kernels/core/float_mode.h"
#include "kernels/cpu/threads/compute_pool.h"
#include "tools/bench/daemon/daemon_process.h"
#include "tools/bench/random_model/model_writer.h"
#include "tools/bench/roofline/report.h"
#include "tools/bench/roofline/roofline.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUsage =
    "usage: text_roofline [OPTION VALUE]...\n"
    "  --model-dir DIR   where the random models are kept; made on the first run\n"
    "  --shape NAME      a shape of make_random_model, qwen2.5-0.5b unless said\n"
    "  --daemon FILE     the tesserad to measure; the one beside this program unless said\n"
    "  --isa LEVEL       auto, scalar, avx2, avx512, avx512_bf16 or amx; auto unless said\n"
    "  --threads N       compute threads; as many as the daemon takes by itself unless said\n"
    "  --samples N       rounds, of which the medians are taken; 7 unless said\n";

struct Options {
  std::string shape = "qwen2.5-0.5b";
  std::string model_dir, daemon;
  std::string isa = "auto";
  int threads = 0;
  int samples = 7;
};

bool parse(int argc, char** argv, Options& options) {
  for (int at = 1; at < argc; at += 2) {
    if (at + 1 == argc) return false;
    const std::string_view name = argv[at];
    const char* const value = argv[at + 1];
    if (name == "--model-dir") {
      options.model_dir = value;
    } else if (name == "--shape") {
      options.shape = value;
    } else if (name == "--daemon") {
      options.daemon = value;
    } else if (name == "--isa") {
      options.isa = value;
    } else if (name == "--threads") {
      options.threads = std::atoi(value);
    } else if (name == "--samples") {
      options.samples = std::atoi(value);
    } else {
      return false;
    }
  }
  return options.samples >= 1 && options.threads >= 0 && options.threads <= 1024;
}

void show_progress(const std::string& words) {
  std::fprintf(stderr, "%s\n", words.c_str());
  std::fflush(stderr);
}

std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown CPU";
}

absl::Status run(const Options& options) {
  const absl::StatusOr<IsaLevel> isa = limit_isa(options.isa);
  if (!isa.ok()) return isa.status();
  const absl::StatusOr<ModelShape> shape = find_shape(options.shape);
  if (!shape.ok()) return shape.status();
  const absl::StatusOr<std::string> model =
      ready_random_model(*shape, options.model_dir, show_progress);
  if (!model.ok()) return model.status();

  const FlushSubnormals flush;
  ComputePool pool(options.threads);
  MachinePeaks peaks(pool, *isa);
  show_progress("starting tesserad");
  const auto daemon = DaemonProcess::start(
      {options.daemon,
       *model,
       {"device.isa=" + options.isa, "device.threads=" + std::to_string(pool.threads()),
        "kv_cache.bytes=512MiB", "model.sampling_defaults=neutral"}});
  if (!daemon.ok()) return daemon.status();
  const TextLoad load((*daemon)->grpc_address(), (*daemon)->metrics_address());
  const auto loads = measure_roofline(load, peaks, options.samples, show_progress);
  if (!loads.ok()) return loads.status();
  const ModelWork work = work_of(shape->config);
  const BenchedMachine machine = {cpu_name(),     std::string(name_of(*isa)),
                                  shape->name,    detect_isa() == IsaLevel::kAmx,
                                  pool.threads(), options.samples};
  std::printf("%s\n%s\n", table_text(machine, *loads, work).c_str(),
              json_text(machine, *loads, work).c_str());
  return absl::OkStatus();
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
  if (absl::Status status = run(options); !status.ok()) {
    std::fprintf(stderr, "text_roofline: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}
