#include "tools/client/program.h"

#include <ostream>

#include "tools/client/calibrate.h"
#include "tools/client/denoise.h"
#include "tools/client/generate.h"
#include "tools/client/status.h"

namespace tessera {
namespace {

constexpr int kUsage = 2;

const char kHelp[] =
    "tessera talks to tesserad, the daemon that serves models.\n"
    "\n"
    "  tessera generate \"def main():\"   continue a text\n"
    "  tessera image --class 3          make a picture\n"
    "  tessera video \"a ball rolls\"     make a video\n"
    "  tessera act \"[[0.1, 0.2]]\"       predict a robot's next actions\n"
    "  tessera calibrate --model FOLDER  find when a diffusion model may reuse what it computed\n"
    "  tessera status                   is the daemon ready, what does it serve\n"
    "\n"
    "  tessera COMMAND --help           what a command takes\n"
    "  tessera --version                print the version\n"
    "\n"
    "Exit code: 0 done, 1 the call failed, 2 wrong command line, 130 stopped by Ctrl-C.\n";

}  // namespace

int run_program(const std::vector<std::string>& arguments, std::istream& in, std::ostream& out,
                std::ostream& err) {
  const std::string command = arguments.empty() ? "" : arguments[0];
  const std::vector<std::string> rest(arguments.begin() + !arguments.empty(), arguments.end());
  if (command == "generate") return run_generate(rest, in, out, err);
  if (command == "image") return run_image(rest, in, out, err);
  if (command == "video") return run_video(rest, in, out, err);
  if (command == "act") return run_act(rest, in, out, err);
  if (command == "calibrate") return run_calibrate(rest, out, err);
  if (command == "status") return run_status(rest, out, err);
  if (command == "--help" || command == "-h" || command == "help") {
    out << kHelp;
    return 0;
  }
  if (command == "--version") {
    out << "tessera " TESSERA_VERSION "\n";
    return 0;
  }
  if (command.empty()) {
    err << kHelp;
  } else {
    err << "tessera: there is no command '" << command << "'; tessera --help lists them\n";
  }
  return kUsage;
}

}  // namespace tessera
