#include <iostream>
#include <string>
#include <vector>

#include "tools/client/program.h"

int main(int argc, char** argv) {
  return tessera::run_program(std::vector<std::string>(argv + 1, argv + argc), std::cin, std::cout,
                              std::cerr);
}
