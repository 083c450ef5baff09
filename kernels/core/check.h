// CHECK: our own mistakes. A failed check prints the expression, the values and the place, then
// aborts. Mistakes of the outside world travel as absl::Status instead.
#pragma once

#include <sstream>
#include <string>

namespace tessera::internal {

[[noreturn]] void check_failed(const char* file, int line, const char* expression,
                               const std::string& values);

template <class A, class B>
std::string show_pair(const A& a, const B& b) {
  std::ostringstream out;
  out << " (" << a << " vs " << b << ")";
  return out.str();
}

}  // namespace tessera::internal

#define CHECK(condition)              \
  ((condition) ? static_cast<void>(0) \
               : ::tessera::internal::check_failed(__FILE__, __LINE__, #condition, ""))
#define TESSERA_CHECK_OP(a, op, b)                                                       \
  (((a)op(b)) ? static_cast<void>(0)                                                     \
              : ::tessera::internal::check_failed(__FILE__, __LINE__, #a " " #op " " #b, \
                                                  ::tessera::internal::show_pair((a), (b))))
#define CHECK_EQ(a, b) TESSERA_CHECK_OP(a, ==, b)
#define CHECK_NE(a, b) TESSERA_CHECK_OP(a, !=, b)
#define CHECK_LT(a, b) TESSERA_CHECK_OP(a, <, b)
#define CHECK_LE(a, b) TESSERA_CHECK_OP(a, <=, b)
#define CHECK_GT(a, b) TESSERA_CHECK_OP(a, >, b)
#define CHECK_GE(a, b) TESSERA_CHECK_OP(a, >=, b)
