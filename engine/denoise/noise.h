// Standard normal noise of one sample of a job. Three kinds: `counter`, where every value is a
// function of (seed, sample, purpose, index, element), and `torch_cpu` and `torch_cuda`, the
// streams of PyTorch's generators, for comparison with other implementations. Samples have streams
// of their own, so a sample does not depend on how many are made together; with more than one
// sample this differs from a pipeline that draws them all from one generator. Owned by the job,
// engine thread; no tensors.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string_view>

namespace tessera {

enum class NoiseKind : uint8_t { kCounter, kTorchCpu, kTorchCuda };
// None: no kind has that name.
std::optional<NoiseKind> noise_named(std::string_view name);

// What a draw is for. Draws for different purposes are independent.
enum class NoisePurpose : uint32_t { kLatents = 0, kStep = 1 };

// Element i comes from Philox4x32-10 with the seed as key and the counter {i / 4, index, purpose |
// kDiffusionStream, sample}: words (a, b) of a pair give u = (a + 0.5) / 2^32, v = (b + 0.5) /
// 2^32, r = sqrt(-2 ln u), and the two values r cos(2 pi v) and r sin(2 pi v), in double, rounded
// once.
void counter_noise(uint64_t seed, int32_t sample, NoisePurpose purpose, int32_t index,
                   std::span<float> out);

// torch.Generator().manual_seed(seed), then torch.randn(n, dtype=float32) per call. Of the seed
// only the low 32 bits count. 16 values or more: pairs 8 apart in blocks of 16, from 24-bit
// uniforms in f32; where n is no multiple of 16 the last 16 are drawn again. Fewer: one by one in
// double from 53-bit uniforms, the sine of a pair kept for the next call. Equal to torch but for
// the last bits, which there depend on the instruction set.
class TorchCpuNoise {
 public:
  explicit TorchCpuNoise(uint64_t seed) : words_(static_cast<uint32_t>(seed)) {}
  void draw(std::span<float> out);

 private:
  double next_double();
  void draw_few(std::span<float> out);
  void draw_uniform(std::span<float> out);

  std::mt19937 words_;
  std::optional<double> sine_;
};

// torch.Generator("cuda").manual_seed(seed), then torch.randn(n, device="cuda") per call. Element i
// of a call comes from Philox4x32-10 with the seed as key and the counter {calls before, 0, i, 0}:
// r sin(2 pi v) as in counter_noise, from words 0 and 1, with u and v in f32. Equal to torch but
// for the last bits as long as n is no more than the threads that the GPU there holds at once
// (221,184 on an A100); larger tensors are laid out there by the size of the GPU.
class TorchCudaNoise {
 public:
  explicit TorchCudaNoise(uint64_t seed) : seed_(seed) {}
  void draw(std::span<float> out);

 private:
  uint64_t seed_;
  uint32_t calls_ = 0;
};

// One sample's noise of any kind. A sample of torch is seeded with seed + sample, and its draws
// must be asked in the order of the steps.
class Noise {
 public:
  Noise(NoiseKind kind, uint64_t seed, int32_t sample)
      : kind_(kind),
        seed_(seed),
        sample_(sample),
        torch_cpu_(seed + static_cast<uint64_t>(sample)),
        torch_cuda_(seed + static_cast<uint64_t>(sample)) {}

  void draw(NoisePurpose purpose, int32_t index, std::span<float> out);

 private:
  NoiseKind kind_;
  uint64_t seed_;
  int32_t sample_;
  TorchCpuNoise torch_cpu_;
  TorchCudaNoise torch_cuda_;
};

}  // namespace tessera
