// `tessera image`, `video` and `act`: one call, its results as files or, for actions, on stdout,
// and how far it is on stderr. Main thread.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace tessera {

// The exit code: 0 done, 1 the call failed or a file cannot be written, 2 wrong options, 130
// stopped by Ctrl-C.
int run_image(const std::vector<std::string>& arguments, std::istream& in, std::ostream& out,
              std::ostream& err);
int run_video(const std::vector<std::string>& arguments, std::istream& in, std::ostream& out,
              std::ostream& err);
int run_act(const std::vector<std::string>& arguments, std::istream& in, std::ostream& out,
            std::ostream& err);

}  // namespace tessera
