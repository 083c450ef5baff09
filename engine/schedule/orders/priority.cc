// Highest priority first, then the nearest deadline, then arrival. Nobody waits for ever: who has
// been preempted often goes before everybody else, and waiting raises the priority.
#include <cmath>

#include "engine/schedule/orders/orders.h"

namespace tessera {
namespace {

struct PriorityParams {
  int64_t preemptions_max = 4;
  double aging_seconds = 30;
  template <class V>
  void visit(V& v) {
    v("preemptions_max", preemptions_max, at_least(1),
      "a request preempted this often goes before all others of its class");
    v("aging_seconds", aging_seconds, at_least(0),
      "time since arrival that counts as one step of priority; 0 = none");
  }
};

class PriorityOrder final : public AdmissionOrder {
 public:
  explicit PriorityOrder(PriorityParams params) : params_(params) {}

  bool before(const OrderKey& a, const OrderKey& b, double now_seconds) const override {
    const bool a_spared = a.preemptions >= params_.preemptions_max;
    const bool b_spared = b.preemptions >= params_.preemptions_max;
    if (a_spared != b_spared) return a_spared;
    const double a_priority = aged_priority(a, now_seconds);
    const double b_priority = aged_priority(b, now_seconds);
    if (a_priority != b_priority) return a_priority > b_priority;
    if (a.deadline_seconds != b.deadline_seconds) return a.deadline_seconds < b.deadline_seconds;
    return a.arrival_seconds < b.arrival_seconds;
  }

 private:
  double aged_priority(const OrderKey& key, double now_seconds) const {
    if (params_.aging_seconds == 0) return key.priority;
    return key.priority + std::floor((now_seconds - key.arrival_seconds) / params_.aging_seconds);
  }
  PriorityParams params_;
};

}  // namespace

void register_priority_order(AdmissionOrderRegistry& registry) {
  registry.add<PriorityOrder, PriorityParams>("priority");
}

}  // namespace tessera
