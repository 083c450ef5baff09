#include "tools/sim/push_world.h"

#include <algorithm>
#include <cmath>

namespace tessera {
namespace {

constexpr double kPusherRadius = 0.06, kPuckRadius = 0.10;
constexpr double kContact = kPusherRadius + kPuckRadius;
constexpr double kSpeed = 0.05;  // of the pusher for an action of length 1
constexpr int kSubsteps = 4;     // moves of 0.0125, far below the radii: nothing tunnels
constexpr double kPuckWall = 1 - kPuckRadius, kPusherWall = 1 - kPusherRadius;
constexpr double kGoalTolerance = 0.03;  // between the centres of puck and goal
constexpr int64_t kHoldSteps = 4;        // in a row within the tolerance: success

TablePoint operator+(TablePoint a, TablePoint b) { return {a.x + b.x, a.y + b.y}; }
TablePoint operator-(TablePoint a, TablePoint b) { return {a.x - b.x, a.y - b.y}; }
TablePoint operator*(TablePoint a, double factor) { return {a.x * factor, a.y * factor}; }

double length(TablePoint a) { return std::sqrt(a.x * a.x + a.y * a.y); }

TablePoint within(TablePoint a, double wall) {
  return {std::clamp(a.x, -wall, wall), std::clamp(a.y, -wall, wall)};
}

// `moved`, pushed straight away from `fixed` where the two discs overlap.
TablePoint apart(TablePoint moved, TablePoint fixed) {
  const TablePoint between = moved - fixed;
  const double distance = std::max(length(between), 1e-9);
  const double overlap = std::max(kContact - distance, 0.0);
  return moved + between * (overlap / distance);
}

class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t state) : state_(state) {}
  uint64_t next() {
    uint64_t mixed = state_ += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
  }
  TablePoint place(double half) {
    const double x = coordinate(half);
    return {x, coordinate(half)};
  }

 private:
  double coordinate(double half) {
    return half * (2 * (static_cast<double>(next() >> 11) * 0x1p-53) - 1);
  }
  uint64_t state_;
};

}  // namespace

PushWorld PushWorld::start(uint64_t seed, uint64_t episode) {
  SplitMix64 random(SplitMix64(SplitMix64(seed).next() + episode).next());
  PushWorld world;
  world.pusher = random.place(0.9);
  world.puck = random.place(0.65);
  world.goal = random.place(0.75);
  while (length(world.goal - world.puck) < 0.4 ||
         length(world.pusher - world.puck) < kContact + 0.05) {
    world.goal = random.place(0.75);
    world.pusher = random.place(0.9);
  }
  return world;
}

void PushWorld::step(TablePoint action) {
  const double longest = std::max(length(action), 1.0);
  action = {action.x / longest, action.y / longest};
  const TablePoint move = action * (kSpeed / kSubsteps);
  for (int substep = 0; substep < kSubsteps; ++substep) {
    const TablePoint reached = within(pusher + move, kPusherWall);
    puck = within(apart(puck, reached), kPuckWall);
    pusher = apart(reached, puck);
  }
  held = length(goal - puck) < kGoalTolerance ? held + 1 : 0;
}

bool PushWorld::succeeded() const { return held >= kHoldSteps; }

std::array<double, kPushObservationSize> PushWorld::observe() const {
  const TablePoint to_puck = puck - pusher, to_goal = goal - puck;
  return {pusher.x, pusher.y, to_puck.x, to_puck.y, to_goal.x, to_goal.y};
}

}  // namespace tessera
