// The command line of tesserad. Pure; main thread.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/load.h"

namespace tessera {

struct CommandLine {
  enum class Action { kServe, kCheckConfig, kPrintConfig, kHelpConfig, kHelp, kVersion };
  Action action = Action::kServe;
  ConfigSources sources;
};

// INVALID_ARGUMENT: one sentence. `arguments` without the program's name.
absl::StatusOr<CommandLine> parse_command_line(const std::vector<std::string>& arguments);

std::string help_text();
std::string version_text();

}  // namespace tessera
