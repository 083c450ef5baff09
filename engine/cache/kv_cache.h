// The KV memory of one model as block ids: a pool per attention group, the prefix index over them,
// and what sequences do with both: grow, trim, let pages out of a window go, share a prefix, fork
// copy on write. No tensor is touched; page copies are reported for the device to do. Owned by the
// Ledger; engine thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "engine/cache/block_pool.h"
#include "engine/cache/group_spec.h"
#include "engine/cache/prefix_index.h"

namespace tessera {

// One sequence's pages in one group. `blocks[p]` holds positions [16 p, 16 p + 16), or kNoBlock
// where the group has freed the page.
struct BlockTable {
  std::vector<BlockId> blocks;
  int64_t live = 0;        // entries that are not kNoBlock
  int64_t window_low = 0;  // pages below it have been judged: freed, or staying
  int64_t pages() const { return static_cast<int64_t>(blocks.size()); }
};
using BlockTables = absl::InlinedVector<BlockTable, 2>;  // by group

// The KV slot of a position: block * 16 + offset; -1 where the table has no page for it.
int32_t kv_slot(absl::Span<const BlockId> table, int64_t position);

// A page the device copies before it writes any row of the step.
struct PageCopy {
  int group;
  BlockId from, to;
};

struct KvCacheShape {
  std::vector<GroupSpec> groups;
  std::vector<int64_t> blocks;  // pool size of each group
};

// The longest usable cached prefix of some tokens.
struct PrefixHit {
  int64_t pages = 0;
  std::vector<EntryId> entries;                    // one per page
  absl::InlinedVector<int64_t, 2> held_blocks;     // by group: blocks of the hit
  absl::InlinedVector<int64_t, 2> revived_blocks;  // by group: of these, nobody holds them now
};

class KvCache {
 public:
  explicit KvCache(KvCacheShape shape);

  int groups() const { return static_cast<int>(pools_.size()); }
  const GroupSpec& spec(int group) const { return shape_.groups[group]; }
  const BlockPool& pool(int group) const { return pools_[group]; }
  const PrefixIndex& index() const { return index_; }
  // Blocks that can be had now: free ones and cached ones that nobody uses.
  int64_t available(int group) const { return pools_[group].free() + pools_[group].cached(); }
  // Over all groups. Cached blocks that nobody uses are not held.
  int64_t blocks_held() const;
  int64_t blocks_total() const;
  BlockTables empty_tables() const { return BlockTables(pools_.size()); }

  // Appends pages until the table has `pages`; cached blocks are evicted, least recently used and
  // leaves first. False, and nothing changed, when blocks run out.
  bool grow(int group, BlockTable& table, int64_t pages);
  // The same for pages that are filled from elsewhere: only what query positions >= first_query can
  // see gets a block.
  bool grow_seen(int group, BlockTable& table, int64_t pages, int64_t first_query);
  // Gives back the pages from `pages` on.
  void trim(int group, BlockTable& table, int64_t pages);
  // Frees what no query position >= first_query can see.
  void free_unseen(int group, BlockTable& table, int64_t first_query);
  // Frees every page; the table keeps its length with kNoBlock entries.
  void free_group(int group, BlockTable& table);
  // Frees every page and empties the tables.
  void release(BlockTables& tables);

  // A second holder of the first `positions` positions, as far as queries from `positions` on can
  // see them. Positions at or beyond `ends[group]` are not stored in a group.
  BlockTables fork(const BlockTables& parent, int64_t positions, absl::Span<const int64_t> ends);
  // Whether a row written to this page needs a copy first: somebody else holds it, or the prefix
  // index names it.
  bool copy_needed(int group, const BlockTable& table, int64_t page) const;
  // Gives the table a page of its own when the page is shared. nullopt when it is already;
  // REQUIRES: available(group) > 0.
  std::optional<PageCopy> make_own(int group, BlockTable& table, int64_t page);

  // Longest prefix of `tokens`, at most `pages_max` pages, for which every group still has the
  // blocks that later queries see.
  PrefixHit find_prefix(std::string_view name_space, absl::Span<const int32_t> tokens,
                        int64_t pages_max, absl::Span<const int64_t> ends) const;
  // Tables that hold the hit. REQUIRES: nothing changed since find_prefix.
  BlockTables take_prefix(const PrefixHit& hit, absl::Span<const int64_t> ends);
  // Publishes page `page` of these tables in a namespace, after `parent`: the entry of the page
  // before, or kNoEntry for page 0. Where the index has the same page already, the table takes that
  // block over and the sequence's own is added to `dropped` with its use still counted: steps in
  // flight may read it. Returns the entry, or kNoEntry when `parent` has been evicted or the index
  // is full of pages that left their window.
  EntryId publish(std::string_view name_space, EntryId parent,
                  absl::Span<const int32_t> page_tokens, int64_t page, BlockTables& tables,
                  std::vector<PrefixIndex::BlockOf>& dropped);
  // Ends one use, of a block in `dropped`.
  void drop(PrefixIndex::BlockOf use);

 private:
  BlockId take(int group);
  void evict(int group);
  // The block that later queries see, or kNoBlock.
  BlockId hit_block(const PrefixHit& hit, int group, int64_t page, int64_t end) const;

  KvCacheShape shape_;
  std::vector<BlockPool> pools_;
  PrefixIndex index_;
};

}  // namespace tessera
