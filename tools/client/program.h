// The command `tessera`: picks the subcommand. Main thread.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace tessera {

// `arguments` without the program's name. The exit code: 0 done, 1 failed, 2 wrong command line.
int run_program(const std::vector<std::string>& arguments, std::istream& in, std::ostream& out,
                std::ostream& err);

}  // namespace tessera
