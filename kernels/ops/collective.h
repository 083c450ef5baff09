// How ranks meet. A collective is a command of each rank's stream; the last rank to arrive reduces,
// the others block their stream (not the lane) until then. Sums are taken in rank order.
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"

namespace tessera {

class Meeting;  // where the ranks of one group meet; owned by engine/parallel's group, see
                // meeting.h

struct AllReduce {
  Meeting* meeting;  // of `ranks` streams
  int rank;
  Tensor data;  // in/out  [T, D]  f32
};
void all_reduce(Stream&, const AllReduce&);

// out[:, rank * N : (rank + 1) * N] = data of each rank.
struct AllGather {
  Meeting* meeting;
  int rank;
  Tensor data;  // in   [R, N]          f32
  Tensor out;   // out  [R, ranks * N]  f32
};
void all_gather(Stream&, const AllGather&);

}  // namespace tessera
