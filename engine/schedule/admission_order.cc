#include "engine/schedule/admission_order.h"

#include "engine/schedule/orders/orders.h"

namespace tessera {

bool goes_before(const AdmissionOrder& order, const OrderKey& a, const OrderKey& b,
                 double now_seconds) {
  if (order.before(a, b, now_seconds)) return true;
  if (order.before(b, a, now_seconds)) return false;
  if (a.arrival_seconds != b.arrival_seconds) return a.arrival_seconds < b.arrival_seconds;
  return a.id < b.id;
}

AdmissionOrderRegistry admission_orders() {
  AdmissionOrderRegistry registry("admission order");
  register_fcfs_order(registry);
  register_priority_order(registry);
  return registry;
}

}  // namespace tessera
