#include "engine/parallel/rank.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

ModelConfig config_of(int heads, int kv_heads, int ffn, int vocab) {
  ModelConfig config;
  config.heads = heads;
  config.kv_heads = kv_heads;
  config.ffn_width = ffn;
  config.vocab_size = vocab;
  return config;
}

TEST(Shard, RanksPartitionHeadsFfnAndVocabulary) {
  const ModelConfig config = config_of(8, 4, 96, 1003);
  for (int ranks : {1, 2, 4}) {
    int64_t heads = 0, kv = 0, ffn = 0, ids = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      const Shard shard = *shard_of(config, rank, ranks);
      EXPECT_EQ(shard.heads.begin, heads);
      EXPECT_EQ(shard.kv_heads.begin, kv);
      EXPECT_EQ(shard.vocabulary.begin, std::min<int64_t>(ids, config.vocab_size));
      heads = shard.heads.end;
      kv = shard.kv_heads.end;
      ffn += shard.ffn.size();
      ids = shard.vocabulary.end;
      EXPECT_LE(shard.vocabulary.size(), shard.vocabulary_columns);
    }
    EXPECT_EQ(heads, 8);
    EXPECT_EQ(kv, 4);
    EXPECT_EQ(ffn, 96);
    EXPECT_EQ(ids, 1003);
  }
}

TEST(Shard, RecurrentLayersAreDividedByChannel) {
  ModelConfig config = config_of(0, 0, 96, 64);
  config.state_width = 72;
  EXPECT_EQ(shard_of(config, 3, 4)->channels.begin, 54);
  EXPECT_EQ(shard_of(config, 3, 4)->channels.end, 72);
  EXPECT_EQ(shard_of(config, 3, 4)->kv_heads.size(), 0);
  config.state_width = 70;
  EXPECT_THAT(shard_of(config, 0, 4).status().ToString(),
              ::testing::HasSubstr("state channels (70) cannot be divided among 4 ranks"));
}

TEST(Shard, KvHeadsAreReplicatedBeyondTheirNumber) {
  const ModelConfig config = config_of(8, 2, 96, 64);
  EXPECT_EQ(shard_of(config, 0, 4)->kv_heads.begin, 0);
  EXPECT_EQ(shard_of(config, 1, 4)->kv_heads.begin, 0);
  EXPECT_EQ(shard_of(config, 2, 4)->kv_heads.begin, 1);
  EXPECT_EQ(shard_of(config, 3, 4)->kv_heads.size(), 1);
}

TEST(Shard, WhatCannotBeDividedIsNamed) {
  using ::testing::HasSubstr;
  EXPECT_THAT(shard_of(config_of(14, 2, 96, 64), 0, 4).status().ToString(),
              HasSubstr("attention heads (14) cannot be divided among 4 ranks"));
  EXPECT_THAT(shard_of(config_of(12, 3, 96, 64), 0, 2).status().ToString(),
              HasSubstr("KV heads (3)"));
  EXPECT_THAT(shard_of(config_of(8, 4, 97, 64), 0, 2).status().ToString(),
              HasSubstr("ffn width (97)"));
}

}  // namespace
}  // namespace tessera
