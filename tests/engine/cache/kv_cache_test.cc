#include "engine/cache/kv_cache.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <vector>

namespace tessera {
namespace {

using Ends = std::vector<int64_t>;

std::vector<int32_t> counting_tokens(int64_t count, int32_t first = 0) {
  std::vector<int32_t> tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

// Publishes every full page of `tokens`, as one sequence does that computed them.
EntryId publish_all(KvCache& cache, absl::Span<const int32_t> tokens, BlockTables& tables) {
  std::vector<PrefixIndex::BlockOf> dropped;
  EntryId entry = kNoEntry;
  for (int64_t page = 0; (page + 1) * kBlockTokens <= static_cast<int64_t>(tokens.size()); ++page) {
    entry = cache.publish("", entry, tokens.subspan(page * kBlockTokens, kBlockTokens), page,
                          tables, dropped);
  }
  for (const PrefixIndex::BlockOf& use : dropped) cache.drop(use);
  return entry;
}

TEST(KvCache, SlotsFollowTheBlockTable) {
  const std::vector<BlockId> table = {7, kNoBlock, 2};
  EXPECT_EQ(kv_slot(table, 3), 7 * 16 + 3);
  EXPECT_EQ(kv_slot(table, 20), -1);
  EXPECT_EQ(kv_slot(table, 47), 2 * 16 + 15);
  EXPECT_EQ(kv_slot(table, 48), -1);
}

TEST(KvCache, GrowsAllOrNothing) {
  KvCache cache({.groups = {GroupSpec{}}, .blocks = {3}});
  BlockTables tables = cache.empty_tables();
  EXPECT_FALSE(cache.grow(0, tables[0], 4));
  EXPECT_EQ(tables[0].pages(), 0);
  EXPECT_TRUE(cache.grow(0, tables[0], 3));
  EXPECT_EQ(cache.available(0), 0);
  cache.trim(0, tables[0], 1);
  EXPECT_EQ(cache.available(0), 2);
  EXPECT_EQ(cache.blocks_held(), 1);
  cache.release(tables);
  EXPECT_EQ(cache.available(0), cache.blocks_total());
}

TEST(KvCache, FindsThePrefixThatWasPublishedAndSharesItsBlocks) {
  KvCache cache({.groups = {GroupSpec{}}, .blocks = {8}});
  std::vector<int32_t> tokens = counting_tokens(40);
  BlockTables first = cache.empty_tables();
  ASSERT_TRUE(cache.grow(0, first[0], 3));
  publish_all(cache, tokens, first);

  const Ends ends = {kNoEnd};
  PrefixHit hit = cache.find_prefix("", tokens, 9, ends);
  EXPECT_EQ(hit.pages, 2);
  EXPECT_EQ(hit.revived_blocks[0], 0);
  EXPECT_EQ(cache.find_prefix("", tokens, 1, ends).pages, 1);
  EXPECT_EQ(cache.find_prefix("salt", tokens, 9, ends).pages, 0);
  tokens[20] = 999;
  EXPECT_EQ(cache.find_prefix("", tokens, 9, ends).pages, 1);
  tokens[20] = 20;

  BlockTables second = cache.take_prefix(hit, ends);
  EXPECT_EQ(second[0].blocks[1], first[0].blocks[1]);
  EXPECT_TRUE(cache.copy_needed(0, second[0], 1));
  cache.release(first);
  cache.release(second);
  EXPECT_EQ(cache.pool(0).cached(), 2);
  hit = cache.find_prefix("", tokens, 9, ends);
  EXPECT_EQ(hit.revived_blocks[0], 2);
}

TEST(KvCache, EvictsTheLeastRecentlyUsedLeafFirst) {
  KvCache cache({.groups = {GroupSpec{}}, .blocks = {4}});
  const std::vector<int32_t> old_tokens = counting_tokens(32),
                             new_tokens = counting_tokens(32, 500);
  for (const auto& tokens : {old_tokens, new_tokens}) {
    BlockTables tables = cache.empty_tables();
    ASSERT_TRUE(cache.grow(0, tables[0], 2));
    publish_all(cache, tokens, tables);
    cache.release(tables);
  }
  const Ends ends = {kNoEnd};
  BlockTables grown = cache.empty_tables();
  ASSERT_TRUE(cache.grow(0, grown[0], 1));
  EXPECT_EQ(cache.find_prefix("", old_tokens, 9, ends).pages, 1);  // its last page went
  EXPECT_EQ(cache.find_prefix("", new_tokens, 9, ends).pages, 2);
  ASSERT_TRUE(cache.grow(0, grown[0], 3));
  EXPECT_EQ(cache.find_prefix("", old_tokens, 9, ends).pages, 0);
  EXPECT_EQ(cache.find_prefix("", new_tokens, 9, ends).pages, 1);
}

TEST(KvCache, TheSecondPublisherOfAPageTakesTheFirstOnesBlock) {
  KvCache cache({.groups = {GroupSpec{}}, .blocks = {4}});
  const std::vector<int32_t> tokens = counting_tokens(16);
  BlockTables first = cache.empty_tables(), second = cache.empty_tables();
  ASSERT_TRUE(cache.grow(0, first[0], 1) && cache.grow(0, second[0], 1));
  const BlockId own = second[0].blocks[0];
  publish_all(cache, tokens, first);
  std::vector<PrefixIndex::BlockOf> dropped;
  cache.publish("", kNoEntry, tokens, 0, second, dropped);
  EXPECT_EQ(second[0].blocks[0], first[0].blocks[0]);
  ASSERT_EQ(dropped.size(), 1u);
  EXPECT_EQ(dropped[0].block, own);
  EXPECT_EQ(cache.pool(0).uses(own), 1);  // until whoever still reads it is done
  cache.drop(dropped[0]);
  EXPECT_EQ(cache.pool(0).uses(own), 0);
}

TEST(KvCache, AForkCopiesWhatItWrites) {
  KvCache cache({.groups = {GroupSpec{}}, .blocks = {8}});
  BlockTables parent = cache.empty_tables();
  ASSERT_TRUE(cache.grow(0, parent[0], 3));
  const Ends ends = {kNoEnd};
  BlockTables child = cache.fork(parent, 40, ends);
  EXPECT_EQ(child[0].blocks, parent[0].blocks);
  const auto copy = cache.make_own(0, child[0], 2);
  ASSERT_TRUE(copy.has_value());
  EXPECT_EQ(copy->from, parent[0].blocks[2]);
  EXPECT_EQ(copy->to, child[0].blocks[2]);
  EXPECT_FALSE(cache.make_own(0, child[0], 2).has_value());
  EXPECT_FALSE(cache.make_own(0, parent[0], 2).has_value());  // alone with it now
  cache.release(parent);
  cache.release(child);
  EXPECT_EQ(cache.available(0), 8);
}

TEST(KvCache, AWindowHitNeedsOnlyTheLastPages) {
  const GroupSpec window{.window_tokens = 32};
  KvCache cache({.groups = {GroupSpec{}, window}, .blocks = {20, 20}});
  const std::vector<int32_t> tokens = counting_tokens(160);
  BlockTables tables = cache.empty_tables();
  for (int group = 0; group < 2; ++group) ASSERT_TRUE(cache.grow(group, tables[group], 10));
  publish_all(cache, tokens, tables);
  cache.free_unseen(1, tables[1], 160);
  EXPECT_EQ(tables[1].live, 2);
  cache.release(tables);

  const Ends ends = {kNoEnd, kNoEnd};
  PrefixHit hit = cache.find_prefix("", tokens, 10, ends);
  EXPECT_EQ(hit.pages, 10);
  EXPECT_EQ(hit.held_blocks[0], 10);
  EXPECT_EQ(hit.held_blocks[1], 2);
  BlockTables taken = cache.take_prefix(hit, ends);
  EXPECT_EQ(taken[1].blocks[7], kNoBlock);
  EXPECT_NE(taken[1].blocks[8], kNoBlock);
  cache.release(taken);

  // The window group's cached blocks are evicted: a hit ends where its last pages are missing,
  // whatever the full group still has.
  BlockTables other = cache.empty_tables();
  ASSERT_TRUE(cache.grow(1, other[1], 20));
  EXPECT_EQ(cache.find_prefix("", tokens, 10, ends).pages, 0);
  EXPECT_EQ(cache.pool(0).cached(), 10);
}

TEST(KvCache, AHitNeedsItsSinks) {
  // Pages 0 and 1 of the second group were never published; only page 0 holds a sink.
  for (const int64_t sink_tokens : {0, 4}) {
    const GroupSpec window{.window_tokens = 16, .sink_tokens = sink_tokens};
    KvCache cache({.groups = {GroupSpec{}, window}, .blocks = {8, 8}});
    const std::vector<int32_t> tokens = counting_tokens(64);
    BlockTables tables = cache.empty_tables();
    ASSERT_TRUE(cache.grow(0, tables[0], 4));
    EntryId entry = publish_all(cache, absl::MakeConstSpan(tokens).first(32), tables);
    ASSERT_TRUE(cache.grow(1, tables[1], 4));
    std::vector<PrefixIndex::BlockOf> dropped;
    for (int64_t page = 2; page < 4; ++page) {
      entry = cache.publish("", entry, absl::MakeConstSpan(tokens).subspan(page * 16, 16), page,
                            tables, dropped);
    }
    const PrefixHit hit = cache.find_prefix("", tokens, 9, Ends{kNoEnd, kNoEnd});
    EXPECT_EQ(hit.pages, sink_tokens == 0 ? 4 : 0);
  }
}

TEST(KvCache, GroupsThatEndedAreNotNeededForAHitBeyondTheirEnd) {
  KvCache cache({.groups = {GroupSpec{}, GroupSpec{}}, .blocks = {4, 4}});
  const std::vector<int32_t> tokens = counting_tokens(32);
  BlockTables tables = cache.empty_tables();
  ASSERT_TRUE(cache.grow(0, tables[0], 2) && cache.grow(1, tables[1], 1));
  publish_all(cache, tokens, tables);
  EXPECT_EQ(cache.find_prefix("", tokens, 9, Ends{kNoEnd, kNoEnd}).pages, 1);
  const PrefixHit hit = cache.find_prefix("", tokens, 9, Ends{kNoEnd, 16});
  EXPECT_EQ(hit.pages, 2);
  EXPECT_EQ(hit.held_blocks[1], 0);
}

TEST(KvCache, PagesThatLeftTheirWindowDoNotFillTheIndexForEver) {
  const int64_t blocks = 4;
  KvCache cache({.groups = {GroupSpec{.window_tokens = 16}}, .blocks = {blocks}});
  BlockTables tables = cache.empty_tables();
  std::vector<PrefixIndex::BlockOf> dropped;
  EntryId entry = kNoEntry;
  int64_t page = 0;
  do {
    ASSERT_LT(page, 100000);
    ASSERT_TRUE(cache.grow(0, tables[0], page + 1));
    const std::vector<int32_t> tokens = counting_tokens(16, static_cast<int32_t>(16 * page));
    entry = cache.publish("", entry, tokens, page, tables, dropped);
    ++page;
    cache.free_unseen(0, tables[0], page * kBlockTokens);
  } while (entry != kNoEntry);
  EXPECT_LE(cache.index().entries(), 100 * blocks);
  EXPECT_GT(page, 10 * blocks);
}

// Random prefixes in two groups: a hit is right when every block it names holds the page of exactly
// these tokens, and a page written by somebody is never found under other tokens.
TEST(KvCache, HitsNeverNameABlockOfOtherTokens) {
  std::mt19937 random(23);
  const GroupSpec window{.window_tokens = 40, .sink_tokens = 3};
  KvCache cache({.groups = {GroupSpec{}, window}, .blocks = {24, 24}});
  const Ends ends = {kNoEnd, kNoEnd};
  std::vector<std::vector<std::vector<int32_t>>> content(2, std::vector<std::vector<int32_t>>(24));
  int64_t hits = 0;
  for (int round = 0; round < 3000; ++round) {
    std::vector<int32_t> tokens;
    const int64_t pages = 1 + random() % 7;
    for (int64_t page = 0; page < pages; ++page) tokens.resize(tokens.size() + 16, random() % 2);
    const PrefixHit hit = cache.find_prefix("", tokens, pages - 1, ends);
    BlockTables tables = cache.take_prefix(hit, ends);
    hits += hit.pages;
    EntryId entry = hit.pages > 0 ? hit.entries.back() : kNoEntry;
    std::vector<PrefixIndex::BlockOf> dropped;
    const auto prefix = [&](int64_t page) {
      return std::vector<int32_t>(tokens.begin(), tokens.begin() + (page + 1) * kBlockTokens);
    };
    for (int group = 0; group < 2; ++group) {
      for (int64_t page = 0; page < hit.pages; ++page) {
        const BlockId block = tables[group].blocks[page];
        const bool needed = cache.spec(group).page_needed(page, hit.pages * kBlockTokens);
        ASSERT_EQ(block != kNoBlock, needed);
        if (needed) {
          ASSERT_EQ(content[group][block], prefix(page));
        }
      }
    }
    for (int64_t page = hit.pages; page < pages; ++page) {
      for (int group = 0; group < 2; ++group) {
        ASSERT_TRUE(cache.grow(group, tables[group], page + 1));
        content[group][tables[group].blocks[page]] = prefix(page);
      }
      entry = cache.publish("", entry,
                            absl::MakeConstSpan(tokens).subspan(page * kBlockTokens, kBlockTokens),
                            page, tables, dropped);
      cache.free_unseen(1, tables[1], (page + 1) * kBlockTokens);
    }
    for (const PrefixIndex::BlockOf& use : dropped) cache.drop(use);
    cache.release(tables);
  }
  EXPECT_GT(hits, 1000);
  EXPECT_EQ(cache.blocks_held(), 0);
}

}  // namespace
}  // namespace tessera
