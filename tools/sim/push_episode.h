// One episode of the push world under a policy, by the protocol of
// tools/train/diffusion/evaluate_policy.py: the policy sees the last two observations (at the start
// twice the first), answers, and the next eight actions of the answer are carried out before it is
// asked again. An episode ends with success or after kPushStepsMax steps. One thread at a time.
#pragma once

#include <span>
#include <vector>

#include "tools/sim/push_world.h"

namespace tessera {

struct PushProtocol {
  int observation_steps = 2;  // that the policy sees
  int action_steps = 8;       // carried out of every answer
};

class PushEpisode {
 public:
  explicit PushEpisode(const PushWorld& start, const PushProtocol& protocol = {});

  // [observation_steps, kPushObservationSize], oldest first, as the policy wants it.
  const std::vector<float>& observations() const { return observations_; }
  // Carries out an answer [action_steps, kPushActionSize], or what of it comes before the end.
  void act(std::span<const float> actions);

  bool ended() const { return finished_ > 0 || steps_ >= kPushStepsMax; }
  bool succeeded() const { return finished_ > 0; }
  int finished_step() const { return finished_; }  // at which it succeeded, from 1; 0 = it did not
  int answers() const { return answers_; }         // asked for so far
  const PushWorld& world() const { return world_; }

 private:
  void see();

  PushProtocol protocol_;
  PushWorld world_;
  std::vector<float> observations_;
  int steps_ = 0, finished_ = 0, answers_ = 0;
};

}  // namespace tessera
