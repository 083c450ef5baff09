// Which KV blocks hold the prefix of which tokens: a tree of entries, one per full page, found by
// (parent entry, the 16 token ids of the page) and compared token by token, so that a hash
// collision can never produce a hit. The root of a tree is a namespace: cache salt and every policy
// that changes KV. An entry names one block per group, or none where the group has freed it.
//
// It holds no uses of blocks; KvCache keeps it and the pools in step. Engine thread only.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "engine/cache/group_spec.h"

namespace tessera {

using EntryId = uint64_t;  // never reused
constexpr EntryId kNoEntry = 0;

class PrefixIndex {
 public:
  using Blocks = absl::InlinedVector<BlockId, 2>;  // by group
  using Tokens = absl::Span<const int32_t>;

  struct BlockOf {
    int group;
    BlockId block;
  };

  explicit PrefixIndex(int groups) : groups_(groups), entry_of_(groups) {}

  // The entry that stands for the empty prefix of the namespace; made when absent.
  EntryId root(std::string_view name_space);
  // The same, or kNoEntry.
  EntryId find_root(std::string_view name_space) const;
  // The entry of `page` (exactly kBlockTokens ids) after `parent`, or kNoEntry.
  EntryId find(EntryId parent, Tokens page) const;
  // REQUIRES: contains(parent); find(parent, page) == kNoEntry.
  EntryId insert(EntryId parent, Tokens page);
  bool contains(EntryId entry) const { return entries_.contains(entry); }
  // The entry of the page before; the root for the first page.
  EntryId parent(EntryId entry) const { return entries_.at(entry).key.parent; }

  BlockId block(EntryId entry, int group) const { return entries_.at(entry).blocks[group]; }
  // REQUIRES: the entry has no block in this group; the block belongs to no entry.
  void set_block(EntryId entry, int group, BlockId block);
  EntryId entry_of(int group, BlockId block) const;
  // Takes the block from its entry. Entries that name no block and have no children go.
  void clear_block(int group, BlockId block);
  // Removes the entry and everything below it; returns the blocks they named.
  std::vector<BlockOf> erase(EntryId entry);

  // Entries that stand for a page; roots are not counted.
  int64_t entries() const { return static_cast<int64_t>(keys_.size()); }
  // Every (entry, group, block), for recounting.
  std::vector<BlockOf> all_blocks() const;

 private:
  struct Key {
    EntryId parent = kNoEntry;
    std::array<int32_t, kBlockTokens> tokens{};
    friend bool operator==(const Key&, const Key&) = default;
    template <class H>
    friend H AbslHashValue(H h, const Key& key) {
      return H::combine(std::move(h), key.parent, key.tokens);
    }
  };
  struct Entry {
    Key key;                         // of a root: parent kNoEntry
    std::string name_space;          // of a root
    Blocks blocks;                   // by group
    EntryId first_child = kNoEntry;  // siblings form a list
    EntryId previous = kNoEntry, next = kNoEntry;
  };
  static Key key_of(EntryId parent, Tokens page);
  void unlink(EntryId id);
  void drop_if_empty(EntryId id);

  int groups_;
  EntryId last_id_ = kNoEntry;
  absl::flat_hash_map<EntryId, Entry> entries_;
  absl::flat_hash_map<Key, EntryId> keys_;
  std::map<std::string, EntryId, std::less<>> roots_;
  std::vector<absl::flat_hash_map<BlockId, EntryId>> entry_of_;  // by group
};

}  // namespace tessera
