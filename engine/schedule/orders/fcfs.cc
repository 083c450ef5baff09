// First come, first served: arrival alone decides.
#include "engine/schedule/orders/orders.h"

namespace tessera {
namespace {

struct FcfsParams {
  template <class V>
  void visit(V&) {}
};

class Fcfs final : public AdmissionOrder {
 public:
  explicit Fcfs(FcfsParams) {}
  bool before(const OrderKey& a, const OrderKey& b, double) const override {
    return a.arrival_seconds < b.arrival_seconds;
  }
};

}  // namespace

void register_fcfs_order(AdmissionOrderRegistry& registry) {
  registry.add<Fcfs, FcfsParams>("fcfs");
}

}  // namespace tessera
