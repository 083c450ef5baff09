#include <cmath>
#include <cstring>

#include "kernels/bench/bench_case.h"

namespace tessera {
namespace {

struct AttentionShape {
  int64_t H, Hkv, Dh;
  int sequences, rows, context;
  bool bidirectional = false;  // every row sees the whole context
};

// Pages of every sequence lie scattered, as they do in a daemon that has run for a while.
class AttentionStep {
 public:
  explicit AttentionStep(const AttentionShape& s) {
    const int64_t pages_each = (s.context + kKvBlockTokens - 1) / kKvBlockTokens;
    const int64_t blocks = pages_each * s.sequences;
    const int64_t T = int64_t{s.sequences} * s.rows;
    const int64_t page_elements = s.Hkv * kKvBlockTokens * s.Dh;
    k_.resize(static_cast<size_t>(blocks * page_elements));
    v_.resize(k_.size());
    q_.resize(static_cast<size_t>(T * s.H * s.Dh));
    out_.resize(q_.size());
    uint32_t noise = 1;
    for (std::vector<uint16_t>* tensor : {&k_, &v_, &q_}) {
      for (uint16_t& value : *tensor) {
        noise = noise * 1664525u + 1013904223u;
        // Both signs, magnitudes in [0.25, 1).
        value = static_cast<uint16_t>((noise >> 31 << 15) | 0x3e80u | (noise >> 16 & 0xffu));
      }
    }
    // An odd multiplier walks all blocks of a power of two; others are taken as they come.
    for (int sequence = 0; sequence < s.sequences; ++sequence) {
      AttentionSegment segment{};
      segment.row_begin = sequence * s.rows;
      segment.row_count = s.rows;
      segment.page_begin = static_cast<int32_t>(sequence * pages_each);
      segment.committed = -1;
      segments_.push_back(segment);
      for (int64_t page = 0; page < pages_each; ++page) {
        pages_.push_back(static_cast<int32_t>((page * s.sequences + sequence) * kScatter % blocks));
      }
      for (int row = 0; row < s.rows; ++row) {
        positions_.push_back(s.bidirectional ? s.context - 1 : s.context - s.rows + row);
      }
    }
    args_.q = make_tensor(q_.data(), DType::kBf16, {T, s.H, s.Dh});
    args_.k_pages =
        make_tensor(k_.data(), DType::kBf16, {blocks, s.Hkv, s.Dh / 2, kKvBlockTokens, 2});
    args_.v_pages =
        make_tensor(v_.data(), DType::kBf16, {blocks, s.Hkv, kKvBlockTokens / 2, s.Dh, 2});
    args_.segments =
        make_tensor(segments_.data(), DType::kU8, {s.sequences, int64_t{sizeof(AttentionSegment)}});
    args_.positions = make_tensor(positions_.data(), DType::kI32, {T});
    args_.pages = make_tensor(pages_.data(), DType::kI32, {static_cast<int64_t>(pages_.size())});
    args_.segment_count = s.sequences;
    args_.scale = 1.0f / std::sqrt(static_cast<float>(s.Dh));
    args_.out = make_tensor(out_.data(), DType::kBf16, {T, s.H, s.Dh});
  }

  void run(const OpTable& ops, Execution& execution) { ops.attention(execution, args_); }

 private:
  static constexpr int64_t kScatter = 7919;  // a prime that divides no number of blocks used here

  std::vector<uint16_t> k_, v_, q_, out_;
  std::vector<AttentionSegment> segments_;
  std::vector<int32_t> pages_, positions_;
  Attention args_{};
};

BenchCase attention_case(const ModelShape& model, int sequences, int rows, int context) {
  const AttentionShape s = {model.H, model.Hkv, model.Dh, sequences, rows, context};
  BenchCase c{.op = "attention",
              .shape = std::string(model.name) + (rows == 1 ? " decode" : " prompt") + " S " +
                       std::to_string(sequences) + " rows " + std::to_string(rows) + " context " +
                       std::to_string(context),
              .bytes = 0,
              .flops = 0,
              .prepare = nullptr};
  const double kv_bytes = 2.0 * 2.0 * static_cast<double>(s.Hkv * s.Dh) * context * sequences;
  c.bytes = kv_bytes;
  const double keys_seen = rows * (context - (rows - 1) / 2.0) * sequences;
  c.flops = 4.0 * static_cast<double>(s.H * s.Dh) * keys_seen;
  c.prepare = [s](const OpTable& ops, Execution& execution) {
    auto step = std::make_shared<AttentionStep>(s);
    return [step, &ops, &execution] { step->run(ops, execution); };
  };
  return c;
}

BenchCase picture_case(const ModelShape& model, int sequences, int rows) {
  const AttentionShape s = {model.H, model.Hkv, model.Dh, sequences, rows, rows, true};
  BenchCase c{.op = "attention",
              .shape = std::string(model.name) + " picture S " + std::to_string(sequences) +
                       " rows " + std::to_string(rows),
              .bytes = 2.0 * 2.0 * static_cast<double>(s.Hkv * s.Dh) * rows * sequences,
              .flops = 4.0 * static_cast<double>(s.H * s.Dh) * rows * rows * sequences,
              .prepare = nullptr};
  c.prepare = [s](const OpTable& ops, Execution& execution) {
    auto step = std::make_shared<AttentionStep>(s);
    return [step, &ops, &execution] { step->run(ops, execution); };
  };
  return c;
}

}  // namespace

std::vector<BenchCase> picture_attention_cases(const ModelShape& model) {
  return {picture_case(model, 1, 256), picture_case(model, 4, 256), picture_case(model, 1, 1024)};
}

std::vector<BenchCase> attention_cases(const ModelShape& model) {
  std::vector<BenchCase> cases;
  // As many sequences as make the KV larger than the caches: in a step the KV of other layers and
  // the weights come between.
  const int64_t row_bytes = 4 * model.Hkv * model.Dh;
  for (const int context : {512, 4096, 32768}) {
    const int64_t sequences = std::max<int64_t>(1, (192 << 20) / (row_bytes * context));
    cases.push_back(attention_case(model, static_cast<int>(sequences), 1, context));
  }
  for (const int rows : {8, 512}) cases.push_back(attention_case(model, 1, rows, 512));
  cases.push_back(attention_case(model, 1, 512, 4096));
  return cases;
}

}  // namespace tessera
