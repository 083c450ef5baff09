#include "engine/diffusion/schedule_files.h"

#include <filesystem>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/weights/text_file.h"

namespace tessera {
namespace {

constexpr size_t kFilesMax = 64;
constexpr uint64_t kBytesMax = uint64_t{4} << 20;

}  // namespace

absl::StatusOr<std::map<std::string, UpdateSchedule>> read_schedule_files(
    const std::string& folder) {
  const std::filesystem::path schedules = std::filesystem::path(folder) / "schedules";
  std::map<std::string, UpdateSchedule> read;
  if (!path_exists(schedules.string())) return read;
  std::error_code error;
  std::set<std::filesystem::path> files;
  for (std::filesystem::directory_iterator at(schedules, error), end; !error && at != end;
       at.increment(error)) {
    if (at->path().extension() == ".json") files.insert(at->path());
    if (files.size() > kFilesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat(schedules.string(), ": more than ", kFilesMax, " schedules"));
    }
  }
  if (error) return absl::InvalidArgumentError(schedules.string() + ": " + error.message());
  for (const std::filesystem::path& file : files) {
    const std::string shown = absl::CHexEscape(file.string());
    const absl::StatusOr<std::string> text = read_text_file(file.string(), kBytesMax);
    if (!text.ok()) return text.status();
    absl::StatusOr<UpdateSchedule> schedule = parse_update_schedule(shown, *text);
    if (!schedule.ok()) return schedule.status();
    read.emplace(file.stem().string(), *std::move(schedule));
  }
  return read;
}

std::string tell_strangers(const std::map<std::string, UpdateSchedule>& schedules,
                           const std::string& checkpoint) {
  std::string text;
  for (const auto& [name, schedule] : schedules) {
    if (schedule.checkpoint == checkpoint) continue;
    absl::StrAppend(&text, "\nschedules/", absl::CHexEscape(name),
                    ".json cannot be used: was made for checkpoint ",
                    absl::CHexEscape(schedule.checkpoint), ", not ", checkpoint);
  }
  return text;
}

}  // namespace tessera
