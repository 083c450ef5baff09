#include "tools/bench/roofline/report.h"

#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"

namespace tessera {
namespace {

using nlohmann::ordered_json;

double tokens_per_second(const MeasuredLoad& load) {
  return load.shape.streams / load.median_of(&LoadTimes::step_seconds);
}

double decode_bytes(const MeasuredLoad& load, const ModelWork& work) {
  return work.step_bytes(load.shape.streams, load.median_of(&LoadTimes::mean_context));
}

// Where the time of a load goes, by the daemon's own counters over whole runs.
std::string split_text(const MeasuredLoad& load) {
  const double total = load.median_of(&LoadTimes::total_seconds);
  const double device = load.median_of(&LoadTimes::device_seconds);
  const double plan = load.median_of(&LoadTimes::plan_seconds);
  return absl::StrFormat("device %.1f%%, planning %.1f%%, other %.1f%% of %.2f s in %d steps",
                         100 * device / total, 100 * plan / total,
                         100 * (total - device - plan) / total, total, load.runs.front().steps);
}

std::string decode_row(const MeasuredLoad& load, const ModelWork& work) {
  const double step = load.median_of(&LoadTimes::step_seconds);
  const double rate = decode_bytes(load, work) / step;
  return absl::StrFormat("%-32s %8.2f %9.2f %8.2f GB/s %11.2f GB/s %9.2f %8.0f%%\n", load.name,
                         step * 1e3, tokens_per_second(load), rate / 1e9, load.read_rate / 1e9,
                         rate / load.read_rate, 100 * load.spread_of(&LoadTimes::step_seconds));
}

std::string prefill_row(const MeasuredLoad& load, double rate, const char* peak_name, double peak) {
  return absl::StrFormat("%-32s %8.0f %9.1f %8.1f GF/s %11.1f GF/s %9.2f %8.0f%%  %s\n", load.name,
                         load.median_of(&LoadTimes::first_token_seconds) * 1e3,
                         load.shape.prompt_tokens / load.median_of(&LoadTimes::first_token_seconds),
                         rate / 1e9, peak / 1e9, rate / peak,
                         100 * load.spread_of(&LoadTimes::first_token_seconds), peak_name);
}

}  // namespace

std::string table_text(const BenchedMachine& machine, const RooflineLoads& loads,
                       const ModelWork& work) {
  const RooflineFractions fractions = fractions_of(loads, work);
  std::string text = absl::StrFormat(
      "%s, random bf16 weights, through gRPC on %s: %d threads, isa %s, medians of %d\n\n",
      machine.model, machine.cpu, machine.threads, machine.isa, machine.samples);
  absl::StrAppendFormat(&text, "%-32s %8s %9s %13s %16s %9s %9s\n", "load", "ms", "tokens/s",
                        "achieved", "machine", "fraction", "spread");
  text += decode_row(loads.decode, work);
  text += decode_row(loads.decode_4k, work);
  text += decode_row(loads.batch16, work);
  const double prefill_rate = work.prompt_flops(loads.prefill.shape.prompt_tokens) /
                              loads.prefill.median_of(&LoadTimes::first_token_seconds);
  if (loads.prefill.fma_rate > 0) {
    text += prefill_row(loads.prefill, prefill_rate, "of f32 FMA", loads.prefill.fma_rate);
  }
  if (loads.prefill.pair_rate > 0) {
    text += prefill_row(loads.prefill, prefill_rate, "of VDPBF16PS", loads.prefill.pair_rate);
  }
  if (loads.prefill.tile_rate > 0) {
    text += prefill_row(loads.prefill, prefill_rate, "of AMX", loads.prefill.tile_rate);
  } else {
    text +=
        machine.has_amx
            ? "prefill against the AMX peak: not measured, as another level than AMX is forced\n"
            : "prefill against the AMX peak: cannot be measured here, this CPU has no AMX\n";
  }
  absl::StrAppendFormat(&text, "a step of 16 streams takes %.2f times a step of one\n\n",
                        fractions.batch16_step_ratio);
  for (const MeasuredLoad* load :
       {&loads.decode, &loads.decode_4k, &loads.batch16, &loads.prefill}) {
    absl::StrAppendFormat(&text, "%-32s %s\n", load->name, split_text(*load));
  }
  text +=
      "\nms: a step, or the time to the first token. achieved: bytes a step must read (packed\n"
      "weights with the output head, and KV), or operations of the prompt, per second. machine:\n"
      "all threads reading a buffer of 4 times the last-level cache, or multiplying between\n"
      "registers, sampled before and after each run. spread: (slowest - fastest) / median.\n";
  return text;
}

std::string json_text(const BenchedMachine& machine, const RooflineLoads& loads,
                      const ModelWork& work) {
  const RooflineFractions fractions = fractions_of(loads, work);
  const auto or_null = [](double value) {
    return value > 0 ? ordered_json(value) : ordered_json(nullptr);
  };
  const MeasuredLoad& prefill = loads.prefill;
  const double first_token = prefill.median_of(&LoadTimes::first_token_seconds);
  const ordered_json json = {
      {"model", machine.model},
      {"cpu", machine.cpu},
      {"threads", machine.threads},
      {"isa", machine.isa},
      {"samples", machine.samples},
      {"decode_bandwidth_fraction", fractions.decode},
      {"decode_bandwidth_fraction_4k", fractions.decode_4k},
      {"batch16_step_ratio", fractions.batch16_step_ratio},
      {"prefill_amx_fraction", or_null(fractions.prefill_tile)},
      {"prefill_fma_fraction", or_null(fractions.prefill_fma)},
      {"prefill_avx512_bf16_fraction", or_null(fractions.prefill_pair)},
      {"decode_tokens_per_second", tokens_per_second(loads.decode)},
      {"decode_tokens_per_second_4k", tokens_per_second(loads.decode_4k)},
      {"batch16_tokens_per_second", tokens_per_second(loads.batch16)},
      {"prefill_tokens_per_second", prefill.shape.prompt_tokens / first_token},
      {"prefill_seconds", first_token},
      {"weight_bytes", work.weight_bytes},
      {"decode_bytes_per_step", decode_bytes(loads.decode, work)},
      {"decode_bytes_per_step_4k", decode_bytes(loads.decode_4k, work)},
      {"prefill_flops", work.prompt_flops(prefill.shape.prompt_tokens)},
      {"read_bytes_per_second", loads.decode.read_rate},
      {"read_bytes_per_second_4k", loads.decode_4k.read_rate},
      {"fma_flops_per_second", or_null(prefill.fma_rate)},
      {"avx512_bf16_flops_per_second", or_null(prefill.pair_rate)},
      {"amx_flops_per_second", or_null(prefill.tile_rate)}};
  return json.dump();
}

}  // namespace tessera
