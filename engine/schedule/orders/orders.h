// The admission orders that ship; admission_orders() calls each line once.
#pragma once

#include "engine/schedule/admission_order.h"

namespace tessera {

void register_fcfs_order(AdmissionOrderRegistry& registry);
void register_priority_order(AdmissionOrderRegistry& registry);

}  // namespace tessera
