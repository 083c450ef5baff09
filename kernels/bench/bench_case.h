// The ops that kernel_bench times, at the shapes of real models. A case owns its operands; they are
// larger than the caches, or rotated so that they are, because in a step every weight comes from
// memory. Bench tool only, on the lane's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cpu/execution.h"
#include "kernels/ops/table.h"

namespace tessera {

struct BenchCase {
  std::string op;     // "linear", "attention", ...
  std::string shape;  // what it is called in the model, and its dims
  double bytes;       // read at least once: weights or KV, x and output
  double flops;
  // One run. Made by `prepare`, so that only one case holds memory at a time.
  std::function<std::function<void()>(const OpTable&, Execution&)> prepare;
};

struct ModelShape {
  const char* name;
  int64_t D, F, V, L;
  int64_t H, Hkv, Dh;
};

constexpr ModelShape kQwen05B = {"qwen2.5-0.5b", 896, 4864, 151936, 24, 14, 2, 64};
constexpr ModelShape kLlama3B = {"llama3.2-3b", 3072, 8192, 128256, 28, 24, 8, 128};

// Each product of a layer and the output head, for each number of rows.
std::vector<BenchCase> linear_cases(const ModelShape& model, const std::vector<int64_t>& rows);
// All products of a step of `rows` sequences.
std::vector<BenchCase> step_cases(const ModelShape& model, const std::vector<int64_t>& rows);
// Decoding of several sequences at some contexts, and prompts.
std::vector<BenchCase> attention_cases(const ModelShape& model);

// A diffusion transformer (queries, keys and values have H heads; F is wide and not gated).
constexpr ModelShape kSmallDit = {"dit-small", 384, 1536, 0, 12, 6, 6, 64};
constexpr ModelShape kDitXl = {"dit-xl", 1152, 4608, 0, 28, 16, 16, 72};

// Products of a block, its element-wise ops, and attention of all rows over all keys.
std::vector<BenchCase> block_products(const ModelShape& model, int64_t rows);
std::vector<BenchCase> block_rows(const ModelShape& model, int64_t rows);
std::vector<BenchCase> picture_attention_cases(const ModelShape& model);
// The picture decoder's convolutions (windows and product of one chunk of rows) and norms.
std::vector<BenchCase> decoder_cases();

}  // namespace tessera
