// The half of KvCache that deals with the prefix index.
#include <algorithm>

#include "engine/cache/kv_cache.h"
#include "kernels/core/check.h"

namespace tessera {
namespace {

// Entries per block. Pages that left a window keep their entry, without a block, for the sake of
// the pages after them; a 128k context with a 4k window needs 32.
constexpr int64_t kEntriesPerBlockMax = 64;

// For one group: which prefix lengths (in pages) of a chain it can serve.
class GroupReach {
 public:
  GroupReach(const PrefixIndex& index, const std::vector<EntryId>& chain, int group,
             const GroupSpec& spec, int64_t end)
      : spec_(spec), end_(end), last_missing_(chain.size() + 1, -1) {
    const int64_t pages = static_cast<int64_t>(chain.size());
    first_staying_missing_ = pages;
    for (int64_t page = 0; page < pages; ++page) {
      const bool missing = index.block(chain[page], group) == kNoBlock;
      last_missing_[page + 1] = missing ? page : last_missing_[page];
      if (missing && spec.page_stays(page)) {
        first_staying_missing_ = std::min(first_staying_missing_, page);
      }
    }
  }

  bool serves(int64_t pages) const {
    const int64_t first_query = pages * kBlockTokens;
    if (first_query >= end_) return true;
    if (first_staying_missing_ < pages) return false;
    // Of the missing pages the last one leaves a window last.
    const int64_t missing = last_missing_[pages];
    return missing < 0 || !spec_.page_needed(missing, first_query);
  }

 private:
  const GroupSpec& spec_;
  int64_t end_, first_staying_missing_;
  std::vector<int64_t> last_missing_;  // by prefix length
};

}  // namespace

PrefixHit KvCache::find_prefix(std::string_view name_space, absl::Span<const int32_t> tokens,
                               int64_t pages_max, absl::Span<const int64_t> ends) const {
  PrefixHit hit;
  hit.held_blocks.assign(pools_.size(), 0);
  hit.revived_blocks.assign(pools_.size(), 0);
  pages_max = std::min(pages_max, static_cast<int64_t>(tokens.size()) / kBlockTokens);
  EntryId entry = index_.find_root(name_space);
  for (int64_t page = 0; page < pages_max && entry != kNoEntry; ++page) {
    entry = index_.find(entry, tokens.subspan(page * kBlockTokens, kBlockTokens));
    if (entry != kNoEntry) hit.entries.push_back(entry);
  }
  std::vector<GroupReach> reaches;
  for (int group = 0; group < groups(); ++group) {
    reaches.emplace_back(index_, hit.entries, group, spec(group), ends[group]);
  }
  hit.pages = static_cast<int64_t>(hit.entries.size());
  while (hit.pages > 0 &&
         !std::all_of(reaches.begin(), reaches.end(),
                      [&](const GroupReach& reach) { return reach.serves(hit.pages); })) {
    --hit.pages;
  }
  hit.entries.resize(hit.pages);
  for (int group = 0; group < groups(); ++group) {
    for (int64_t page = 0; page < hit.pages; ++page) {
      const BlockId block = hit_block(hit, group, page, ends[group]);
      if (block == kNoBlock) continue;
      ++hit.held_blocks[group];
      hit.revived_blocks[group] += pools_[group].uses(block) == 0 ? 1 : 0;
    }
  }
  return hit;
}

BlockId KvCache::hit_block(const PrefixHit& hit, int group, int64_t page, int64_t end) const {
  const int64_t first_query = hit.pages * kBlockTokens;
  if (first_query >= end || !spec(group).page_needed(page, first_query)) return kNoBlock;
  return index_.block(hit.entries[page], group);
}

BlockTables KvCache::take_prefix(const PrefixHit& hit, absl::Span<const int64_t> ends) {
  BlockTables tables = empty_tables();
  for (int group = 0; group < groups(); ++group) {
    for (int64_t page = 0; page < hit.pages; ++page) {
      const BlockId block = hit_block(hit, group, page, ends[group]);
      tables[group].blocks.push_back(block);
      if (block == kNoBlock) continue;
      pools_[group].share(block);
      ++tables[group].live;
    }
  }
  return tables;
}

EntryId KvCache::publish(std::string_view name_space, EntryId parent,
                         absl::Span<const int32_t> page_tokens, int64_t page, BlockTables& tables,
                         std::vector<PrefixIndex::BlockOf>& dropped) {
  if (page == 0) parent = index_.find_root(name_space);
  EntryId entry = index_.contains(parent) ? index_.find(parent, page_tokens) : kNoEntry;
  if (entry == kNoEntry) {
    if (index_.entries() >= kEntriesPerBlockMax * blocks_total()) return kNoEntry;
    if (page == 0) parent = index_.root(name_space);
    if (!index_.contains(parent)) return kNoEntry;
    entry = index_.insert(parent, page_tokens);
  }
  for (int group = 0; group < groups(); ++group) {
    BlockTable& table = tables[group];
    const BlockId own = page < table.pages() ? table.blocks[page] : kNoBlock;
    const BlockId known = index_.block(entry, group);
    if (own == kNoBlock || own == known) continue;
    if (known == kNoBlock) {
      index_.set_block(entry, group, own);
      pools_[group].publish(own);
    } else {
      pools_[group].share(known);
      table.blocks[page] = known;
      dropped.push_back({group, own});
    }
  }
  return entry;
}

}  // namespace tessera
