#include "server/command_line.h"

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tessera {
namespace {

using Action = CommandLine::Action;

const std::map<std::string, Action>& actions() {
  static const std::map<std::string, Action> map{{"--check-config", Action::kCheckConfig},
                                                 {"--print-config", Action::kPrintConfig},
                                                 {"--help-config", Action::kHelpConfig},
                                                 {"--help", Action::kHelp},
                                                 {"-h", Action::kHelp},
                                                 {"--version", Action::kVersion}};
  return map;
}

absl::Status store(const std::string& flag, const std::string& value, ConfigSources& sources) {
  std::string* single = flag == "--config" ? &sources.file : &sources.model;
  std::vector<std::string>* several =
      flag == "--diffusion-model" ? &sources.diffusion_models : nullptr;
  if (flag == "--set") {
    sources.sets.push_back(value);
    return absl::OkStatus();
  }
  if (value.empty()) return absl::InvalidArgumentError(absl::StrCat(flag, " needs a value"));
  if (several != nullptr) {
    several->push_back(value);
    return absl::OkStatus();
  }
  if (!single->empty()) return absl::InvalidArgumentError(absl::StrCat(flag, " is given twice"));
  *single = value;
  return absl::OkStatus();
}

absl::Status unknown(const std::string& argument) {
  if (absl::StartsWith(argument, "-"))
    return absl::InvalidArgumentError(
        absl::StrCat("there is no flag ", argument, "; tesserad --help lists them"));
  const char* flag = absl::EndsWith(argument, ".yaml") ? "--config " : "--model ";
  return absl::InvalidArgumentError(
      absl::StrCat("'", argument, "' stands alone; did you mean ", flag, argument, "?"));
}

}  // namespace

absl::StatusOr<CommandLine> parse_command_line(const std::vector<std::string>& arguments) {
  CommandLine line;
  for (size_t at = 0; at < arguments.size(); ++at) {
    const std::string& argument = arguments[at];
    if (const auto action = actions().find(argument); action != actions().end()) {
      // Help wins, wherever it stands.
      if (line.action != Action::kHelp) line.action = action->second;
      continue;
    }
    const size_t equals = argument.find('=');
    const std::string flag = argument.substr(0, equals);
    if (flag != "--config" && flag != "--model" && flag != "--diffusion-model" && flag != "--set")
      return unknown(argument);
    if (equals == std::string::npos && at + 1 == arguments.size())
      return absl::InvalidArgumentError(absl::StrCat(flag, " needs a value"));
    const std::string& value =
        equals == std::string::npos ? arguments[++at] : argument.substr(equals + 1);
    if (absl::Status status = store(flag, value, line.sources); !status.ok()) return status;
  }
  if (line.action == Action::kServe && line.sources.file.empty() && line.sources.model.empty() &&
      line.sources.diffusion_models.empty() && line.sources.sets.empty())
    return absl::InvalidArgumentError(
        "nothing to serve: give --model FOLDER or --config FILE; tesserad --help says more");
  return line;
}

std::string help_text() {
  return "tesserad serves language models, and models of pictures, videos and robot actions, to\n"
         "programs on this machine, over gRPC.\n"
         "\n"
         "  tesserad --model FOLDER             serve a Hugging Face folder with the defaults\n"
         "  tesserad --diffusion-model FOLDER   serve a diffusers folder with the defaults\n"
         "  tesserad --config FILE              serve what a YAML file says\n"
         "\n"
         "It listens on 127.0.0.1:50051, and on 127.0.0.1:9464 for Prometheus (/metrics), until it "
         "gets\n"
         "SIGTERM or Ctrl-C; then it finishes what it has begun, for at most server.drain_seconds. "
         "A second\n"
         "signal ends it at once. Ask it something with `tessera generate \"def main():\"`.\n"
         "\n"
         "  --model FOLDER        model to serve (config.json, tokenizer.json, *.safetensors)\n"
         "  --diffusion-model FOLDER  diffusion model to serve (model_index.json and its folders, "
         "or\n"
         "                        a converted diffusion policy); may be repeated, and stand "
         "beside\n"
         "                        --model\n"
         "  --config FILE         settings; config/quickstart.yaml is a small example\n"
         "  --set SECTION.KEY=V   one setting, over the file's; may be repeated:\n"
         "                        --set schedule.seqs_max=16 --set kv_cache.bytes=2GiB\n"
         "  --check-config        only read the settings and say whether they are right\n"
         "  --print-config        show every setting in effect and where it was set\n"
         "  --help-config         list every setting with its default and meaning\n"
         "  --version             print the version\n"
         "  --help                this\n"
         "\n"
         "Logs go to stderr (logging.level) and never contain prompts. Exit code: 0 ended as "
         "asked, 1 failed,\n"
         "2 wrong command line or settings.\n";
}

std::string version_text() { return "tesserad " TESSERA_VERSION "\n"; }

}  // namespace tessera
