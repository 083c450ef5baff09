#include "kernels/ops/sample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "support/kernel_device.h"

namespace tessera {
namespace {

using test::Device;

constexpr int64_t kHistory = 64;
constexpr float kNever = -std::numeric_limits<float>::infinity();

SampleRow neutral_row() {
  SampleRow row{};
  row.slot = -1;
  row.top_p = 1.0f;
  row.temperature = 1.0f;
  row.repetition_penalty = 1.0f;
  row.forced_token = -1;
  row.logprob_count = -1;
  return row;
}

// One call of the op: logits of several rows, the rows that sample them, and what they refer to.
struct Call {
  int64_t vocab_size;
  std::vector<std::vector<float>> logits;  // may be longer than vocab_size: padding
  std::vector<SampleRow> rows;
  std::vector<std::vector<int32_t>> history;  // per slot
  std::vector<int32_t> paths, bias_ids;
  std::vector<float> bias_values;
};

struct Result {
  Tensor tokens, logprobs, logprob_ids, last_tokens;
};

Result run_sample(Device& device, const Call& call) {
  Sample a;
  std::vector<float> logits;
  for (const std::vector<float>& row : call.logits) {
    logits.insert(logits.end(), row.begin(), row.end());
  }
  const int64_t n = static_cast<int64_t>(call.rows.size());
  const int64_t slots = std::max<int64_t>(1, static_cast<int64_t>(call.history.size()));
  std::vector<int32_t> history(static_cast<size_t>(slots * kHistory), -5);
  for (size_t slot = 0; slot < call.history.size(); ++slot) {
    std::copy(call.history[slot].begin(), call.history[slot].end(),
              history.begin() + static_cast<int64_t>(slot) * kHistory);
  }
  a.logits = device.put(
      DType::kF32,
      {static_cast<int64_t>(call.logits.size()), static_cast<int64_t>(call.logits[0].size())},
      logits);
  a.vocab_size = call.vocab_size;
  a.rows = device.put_structs(call.rows);
  a.history = device.put(DType::kI32, {slots, kHistory}, history);
  if (!call.paths.empty()) a.paths = device.put_ints(call.paths);
  if (!call.bias_ids.empty()) {
    a.bias_ids = device.put_ints(call.bias_ids);
    a.bias_values =
        device.put(DType::kF32, {static_cast<int64_t>(call.bias_ids.size())}, call.bias_values);
  }
  a.last_tokens = device.zeros(DType::kI32, {slots});
  a.row_count = static_cast<int>(n);
  a.tokens = device.zeros(DType::kI32, {n});
  a.logprobs = device.zeros(DType::kF32, {n, 1 + Sample::kMaxLogprobs});
  a.logprob_ids = device.zeros(DType::kI32, {n, 1 + Sample::kMaxLogprobs});
  sample(device.stream(), a);
  return {a.tokens, a.logprobs, a.logprob_ids, a.last_tokens};
}

std::vector<int32_t> tokens_of(const Call& call) {
  test::expect_same_bits("sample", [&](Device& device) {
    const Result result = run_sample(device, call);
    return std::vector<Tensor>{result.tokens, result.logprobs, result.logprob_ids,
                               result.last_tokens};
  });
  Device device(test::reference_level());
  return device.get<int32_t>(run_sample(device, call).tokens);
}

// The law of a row in double precision: id to probability, written from the comment of SampleRow.
std::map<int32_t, double> oracle(const Call& call, const SampleRow& row) {
  std::vector<double> y;
  for (int64_t id = 0; id < call.vocab_size; ++id) y.push_back(call.logits[row.logits_row][id]);
  std::vector<double> bias(y.size(), 0);
  for (const bool own : {false, true}) {
    for (int32_t entry = row.bias_begin; entry < row.bias_begin + row.bias_count; ++entry) {
      if (own && call.bias_ids[entry] >= 0) bias[call.bias_ids[entry]] = call.bias_values[entry];
      if (!own && call.bias_ids[entry] == -1) {
        std::fill(bias.begin(), bias.end(), call.bias_values[entry]);
      }
    }
  }
  std::map<int32_t, int> seen, outputs;
  for (int32_t at = 0; row.slot >= 0 && at < row.history_count; ++at) {
    const int32_t id = call.history[row.slot][at];
    ++seen[id];
    if (at >= row.prompt_count) ++outputs[id];
  }
  for (int32_t at = row.path_begin; at < row.path_begin + row.path_count; ++at) {
    ++seen[call.paths[at]];
    ++outputs[call.paths[at]];
  }
  for (size_t id = 0; id < y.size(); ++id) {
    y[id] += bias[id];
    const int32_t token = static_cast<int32_t>(id);
    if (seen.count(token)) {
      y[id] = y[id] > 0 ? y[id] / row.repetition_penalty : y[id] * row.repetition_penalty;
    }
    if (outputs.count(token)) {
      y[id] -= row.presence_penalty + static_cast<double>(row.frequency_penalty) * outputs[token];
    }
  }
  std::vector<int32_t> order;
  for (size_t id = 0; id < y.size(); ++id) {
    if (y[id] > -INFINITY) order.push_back(static_cast<int32_t>(id));
  }
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return y[a] > y[b]; });
  if (row.top_k > 0 && order.size() > static_cast<size_t>(row.top_k)) order.resize(row.top_k);
  const auto mass = [&](int32_t id) { return std::exp((y[id] - y[order[0]]) / row.temperature); };
  double total = 0;
  for (const int32_t id : order) total += mass(id);
  std::map<int32_t, double> law;
  double sum = 0, kept = 0;
  for (const int32_t id : order) {
    if (!law.empty() && (sum >= row.top_p * total || mass(id) < row.min_p)) break;
    sum += mass(id);
    kept += law[id] = mass(id);
  }
  for (auto& [id, probability] : law) probability /= kept;
  return law;
}

// Draws `row` once per output index and compares counts with the oracle's law.
void expect_law(Call call, SampleRow row, int draws) {
  call.rows.clear();
  for (int draw = 0; draw < draws; ++draw) {
    row.output_index = draw;
    row.position = draw % 7;
    call.rows.push_back(row);
  }
  const std::map<int32_t, double> law = oracle(call, row);
  Device device(test::reference_level());
  std::map<int32_t, int> counts;
  for (const int32_t token : device.get<int32_t>(run_sample(device, call).tokens)) ++counts[token];
  double statistic = 0, rare_expected = 0, rare_found = 0;
  int cells = 0;
  for (const auto& [token, count] : counts) {
    ASSERT_TRUE(law.count(token)) << "token " << token << " should not be drawn";
  }
  for (const auto& [token, probability] : law) {
    const double expected = probability * draws;
    if (expected < 8) {
      rare_expected += expected;
      rare_found += counts[token];
      continue;
    }
    statistic += (counts[token] - expected) * (counts[token] - expected) / expected;
    ++cells;
  }
  if (rare_expected >= 8) {
    statistic += (rare_found - rare_expected) * (rare_found - rare_expected) / rare_expected;
    ++cells;
  }
  // Five standard deviations above the mean of chi-square; seeds are fixed, so this is no lottery.
  const double degrees = cells - 1;
  EXPECT_LE(statistic, degrees + 5 * std::sqrt(2 * degrees) + 1) << cells << " cells";
}

Call call_with_logits(int64_t vocab_size, int rows, float scale, unsigned seed) {
  std::mt19937 random(seed);
  Call call{vocab_size, {}, {}, {}, {}, {}, {}};
  for (int row = 0; row < rows; ++row) {
    call.logits.push_back(test::random_floats(random, vocab_size, scale));
  }
  return call;
}

TEST(Sample, LawOfPlainSampling) {
  for (const float temperature : {0.3f, 1.0f, 3.0f}) {
    SampleRow row = neutral_row();
    row.temperature = temperature;
    row.seed_low = 1;
    expect_law(call_with_logits(40, 1, 1.5f, 1), row, 20000);
  }
}

TEST(Sample, LawOfTruncations) {
  for (const int32_t top_k : {0, 1, 5, 39, 1000}) {
    for (const float top_p : {1.0f, 0.9f, 0.3f, 0.0f}) {
      for (const float min_p : {0.0f, 0.05f, 1.0f}) {
        SampleRow row = neutral_row();
        row.top_k = top_k;
        row.top_p = top_p;
        row.min_p = min_p;
        row.temperature = 1.3f;
        row.seed_low = 7;
        row.seed_high = static_cast<uint32_t>(top_k);
        expect_law(call_with_logits(40, 1, 1.5f, 2), row, 3000);
      }
    }
  }
}

TEST(Sample, LawWithBiasPenaltiesAndPath) {
  Call call = call_with_logits(20, 2, 1.0f, 3);
  call.history = {{1, 1, 1}, {2, 3, 3, 19, 4, 4, 4, 5, 25, -1}};
  call.paths = {9, 6, 6, 4};
  call.bias_ids = {0, 7, 3, -1, 8, 2, 4, 5, 9};
  call.bias_values = {1.0f, 2.0f, kNever, kNever, 0.5f, 0.0f, -1.0f, 0.25f, 0.0f};
  SampleRow row = neutral_row();
  row.logits_row = 1;
  row.slot = 1;
  row.history_count = 10;
  row.prompt_count = 4;
  row.path_begin = 1;
  row.path_count = 3;
  row.repetition_penalty = 1.7f;
  row.presence_penalty = 0.4f;
  row.frequency_penalty = 0.3f;
  expect_law(call, row, 10000);
  row.bias_begin = 1;
  row.bias_count = 2;  // boosts 7, bans 3
  expect_law(call, row, 10000);
  row.bias_begin = 3;
  row.bias_count = 6;  // allows only 8, 2, 4, 5, 9, with biases
  expect_law(call, row, 10000);
  row.frequency_penalty = -0.5f;
  row.repetition_penalty = 0.5f;
  row.top_k = 3;
  expect_law(call, row, 10000);
}

TEST(Sample, GreedyTakesTheLowestIdOfTheHighest) {
  Call call{6, {{1, 5, 5, 2, 5, 0}, {-3, -1, -2, -1, -9, -9}, {0, 0, 0, 0, 0, 0}}, {}, {}, {}, {},
            {}};
  for (int32_t logits_row = 0; logits_row < 3; ++logits_row) {
    SampleRow row = neutral_row();
    row.temperature = 0;
    row.logits_row = logits_row;
    row.top_k = 2;
    row.top_p = 0.1f;
    call.rows.push_back(row);
  }
  EXPECT_EQ(tokens_of(call), (std::vector<int32_t>{1, 1, 0}));
}

TEST(Sample, GreedySeesBiasAndPenalties) {
  Call call{4, {{3, 2.9f, 1, -1}}, {}, {{0, 3}}, {}, {0, 1, 3}, {kNever, kNever, 10}};
  SampleRow row = neutral_row();
  row.temperature = 0;
  row.slot = 0;
  row.history_count = 1;
  row.prompt_count = 1;
  row.repetition_penalty = 1.1f;  // token 0 is in the prompt: 3 / 1.1 < 2.9
  call.rows.push_back(row);
  row.repetition_penalty = 1.0f;
  row.presence_penalty = 5;  // of outputs only
  call.rows.push_back(row);
  row.prompt_count = 0;
  call.rows.push_back(row);
  row = neutral_row();
  row.temperature = 0;
  row.bias_count = 2;
  call.rows.push_back(row);
  row.bias_count = 3;
  call.rows.push_back(row);
  EXPECT_EQ(tokens_of(call), (std::vector<int32_t>{1, 0, 1, 2, 3}));
}

TEST(Sample, NothingToDraw) {
  Call call{
      3,       {{1, 2, std::nanf("")}, {1, 2, 3}, {kNever, kNever, kNever}}, {}, {{0}}, {}, {-1},
      {kNever}};
  for (const float temperature : {0.0f, 1.0f}) {
    for (int32_t logits_row = 0; logits_row < 3; ++logits_row) {
      SampleRow row = neutral_row();
      row.temperature = temperature;
      row.logits_row = logits_row;
      row.bias_count = 1;
      row.logprob_count = 3;
      row.slot = 0;
      row.store_last = 1;
      call.rows.push_back(row);
      row.bias_count = 0;
      call.rows.push_back(row);
    }
  }
  EXPECT_EQ(tokens_of(call),
            (std::vector<int32_t>{-1, -1, -1, 2, -1, -1, -1, -1, -1, tokens_of(call)[9], -1, -1}));
  EXPECT_GE(tokens_of(call)[9], 0);
}

TEST(Sample, PaddingIsNeverSampledNorCounted) {
  Call call{3, {{1, 2, 0.5f, 100, std::nanf("")}}, {}, {}, {}, {}, {}};
  SampleRow row = neutral_row();
  row.temperature = 0;
  row.logprob_count = 20;
  call.rows = {row};
  EXPECT_EQ(tokens_of(call)[0], 1);
  Device device(test::reference_level());
  const Result result = run_sample(device, call);
  const std::vector<float> logprobs = device.get<float>(result.logprobs);
  const std::vector<int32_t> ids = device.get<int32_t>(result.logprob_ids);
  double total = 0;
  for (int index = 1; index <= 3; ++index) total += std::exp(logprobs[index]);
  EXPECT_NEAR(total, 1, 1e-6);
  EXPECT_EQ(std::vector<int32_t>(ids.begin(), ids.begin() + 5),
            (std::vector<int32_t>{1, 1, 0, 2, -1}));
  EXPECT_EQ(logprobs[4], kNever);
}

TEST(Sample, LogprobsAreOfTheUntransformedLogits) {
  Call call = call_with_logits(500, 3, 2.0f, 9);
  call.logits[1][7] = call.logits[1][400] = call.logits[1][33] = 9.0f;  // ties: lower id first
  call.bias_ids = {-1};
  call.bias_values = {3.0f};
  for (int32_t logits_row = 0; logits_row < 3; ++logits_row) {
    for (const int32_t forced : {-1, 0, 499, 33}) {
      SampleRow row = neutral_row();
      row.logits_row = logits_row;
      row.forced_token = forced;
      row.temperature = 0.5f;
      row.bias_count = 1;
      row.top_k = 4;
      row.logprob_count = forced % 2 == 0 ? 20 : 5;
      row.output_index = logits_row;
      call.rows.push_back(row);
    }
  }
  const std::vector<int32_t> tokens = tokens_of(call);
  Device device(test::reference_level());
  const Result result = run_sample(device, call);
  const std::vector<float> logprobs = device.get<float>(result.logprobs);
  const std::vector<int32_t> ids = device.get<int32_t>(result.logprob_ids);
  for (size_t n = 0; n < call.rows.size(); ++n) {
    const SampleRow& row = call.rows[n];
    const std::vector<float>& x = call.logits[row.logits_row];
    if (row.forced_token >= 0) {
      ASSERT_EQ(tokens[n], row.forced_token);
    }
    std::vector<int32_t> order(500);
    for (int32_t id = 0; id < 500; ++id) order[id] = id;
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return x[a] > x[b]; });
    double sum = 0;
    for (const float one : x) sum += std::exp(static_cast<double>(one));
    const size_t base = n * (1 + Sample::kMaxLogprobs);
    ASSERT_NEAR(logprobs[base], x[tokens[n]] - std::log(sum), 1e-5);
    ASSERT_EQ(order[ids[base] - 1], tokens[n]);
    for (int index = 0; index < row.logprob_count; ++index) {
      ASSERT_EQ(ids[base + 1 + index], order[index]);
      ASSERT_NEAR(logprobs[base + 1 + index], x[order[index]] - std::log(sum), 1e-5);
    }
  }
}

TEST(Sample, StoresTheTokenWhereAsked) {
  Call call{3, {{1, 2, 9}}, {}, {{0}, {0}, {0}}, {}, {}, {}};
  SampleRow row = neutral_row();
  row.temperature = 0;
  row.slot = 1;
  row.store_last = 1;
  call.rows.push_back(row);
  row.slot = 2;
  row.store_last = 0;
  call.rows.push_back(row);
  Device device(test::reference_level());
  EXPECT_EQ(device.get<int32_t>(run_sample(device, call).last_tokens),
            (std::vector<int32_t>{0, 2, 0}));
}

// A row's token depends on that row alone, and on each part of its key.
TEST(Sample, TheDrawIsAPureFunctionOfItsKey) {
  Call call = call_with_logits(200, 2, 0.5f, 4);
  SampleRow row = neutral_row();
  row.seed_low = 5;
  row.seed_high = 6;
  row.output_index = 2;
  row.position = 77;
  call.rows = {row};
  const int32_t alone = tokens_of(call)[0];
  Call batch = call;
  batch.rows.clear();
  std::mt19937 random(1);
  for (int other = 0; other < 40; ++other) {
    SampleRow mate = neutral_row();
    mate.seed_low = static_cast<uint32_t>(random());
    mate.logits_row = other % 2;
    mate.top_p = 0.8f;
    batch.rows.push_back(other == 23 ? row : mate);
  }
  EXPECT_EQ(tokens_of(batch)[23], alone);
  for (int part = 0; part < 4; ++part) {
    Call varied = call;
    varied.rows.clear();
    for (int value = 0; value < 30; ++value) {
      SampleRow other = row;
      if (part == 0) other.seed_low = static_cast<uint32_t>(value);
      if (part == 1) other.seed_high = static_cast<uint32_t>(value);
      if (part == 2) other.output_index = value;
      if (part == 3) other.position = value;
      varied.rows.push_back(other);
    }
    const std::vector<int32_t> tokens = tokens_of(varied);
    EXPECT_GT(std::set<int32_t>(tokens.begin(), tokens.end()).size(), 15u) << "part " << part;
  }
}

// Vocabularies of real size and shapes of logits that stress a threshold search: flat, all equal, a
// few values with many ties, one spike, huge range, infinities.
TEST(Sample, EveryLevelDrawsTheSameTokens) {
  std::mt19937 random(12);
  for (const int64_t vocab_size : {1, 15, 16, 17, 1000, 33000}) {
    Call call = call_with_logits(vocab_size, 8, 2.0f, 13);
    for (float& x : call.logits[1]) x = 0.25f;
    for (float& x : call.logits[2]) x = static_cast<float>(random() % 3);
    for (float& x : call.logits[3]) x *= 1e-3f;
    call.logits[4][vocab_size / 2] = 300.0f;
    for (float& x : call.logits[5]) x *= 1e4f;
    for (size_t id = 0; id < call.logits[6].size(); ++id) {
      if (random() % 2 == 0) call.logits[6][id] = kNever;
    }
    call.logits[6][vocab_size - 1] = std::numeric_limits<float>::infinity();
    // Many that weigh little by themselves and half of everything together.
    for (float& x : call.logits[7]) x = -11.0f - 1e-3f * static_cast<float>(random() % 100);
    call.logits[7][vocab_size / 3] = 0.0f;
    call.history = {{0, 1, 5, 5}};
    call.bias_ids = {0, -1, 3, 9};
    call.bias_values = {1.0f, kNever, 0.5f, 2.0f};
    for (int32_t logits_row = 0; logits_row < 8; ++logits_row) {
      for (int variant = 0; variant < 12; ++variant) {
        SampleRow row = neutral_row();
        row.logits_row = logits_row;
        row.output_index = variant;
        row.seed_low = static_cast<uint32_t>(random());
        row.temperature = variant == 5 ? 1e-20f : variant == 6 ? 50.0f : 1.0f;
        if (variant == 1) row.top_k = 40;
        if (variant == 2) row.top_p = 0.9f;
        if (variant == 3) row.min_p = 0.02f, row.top_k = 900;
        if (variant == 4) {
          row.slot = 0;
          row.history_count = 4;
          row.presence_penalty = 0.5f;
          row.repetition_penalty = 1.2f;
          row.top_p = 0.5f;
        }
        if (variant == 7) row.bias_count = 4;
        if (variant == 8) row.top_p = 0.99f;
        if (variant == 9) row.min_p = 1e-6f;
        if (variant == 10) row.top_k = 5000, row.top_p = 0.8f;
        row.logprob_count = variant % 2 == 0 ? 20 : -1;
        call.rows.push_back(row);
      }
    }
    for (const int32_t token : tokens_of(call)) ASSERT_LT(token, vocab_size);
  }
}

}  // namespace
}  // namespace tessera
