// Any bytes as a configuration file and as a --set flag: an error or a configuration that survives
// being printed and read again.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "server/config/load.h"
#include "server/config/print.h"

namespace {

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "config_fuzz: %s\n", what);
  std::abort();
}

std::string without_origins(const tessera::LoadedConfig& loaded) {
  return tessera::print_config({loaded.config, {}});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  tessera::LoadedConfig loaded;
  const absl::Status status = tessera::apply_yaml(text, "fuzz.yaml", "/folder", loaded);
  if (status.ok()) {
    (void)tessera::check_config(loaded);
    tessera::LoadedConfig again;
    expect(tessera::apply_yaml(print_config(loaded), "again.yaml", "/folder", again).ok(),
           "what was printed cannot be read");
    expect(without_origins(again) == without_origins(loaded), "reading back changed a value");
  } else {
    expect(status.message().substr(0, 9) == "fuzz.yaml", "an error does not name the file");
  }
  tessera::LoadedConfig flags;
  (void)tessera::apply_set(text, flags);
  return 0;
}
