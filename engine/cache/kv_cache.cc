#include "engine/cache/kv_cache.h"

#include <algorithm>
#include <utility>

#include "kernels/core/check.h"

namespace tessera {

int32_t kv_slot(absl::Span<const BlockId> table, int64_t position) {
  const int64_t page = position / kBlockTokens;
  if (page >= static_cast<int64_t>(table.size()) || table[page] == kNoBlock) return -1;
  return static_cast<int32_t>(table[page] * kBlockTokens + position % kBlockTokens);
}

KvCache::KvCache(KvCacheShape shape)
    : shape_(std::move(shape)), index_(static_cast<int>(shape_.groups.size())) {
  CHECK_EQ(shape_.groups.size(), shape_.blocks.size());
  for (const int64_t blocks : shape_.blocks) pools_.emplace_back(blocks);
}

int64_t KvCache::blocks_held() const {
  int64_t held = 0;
  for (const BlockPool& pool : pools_) held += pool.held();
  return held;
}

int64_t KvCache::blocks_total() const {
  int64_t total = 0;
  for (const BlockPool& pool : pools_) total += pool.total();
  return total;
}

BlockId KvCache::take(int group) {
  if (pools_[group].free() == 0) evict(group);
  const BlockId block = pools_[group].take();
  CHECK_NE(block, kNoBlock);
  return block;
}

void KvCache::evict(int group) {
  const BlockId block = pools_[group].oldest_cached();
  CHECK_NE(block, kNoBlock);
  const EntryId entry = index_.entry_of(group, block);
  if (!spec(group).full()) {
    index_.clear_block(group, block);
    pools_[group].unpublish(block);
    return;
  }
  // Without its block in a full group neither the page nor anything after it can be hit again.
  // Tables are released from the last page, so that the oldest block is a leaf of the tree.
  for (const PrefixIndex::BlockOf& named : index_.erase(entry)) {
    pools_[named.group].unpublish(named.block);
  }
}

bool KvCache::grow(int group, BlockTable& table, int64_t pages) {
  return grow_seen(group, table, pages, 0);
}

bool KvCache::grow_seen(int group, BlockTable& table, int64_t pages, int64_t first_query) {
  int64_t wanted = 0;
  for (int64_t page = table.pages(); page < pages; ++page) {
    wanted += spec(group).page_needed(page, first_query) ? 1 : 0;
  }
  if (wanted > available(group)) return false;
  for (int64_t page = table.pages(); page < pages; ++page) {
    const bool seen = spec(group).page_needed(page, first_query);
    table.blocks.push_back(seen ? take(group) : kNoBlock);
    table.live += seen ? 1 : 0;
  }
  return true;
}

void KvCache::trim(int group, BlockTable& table, int64_t pages) {
  while (table.pages() > pages) {
    if (table.blocks.back() != kNoBlock) {
      pools_[group].release(table.blocks.back());
      --table.live;
    }
    table.blocks.pop_back();
  }
  table.window_low = std::min(table.window_low, table.pages());
}

void KvCache::free_unseen(int group, BlockTable& table, int64_t first_query) {
  const GroupSpec& rule = spec(group);
  if (rule.full()) return;
  // The window only moves on, so that each page is judged once.
  const int64_t window_first = (first_query - rule.window_tokens + 1) / kBlockTokens;
  const int64_t low_end = std::min(window_first, table.pages());
  for (; table.window_low < low_end; ++table.window_low) {
    BlockId& block = table.blocks[table.window_low];
    if (block == kNoBlock || rule.page_stays(table.window_low)) continue;
    pools_[group].release(block);
    block = kNoBlock;
    --table.live;
  }
}

void KvCache::free_group(int group, BlockTable& table) {
  if (table.live == 0) return;
  for (int64_t page = table.pages() - 1; page >= 0; --page) {
    if (table.blocks[page] == kNoBlock) continue;
    pools_[group].release(table.blocks[page]);
    table.blocks[page] = kNoBlock;
  }
  table.live = 0;
}

void KvCache::release(BlockTables& tables) {
  for (int group = 0; group < groups(); ++group) trim(group, tables[group], 0);
}

BlockTables KvCache::fork(const BlockTables& parent, int64_t positions,
                          absl::Span<const int64_t> ends) {
  BlockTables child = empty_tables();
  for (int group = 0; group < groups(); ++group) {
    const int64_t pages = pages_for(positions);
    CHECK_LE(pages, parent[group].pages());
    for (int64_t page = 0; page < pages; ++page) {
      BlockId block = parent[group].blocks[page];
      const bool needed = positions < ends[group] && spec(group).page_needed(page, positions);
      if (!needed) block = kNoBlock;
      CHECK_EQ(needed, block != kNoBlock);
      child[group].blocks.push_back(block);
      if (block == kNoBlock) continue;
      pools_[group].share(block);
      ++child[group].live;
    }
  }
  return child;
}

bool KvCache::copy_needed(int group, const BlockTable& table, int64_t page) const {
  if (page >= table.pages() || table.blocks[page] == kNoBlock) return false;
  const BlockId block = table.blocks[page];
  return pools_[group].uses(block) > 1 || pools_[group].published(block);
}

std::optional<PageCopy> KvCache::make_own(int group, BlockTable& table, int64_t page) {
  if (!copy_needed(group, table, page)) return std::nullopt;
  const PageCopy copy{.group = group, .from = table.blocks[page], .to = take(group)};
  table.blocks[page] = copy.to;
  pools_[group].release(copy.from);
  return copy;
}

void KvCache::drop(PrefixIndex::BlockOf use) { pools_[use.group].release(use.block); }

}  // namespace tessera
