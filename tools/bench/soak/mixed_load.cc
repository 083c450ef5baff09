#include "tools/bench/soak/mixed_load.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "tools/client/connection.h"

namespace tessera {
namespace {

constexpr auto kPauseAfterFailure = std::chrono::seconds(1);

struct Turn {
  std::vector<int32_t> prompt;
  int64_t output_tokens = 0;
  int64_t give_up_after = 0;  // tokens; 0 = never
};

class Turns {
 public:
  Turns(const MixedLoadShape& shape, uint32_t seed) : shape_(shape), random_(seed) {}

  Turn next() {
    Turn turn;
    turn.output_tokens = between(shape_.output_low, shape_.output_high);
    const auto length = static_cast<size_t>(std::max<int64_t>(
        1, between(shape_.context_low, shape_.context_high) - turn.output_tokens));
    if (share(random_) < shape_.resumed) {
      turn.prompt.assign(last_.begin(), last_.begin() + std::min(last_.size() / 2, length));
    }
    while (turn.prompt.size() < length) {
      turn.prompt.push_back(static_cast<int32_t>(random_() % shape_.token_ids));
    }
    if (share(random_) < shape_.cancelled) turn.give_up_after = 1 + random_() % 8;
    last_ = turn.prompt;
    return turn;
  }

 private:
  int64_t between(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }
  const MixedLoadShape shape_;
  std::mt19937 random_;
  std::uniform_real_distribution<double> share;
  std::vector<int32_t> last_;
};

v1::GenerateTextRequest request_of(const Turn& turn) {
  v1::GenerateTextRequest request;
  request.mutable_token_ids()->mutable_ids()->Add(turn.prompt.begin(), turn.prompt.end());
  request.mutable_stopping()->set_max_tokens(turn.output_tokens);
  request.mutable_stopping()->set_ignore_eos(true);
  return request;
}

}  // namespace

MixedLoad::MixedLoad(std::string address, MixedLoadShape shape)
    : address_(std::move(address)), shape_(std::move(shape)) {
  for (int client = 0; client < shape_.clients; ++client) {
    clients_.emplace_back([this, client] { run_client(client); });
  }
}

MixedLoad::~MixedLoad() { stop(); }

void MixedLoad::run_client(int client) {
  Turns turns(shape_, shape_.seed * 1000 + client);
  while (!stopping_) {
    const Turn turn = turns.next();
    MixedLoadCounts tokens;
    bool gave_up = false;
    Connection connection(address_);
    // Wakes the call up when the load is to end while nothing arrives.
    std::atomic<bool> ended{false};
    std::thread watch([&] {
      while (!stopping_ && !ended) std::this_thread::sleep_for(std::chrono::milliseconds(50));
      if (!ended) connection.cancel();
    });
    const absl::Status status =
        connection.generate(request_of(turn), 0, [&](const v1::GenerateTextEvent& event) {
          if (event.has_prompt()) {
            tokens.prompt_tokens = static_cast<int64_t>(turn.prompt.size());
            tokens.cached_tokens = event.prompt().cached_tokens();
          }
          if (event.has_delta()) tokens.output_tokens += event.delta().token_count();
          if (turn.give_up_after > 0 && tokens.output_tokens >= turn.give_up_after && !gave_up) {
            gave_up = true;
            connection.cancel();
          }
        });
    ended = true;
    watch.join();
    gave_up |= stopping_;
    count(status, gave_up, tokens);
    if (!status.ok() && !gave_up) std::this_thread::sleep_for(kPauseAfterFailure);
  }
}

void MixedLoad::count(const absl::Status& status, bool gave_up, const MixedLoadCounts& tokens) {
  std::lock_guard lock(mutex_);
  counts_.prompt_tokens += tokens.prompt_tokens;
  counts_.cached_tokens += tokens.cached_tokens;
  counts_.output_tokens += tokens.output_tokens;
  if (status.ok()) {
    ++counts_.finished;
  } else if (gave_up) {
    ++counts_.cancelled;
  } else {
    if (counts_.failed++ == 0) counts_.first_failure = status.ToString();
  }
}

MixedLoadCounts MixedLoad::stop() {
  stopping_ = true;
  for (std::thread& client : clients_) client.join();
  clients_.clear();
  std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace tessera
