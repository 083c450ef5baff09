// The sections of diffusion_policies, each with a daemon of its own on the folder it is about. Main
// thread.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "tools/bench/diffusion/report.h"

namespace tessera {

struct BenchmarkOptions {
  std::string daemon;  // path of tesserad
  std::string models;  // folder with shapes-dit, shapes-latte and push-policy
  std::set<std::string> sections = {"images", "videos", "actions", "batching", "random"};
  std::vector<std::string> sets;  // further settings of the daemons, "a.b=c"
  int seeds = 64, screen_seeds = 8;
  int episodes = 2000;
  int repeats = 5;      // of the batching section; the random section takes at most 3
  double guidance = 2;  // of the same, its scale
  std::vector<int> steps = {50, 100};  // of pictures and videos, each in turn
  std::vector<std::string> random_shapes = {"dit-xl-2-256", "latte-1"};
  // Of these; 0 = as published, but for latents.
  int random_layers = 0, random_steps = 20;
  int random_side = 16, random_frames = 4;  // of their latents
};

absl::StatusOr<DiffusionReport> run_benchmark(const BenchmarkOptions& options,
                                              const Progress& progress);

}  // namespace tessera
