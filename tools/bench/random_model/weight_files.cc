#include "tools/bench/random_model/weight_files.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <utility>

#include "nlohmann/json.hpp"

namespace tessera {
namespace {

using nlohmann::ordered_json;

constexpr size_t kBufferBytes = 1 << 20;
constexpr int kDraws = 1 << 14;  // distinct values of a random weight

uint64_t element_count(const ExpectedTensor& tensor) {
  uint64_t count = 1;
  for (const int64_t dimension : tensor.shape) count *= static_cast<uint64_t>(dimension);
  return count;
}

uint16_t to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// The quantile function of the normal distribution by bisection of erfc: kDraws values spaced
// evenly in probability, so that a table look-up by random bits draws a normal.
std::vector<double> normal_draws() {
  std::vector<double> draws(kDraws);
  double value = -6;
  for (int draw = 0; draw < kDraws; ++draw) {
    const double probability = (draw + 0.5) / kDraws;
    double high = 6;
    for (int step = 0; step < 40; ++step) {
      const double middle = (value + high) / 2;
      (0.5 * std::erfc(-middle / std::sqrt(2.0)) < probability ? value : high) = middle;
    }
    draws[draw] = value;
  }
  return draws;
}

// SplitMix64: passes through all 2^64 states, so nearby keys give unrelated streams.
class RandomBits {
 public:
  explicit RandomBits(uint64_t key) : state_(key) {}
  uint64_t next() {
    uint64_t mixed = state_ += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
  }

 private:
  uint64_t state_;
};

template <class Value>
void write_draws(std::ofstream& out, const std::vector<Value>& draws, uint64_t count,
                 RandomBits bits) {
  std::vector<Value> buffer(kBufferBytes / sizeof(Value));
  while (count > 0) {
    // Four draws to a word; the buffer is a multiple of four.
    for (size_t at = 0; at < buffer.size(); at += 4) {
      const uint64_t word = bits.next();
      buffer[at] = draws[word % kDraws];
      buffer[at + 1] = draws[(word >> 16) % kDraws];
      buffer[at + 2] = draws[(word >> 32) % kDraws];
      buffer[at + 3] = draws[(word >> 48) % kDraws];
    }
    const uint64_t part = std::min<uint64_t>(count, buffer.size());
    out.write(reinterpret_cast<const char*>(buffer.data()),
              static_cast<std::streamsize>(part * sizeof(Value)));
    count -= part;
  }
}

// Tensors first..last of the list, in one file.
struct Shard {
  size_t first = 0, last = 0;
  uint64_t bytes = 0;
};

std::vector<Shard> plan_shards(const std::vector<ExpectedTensor>& tensors,
                               const WeightFileOptions& options) {
  std::vector<Shard> shards;
  for (size_t index = 0; index < tensors.size(); ++index) {
    const uint64_t bytes = element_count(tensors[index]) * size_of(options.dtype);
    const bool full = shards.empty() || shards.back().bytes + bytes > options.max_shard_bytes;
    if (full) shards.push_back({index, index, 0});
    shards.back().last = index + 1;
    shards.back().bytes += bytes;
  }
  return shards;
}

std::string header_of(const std::vector<ExpectedTensor>& tensors, const Shard& shard, DType dtype) {
  ordered_json header = {{"__metadata__", {{"format", "pt"}}}};
  uint64_t at = 0;
  for (size_t index = shard.first; index < shard.last; ++index) {
    const uint64_t end = at + element_count(tensors[index]) * size_of(dtype);
    header[tensors[index].name] = {{"dtype", dtype == DType::kBf16 ? "BF16" : "F32"},
                                   {"shape", tensors[index].shape},
                                   {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text = header.dump();
  // Padded so that the data begins on a multiple of 64 bytes, as a mapped reader likes it.
  text.append((64 - (8 + text.size()) % 64) % 64, ' ');
  return text;
}

class ShardWriter {
 public:
  explicit ShardWriter(const WeightFileOptions& options) : options_(options) {}

  absl::Status write(const std::vector<ExpectedTensor>& tensors, const Shard& shard,
                     const std::string& name) const {
    std::ofstream out(options_.folder + "/" + name, std::ios::binary);
    const std::string header = header_of(tensors, shard, options_.dtype);
    const uint64_t header_bytes = header.size();
    out.write(reinterpret_cast<const char*>(&header_bytes), sizeof(header_bytes));
    out << header;
    for (size_t index = shard.first; index < shard.last && out.good(); ++index) {
      write_tensor(out, tensors[index], index);
    }
    out.close();
    if (out.good()) return absl::OkStatus();
    return absl::UnavailableError(options_.folder + "/" + name + ": cannot write");
  }

 private:
  void write_tensor(std::ofstream& out, const ExpectedTensor& tensor, size_t index) const {
    // The embedding would be a near copy of itself at every seed if the key were a plain sum.
    const RandomBits bits(RandomBits(options_.seed ^ (index + 1) << 32).next());
    const double scale = scale_of(tensor);
    const uint64_t count = element_count(tensor);
    std::vector<float> floats(kDraws, 1.0f);
    for (int draw = 0; draw < kDraws && scale > 0; ++draw) {
      floats[draw] = static_cast<float>(scale * draws_[draw]);
    }
    if (options_.dtype == DType::kF32) return write_draws(out, floats, count, bits);
    std::vector<uint16_t> halves;
    for (const float value : floats) halves.push_back(to_bf16(value));
    write_draws(out, halves, count, bits);
  }

  // 0 = a norm gain.
  double scale_of(const ExpectedTensor& tensor) const {
    if (tensor.name.ends_with("norm.weight")) return 0;
    const bool table = tensor.name.ends_with("_table") || tensor.name.ends_with("_table.weight");
    if (!options_.scale_by_inputs || tensor.shape.size() < 2 || table) return options_.scale;
    const auto outputs = static_cast<uint64_t>(tensor.shape.front());
    return 1 / std::sqrt(static_cast<double>(element_count(tensor) / outputs));
  }

  const WeightFileOptions& options_;
  const std::vector<double> draws_ = normal_draws();
};

std::string five_digits(size_t number) {
  const std::string digits = std::to_string(number);
  return std::string(5 - std::min<size_t>(5, digits.size()), '0') + digits;
}

absl::Status write_index(const std::vector<ExpectedTensor>& tensors,
                         const std::vector<Shard>& shards, const std::vector<std::string>& names,
                         const std::string& path) {
  uint64_t total = 0;
  nlohmann::json map = nlohmann::json::object();
  for (size_t shard = 0; shard < shards.size(); ++shard) {
    total += shards[shard].bytes;
    for (size_t index = shards[shard].first; index < shards[shard].last; ++index) {
      map[tensors[index].name] = names[shard];
    }
  }
  const ordered_json index = {{"metadata", {{"total_size", total}}}, {"weight_map", map}};
  std::ofstream out(path);
  out << index.dump(2) << "\n";
  out.close();
  if (out.good()) return absl::OkStatus();
  return absl::UnavailableError(path + ": cannot write");
}

}  // namespace

absl::Status write_random_weights(const std::vector<ExpectedTensor>& tensors,
                                  const WeightFileOptions& options) {
  static_assert(std::endian::native == std::endian::little, "the format is little-endian");
  const std::vector<Shard> shards = plan_shards(tensors, options);
  const ShardWriter writer(options);
  std::vector<std::string> names;
  for (size_t shard = 0; shard < shards.size(); ++shard) {
    const std::string place =
        shards.size() == 1 ? ""
                           : "-" + five_digits(shard + 1) + "-of-" + five_digits(shards.size());
    names.push_back(options.name + place + ".safetensors");
    const absl::Status written = writer.write(tensors, shards[shard], names.back());
    if (!written.ok()) return written;
  }
  return shards.size() == 1
             ? absl::OkStatus()
             : write_index(tensors, shards, names,
                           options.folder + "/" + options.name + ".safetensors.index.json");
}

}  // namespace tessera
