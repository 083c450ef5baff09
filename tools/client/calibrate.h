// `tessera calibrate`: finds, on a model folder and without a daemon, at which steps the branches
// of a network should compute, and writes them as an update schedule. Main thread.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace tessera {

// The exit code: 0 done, 1 it failed, 2 wrong options.
int run_calibrate(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err);

}  // namespace tessera
