// The meter of one rendering: counts steps and the bytes of live values, and refuses to go beyond
// RenderLimits. Owned by the rendering, used on its thread; outlives every value charged to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "engine/chat/failure.h"
#include "engine/chat/limits.h"

namespace tessera::jinja {

class Meter {
 public:
  explicit Meter(const RenderLimits& limits) : limits_(limits), steps_left_(limits.steps) {}
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  const RenderLimits& limits() const { return limits_; }

  void step(std::int64_t count = 1) {
    steps_left_ -= count;
    if (steps_left_ < 0) fail_limit("the template takes too many steps");
  }

  // For looking at the bytes of a text, and for copying items, once each.
  void step_over_bytes(std::size_t bytes) { step(static_cast<std::int64_t>(bytes / 64)); }
  void step_over_items(std::size_t items) { step(static_cast<std::int64_t>(items / 4)); }

  // Refuses work whose result could not be kept; call before building something large.
  void expect_room(std::size_t bytes) const {
    if (bytes > limits_.memory_bytes - live_bytes_) fail_limit("the template uses too much memory");
  }

 private:
  friend class Charge;
  friend class GeneratorStep;
  const RenderLimits& limits_;
  std::int64_t steps_left_;
  std::size_t live_bytes_ = 0;
  int generators_ = 0;  // whose step is running, each inside the one before
};

// A generator's step while it runs. One may run others without a macro call or a container in
// between for the other limits on depth to see.
class GeneratorStep {
 public:
  explicit GeneratorStep(Meter& meter) : meter_(meter) {
    if (meter_.generators_ == kNestedMost) fail_limit("iterators run inside each other too deeply");
    ++meter_.generators_;
  }
  GeneratorStep(const GeneratorStep&) = delete;
  GeneratorStep& operator=(const GeneratorStep&) = delete;
  ~GeneratorStep() { --meter_.generators_; }

 private:
  static constexpr int kNestedMost = 30;
  Meter& meter_;
};

// The bytes of one object, given back when it dies. An uncharged one belongs to a parsed template.
class Charge {
 public:
  Charge() = default;
  Charge(Meter& meter, std::size_t bytes) : meter_(&meter), bytes_(bytes) {
    meter.expect_room(bytes);
    meter.live_bytes_ += bytes;
  }
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;
  Charge(Charge&& other) noexcept { *this = std::move(other); }
  Charge& operator=(Charge&& other) noexcept {
    std::swap(meter_, other.meter_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  // More bytes for an object that is already charged.
  void grow(std::size_t bytes) {
    meter_->expect_room(bytes);
    meter_->live_bytes_ += bytes;
    bytes_ += bytes;
  }
  ~Charge() {
    if (meter_ != nullptr) meter_->live_bytes_ -= bytes_;
  }

 private:
  Meter* meter_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace tessera::jinja
