// Who goes next. The order decides which waiting sequence is admitted, in which order running ones
// get their rows, and, read backwards, who is preempted when blocks run out. An order is one file
// in orders/ and one line in register_admission_orders. Stateless; engine thread.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/api/ids.h"
#include "engine/registry/registry.h"

namespace tessera {

struct OrderKey {
  SequenceId id = kNoSequence;
  int32_t priority = 0;
  int32_t preemptions = 0;
  double arrival_seconds = 0;
  double deadline_seconds = 0;  // infinity = none
};

class AdmissionOrder {
 public:
  virtual ~AdmissionOrder() = default;
  // Strict weak ordering of sequences of the same class (latency or best effort). Equal sequences
  // go by arrival, then id: see goes_before.
  virtual bool before(const OrderKey& a, const OrderKey& b, double now_seconds) const = 0;
};

// A total order: order.before, then arrival, then id.
bool goes_before(const AdmissionOrder& order, const OrderKey& a, const OrderKey& b,
                 double now_seconds);

using AdmissionOrderRegistry = Registry<AdmissionOrder>;
// fcfs · priority
AdmissionOrderRegistry admission_orders();

}  // namespace tessera
