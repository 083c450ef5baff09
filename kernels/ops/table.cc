#include "kernels/ops/table.h"

#include <cstdio>

#include "kernels/core/check.h"

namespace tessera {

std::vector<std::string> missing_ops(const OpTable& table) {
  std::vector<std::string> missing;
  if (table.copies.in == nullptr) missing.push_back("copies.in");
  if (table.copies.out == nullptr) missing.push_back("copies.out");
  table.for_each([&missing](const char* name, auto op) {
    if (op == nullptr) missing.push_back(name);
  });
  return missing;
}

void check_complete(const OpTable& table) {
  const std::vector<std::string> missing = missing_ops(table);
  for (const std::string& op : missing) {
    std::fprintf(stderr, "backend %s lacks op %s\n", table.backend, op.c_str());
  }
  CHECK(missing.empty());
}

}  // namespace tessera
