// `tessera generate`: one call, its text on stdout as it comes. Main thread.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace tessera {

// The exit code: 0 done, 1 the call failed, 2 wrong options, 130 stopped by Ctrl-C.
int run_generate(const std::vector<std::string>& arguments, std::istream& in, std::ostream& out,
                 std::ostream& err);

}  // namespace tessera
