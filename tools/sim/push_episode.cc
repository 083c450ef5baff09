#include "tools/sim/push_episode.h"

#include <algorithm>

namespace tessera {

PushEpisode::PushEpisode(const PushWorld& start, const PushProtocol& protocol)
    : protocol_(protocol),
      world_(start),
      observations_(protocol.observation_steps * kPushObservationSize) {
  for (int step = 0; step < protocol_.observation_steps; ++step) see();
}

void PushEpisode::see() {
  std::shift_left(observations_.begin(), observations_.end(), kPushObservationSize);
  const auto seen = world_.observe();
  std::transform(seen.begin(), seen.end(), observations_.end() - kPushObservationSize,
                 [](double value) { return static_cast<float>(value); });
}

void PushEpisode::act(std::span<const float> actions) {
  ++answers_;
  for (size_t at = 0; at < actions.size() && !ended(); at += kPushActionSize) {
    world_.step({actions[at], actions[at + 1]});
    see();
    ++steps_;
    if (world_.succeeded()) finished_ = steps_;
  }
}

}  // namespace tessera
