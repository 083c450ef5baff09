#include "kernels/ops/collective.h"

#include <gtest/gtest.h>

#include <memory>

#include "kernels/core/lane.h"
#include "kernels/core/meeting.h"
#include "support/kernel_device.h"

namespace tessera {
namespace {

// One rank per lane or all on one; each rank adds and gathers a few rounds.
void check_ranks(const OpTable& ops, IsaLevel isa, int ranks, int lanes) {
  ComputePool pool(1);
  std::vector<std::unique_ptr<Execution>> executions;
  std::vector<std::unique_ptr<Lane>> served;
  for (int lane = 0; lane < lanes; ++lane) {
    executions.push_back(std::make_unique<Execution>(pool, isa));
    served.push_back(std::make_unique<Lane>(*executions.back()));
  }
  const int64_t T = 5, D = 100;
  Region region = Region::create("test", 1 << 20).value();
  Meeting meeting(ranks);
  std::mt19937 random(1);
  std::vector<std::vector<float>> inputs;
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<Tensor> sums, gathered;
  for (int rank = 0; rank < ranks; ++rank) {
    inputs.push_back(test::random_floats(random, T * D));
    streams.push_back(std::make_unique<Stream>(ops, 1 << 16));
    served[rank % lanes]->attach(*streams.back());
    sums.push_back(region.allocate(DType::kF32, {T, D}));
    gathered.push_back(region.allocate(DType::kF32, {T, ranks * D}));
  }
  for (int round = 0; round < 3; ++round) {
    for (int rank = 0; rank < ranks; ++rank) {
      streams[rank]->upload(sums[rank], std::span<const float>(inputs[rank]));
      all_gather(*streams[rank], AllGather{&meeting, rank, sums[rank], gathered[rank]});
      all_reduce(*streams[rank], AllReduce{&meeting, rank, sums[rank]});
    }
  }
  for (int rank = 0; rank < ranks; ++rank) {
    std::vector<float> sum(static_cast<size_t>(T * D)), all(static_cast<size_t>(T * ranks * D));
    streams[rank]->download(sums[rank], std::as_writable_bytes(std::span(sum)));
    streams[rank]->download(gathered[rank], std::as_writable_bytes(std::span(all)));
    streams[rank]->wait(streams[rank]->record());
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t d = 0; d < D; ++d) {
        float expected = inputs[0][t * D + d];
        for (int other = 1; other < ranks; ++other) expected += inputs[other][t * D + d];
        ASSERT_EQ(sum[t * D + d], expected);
        for (int other = 0; other < ranks; ++other) {
          ASSERT_EQ(all[t * ranks * D + other * D + d], inputs[other][t * D + d]);
        }
      }
    }
  }
  for (int rank = 0; rank < ranks; ++rank) served[rank % lanes]->detach(*streams[rank]);
}

TEST(Collective, RanksAgreeOnOneLaneAndOnMany) {
  for (const int ranks : {1, 2, 3}) {
    check_ranks(reference_ops(), IsaLevel::kScalar, ranks, 1);
    check_ranks(reference_ops(), IsaLevel::kScalar, ranks, ranks);
    check_ranks(cpu_ops(detect_isa()), detect_isa(), ranks, 1);
    check_ranks(cpu_ops(detect_isa()), detect_isa(), ranks, ranks);
  }
}

}  // namespace
}  // namespace tessera
