// diffusion_policies: what do the policies of diffusion give, and what do they cost? Serves the
// shipped models and random networks of published shapes with a tesserad of its own, each policy
// against none in one run. Prints tables and a last line of JSON; tools/bench/README.md says what
// the numbers mean. Ends with 1 when a section could not be measured.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "tools/bench/diffusion/benchmark.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUsage =
    "usage: diffusion_policies [OPTION VALUE]...\n"
    "  --sections LIST     of images,videos,actions,batching,random; all unless said\n"
    "  --models DIR        with shapes-dit, shapes-latte and push-policy; deploy/models of the\n"
    "                      source unless said\n"
    "  --daemon FILE       the tesserad to measure; the one beside this program unless said\n"
    "  --seeds N           pictures and videos that quality is measured on, at least 4; 64 unless "
    "said\n"
    "  --screen-seeds N    of them, those that choose among the sweep, at least 4; 8 unless said\n"
    "  --steps LIST        of pictures and videos, each in turn; 50,100 unless said\n"
    "  --guidance X        of pictures and videos, its scale, 1 to 100; 2 unless said\n"
    "  --episodes N        of the policy, under every setting, 2000 unless said\n"
    "  --repeats N         of what is only timed, 5 unless said\n"
    "  --random-shapes LIST\n"
    "                      the random networks; dit-xl-2-256,latte-1 unless said\n"
    "  --random-layers N   of the random networks, as published unless said\n"
    "  --random-steps N    of the random networks, 20 unless said\n"
    "  --random-side N     of their latents, 16 unless said; 32 is 256 pixels\n"
    "  --random-frames N   of the random videos, 4 unless said\n"
    "  --set KEY=VALUE     a further setting of the daemons; may be repeated\n";

bool parse_count(const char* text, int low, int high, int& value) {
  char* end = nullptr;
  const long number = std::strtol(text, &end, 10);
  if (end == text || *end != '\0' || number < low || number > high) return false;
  value = static_cast<int>(number);
  return true;
}

bool parse_counts(const char* text, int low, int high, std::vector<int>& numbers) {
  numbers.clear();
  for (const std::string& word : std::vector<std::string>(absl::StrSplit(text, ','))) {
    if (!parse_count(word.c_str(), low, high, numbers.emplace_back())) return false;
  }
  return true;
}

// Some of the names that `names` has.
bool parse_names(const char* text, std::vector<std::string>& names) {
  const std::vector<std::string> known = names;
  names = absl::StrSplit(text, ',');
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    return std::find(known.begin(), known.end(), name) != known.end();
  });
}

bool parse_scale(const char* text, double& value) {
  return absl::SimpleAtod(text, &value) && value >= 1 && value <= 100;
}

bool parse_option(std::string_view name, const char* value, BenchmarkOptions& options) {
  if (name == "--sections") {
    const std::set<std::string> known = options.sections;
    options.sections = absl::StrSplit(value, ',');
    for (const std::string& section : options.sections) {
      if (!known.contains(section)) return false;
    }
    return true;
  }
  if (name == "--models") return !(options.models = value).empty();
  if (name == "--daemon") return !(options.daemon = value).empty();
  if (name == "--set") return options.sets.emplace_back(value), true;
  // Requests have four samples, or two.
  if (name == "--seeds") return parse_count(value, 4, 100'000, options.seeds);
  if (name == "--screen-seeds") return parse_count(value, 4, 100'000, options.screen_seeds);
  if (name == "--steps") return parse_counts(value, 2, 1000, options.steps);
  if (name == "--guidance") return parse_scale(value, options.guidance);
  if (name == "--episodes") return parse_count(value, 1, 1'000'000, options.episodes);
  if (name == "--repeats") return parse_count(value, 1, 1000, options.repeats);
  if (name == "--random-shapes") return parse_names(value, options.random_shapes);
  if (name == "--random-layers") return parse_count(value, 4, 28, options.random_layers);
  if (name == "--random-steps") return parse_count(value, 2, 1000, options.random_steps);
  if (name == "--random-side") return parse_count(value, 2, 128, options.random_side);
  if (name == "--random-frames") return parse_count(value, 1, 64, options.random_frames);
  return false;
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  using namespace tessera;  // NOLINT: this program's own names
  if (argc == 2 && (std::string_view(argv[1]) == "--help" || std::string_view(argv[1]) == "-h")) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  BenchmarkOptions options;
  options.daemon = fs::read_symlink("/proc/self/exe").parent_path() / "tesserad";
  options.models = std::string(TESSERA_SOURCE_DIR) + "/deploy/models";
  for (int at = 1; at < argc; at += 2) {
    const char* const value = at + 1 < argc ? argv[at + 1] : "";
    if (at + 1 < argc && parse_option(argv[at], value, options)) continue;
    std::fprintf(stderr, "%sdiffusion_policies: not taken: %s %s\n", kUsage, argv[at], value);
    return 2;
  }
  const absl::StatusOr<DiffusionReport> report =
      run_benchmark(options, [](const std::string& words) {
        std::fprintf(stderr, "%s\n", words.c_str());
        std::fflush(stderr);
      });
  if (!report.ok()) {
    std::fprintf(stderr, "diffusion_policies: %s\n",
                 std::string(report.status().message()).c_str());
    return 1;
  }
  std::printf("%s%s\n", table_text(*report).c_str(), json_text(*report).c_str());
  return 0;
}
