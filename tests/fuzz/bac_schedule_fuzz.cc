// Any bytes as an update schedule: an error that names the file, or a schedule that survives being
// printed and read again and that a policy can take for a plan or refuse in words.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "engine/branch/policies/bac.h"

namespace {

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "bac_schedule_fuzz: %s\n", what);
  std::abort();
}

void make_policy(const tessera::UpdateSchedule& schedule) {
  tessera::CacheModel model{.blocks = 1};
  model.sites = {{0, tessera::SiteKind::kSelf}, {0, tessera::SiteKind::kMlp}};
  model.fingerprint = schedule.checkpoint;
  model.schedules["default"] = schedule;
  const tessera::CacheJob job{.timesteps = schedule.timesteps, .solver = schedule.solver};
  const tessera::MadeCachePolicy policy = tessera::Bac::make({}, model, job);
  if (!policy.ok()) {
    expect(!policy.status().message().empty(), "a refusal without words");
    return;
  }
  const tessera::CachePlan& plan = (*policy)->plan();
  for (int site = 0; site < plan.sites; ++site) {
    expect(plan.at(site, 0) != tessera::CacheVerdict::kReuse, "step 0 reuses");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<tessera::UpdateSchedule> schedule =
      tessera::parse_update_schedule("fuzz.json", text);
  if (!schedule.ok()) {
    expect(schedule.status().message().substr(0, 9) == "fuzz.json", "an error without the file");
    return 0;
  }
  const auto again =
      tessera::parse_update_schedule("again.json", tessera::print_update_schedule(*schedule));
  expect(again.ok(), "what was printed cannot be read");
  expect(again->units == schedule->units && again->timesteps == schedule->timesteps,
         "reading back changed the schedule");
  make_policy(*schedule);
  return 0;
}
