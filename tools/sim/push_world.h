// A disc pushes a puck to a goal on a walled table: the world of the push-policy model, with the
// rules and the arithmetic of push_world.py, number for number. Quasi-static: a puck moves only
// while it is pushed. Lengths in table units (the table spans -1 to 1 on both axes), speeds in
// table units per step. Plain data; any thread.
#pragma once

#include <array>
#include <cstdint>

namespace tessera {

struct TablePoint {
  double x = 0, y = 0;
};

inline constexpr int kPushActionSize = 2;
inline constexpr int kPushObservationSize = 6;
inline constexpr int kPushStepsMax = 88;  // an episode that has not succeeded by then has failed

struct PushWorld {
  TablePoint pusher, puck, goal;
  int64_t held = 0;  // steps in a row that the puck has been at the goal

  // The world of one episode: the puck 0.4 or more from its goal, the pusher clear of the puck. The
  // numbers are SplitMix64's, started at hash(hash(seed) + episode) where hash is one step of it,
  // 53 bits a coordinate: pusher, puck, goal, x before y; while a condition fails, goal and pusher
  // are drawn anew. (push_world.py draws its own with numpy.)
  static PushWorld start(uint64_t seed, uint64_t episode);

  // Moves by one step; an action longer than 1 is cut to length 1.
  void step(TablePoint action);
  bool succeeded() const;
  // The pusher, the puck seen from the pusher, the goal seen from the puck.
  std::array<double, kPushObservationSize> observe() const;
};

}  // namespace tessera
