#include "engine/cache/prefix_index.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace tessera {

PrefixIndex::Key PrefixIndex::key_of(EntryId parent, Tokens page) {
  CHECK_EQ(static_cast<int64_t>(page.size()), kBlockTokens);
  Key key{.parent = parent};
  std::copy(page.begin(), page.end(), key.tokens.begin());
  return key;
}

EntryId PrefixIndex::root(std::string_view name_space) {
  if (const EntryId known = find_root(name_space); known != kNoEntry) return known;
  const EntryId id = ++last_id_;
  roots_.emplace(name_space, id);
  Entry& entry = entries_[id];
  entry.name_space = std::string(name_space);
  entry.blocks.assign(groups_, kNoBlock);
  return id;
}

EntryId PrefixIndex::find_root(std::string_view name_space) const {
  const auto found = roots_.find(name_space);
  return found == roots_.end() ? kNoEntry : found->second;
}

EntryId PrefixIndex::find(EntryId parent, Tokens page) const {
  const auto found = keys_.find(key_of(parent, page));
  return found == keys_.end() ? kNoEntry : found->second;
}

EntryId PrefixIndex::insert(EntryId parent, Tokens page) {
  const EntryId id = ++last_id_;
  Entry entry;
  entry.key = key_of(parent, page);
  entry.blocks.assign(groups_, kNoBlock);
  CHECK(keys_.emplace(entry.key, id).second);
  Entry& above = entries_.at(parent);
  entry.next = above.first_child;
  above.first_child = id;
  if (entry.next != kNoEntry) entries_.at(entry.next).previous = id;
  entries_.emplace(id, std::move(entry));
  return id;
}

void PrefixIndex::set_block(EntryId entry, int group, BlockId block) {
  BlockId& place = entries_.at(entry).blocks[group];
  CHECK_EQ(place, kNoBlock);
  CHECK(entry_of_[group].emplace(block, entry).second);
  place = block;
}

EntryId PrefixIndex::entry_of(int group, BlockId block) const {
  const auto found = entry_of_[group].find(block);
  return found == entry_of_[group].end() ? kNoEntry : found->second;
}

void PrefixIndex::clear_block(int group, BlockId block) {
  const auto found = entry_of_[group].find(block);
  CHECK(found != entry_of_[group].end());
  const EntryId id = found->second;
  entries_.at(id).blocks[group] = kNoBlock;
  entry_of_[group].erase(found);
  drop_if_empty(id);
}

std::vector<PrefixIndex::BlockOf> PrefixIndex::erase(EntryId entry) {
  const EntryId above = entries_.at(entry).key.parent;
  unlink(entry);
  std::vector<BlockOf> named;
  std::vector<EntryId> pending = {entry};
  while (!pending.empty()) {
    const auto found = entries_.find(pending.back());
    pending.pop_back();
    const Entry& gone = found->second;
    for (EntryId child = gone.first_child; child != kNoEntry; child = entries_.at(child).next) {
      pending.push_back(child);
    }
    for (int group = 0; group < groups_; ++group) {
      if (gone.blocks[group] == kNoBlock) continue;
      named.push_back({group, gone.blocks[group]});
      entry_of_[group].erase(gone.blocks[group]);
    }
    keys_.erase(gone.key);
    entries_.erase(found);
  }
  drop_if_empty(above);
  return named;
}

void PrefixIndex::unlink(EntryId id) {
  const Entry& entry = entries_.at(id);
  if (entry.previous != kNoEntry) {
    entries_.at(entry.previous).next = entry.next;
  } else {
    entries_.at(entry.key.parent).first_child = entry.next;
  }
  if (entry.next != kNoEntry) entries_.at(entry.next).previous = entry.previous;
}

// An entry without blocks is kept only for the pages below it; the chain above may go with it.
void PrefixIndex::drop_if_empty(EntryId id) {
  while (id != kNoEntry) {
    const auto found = entries_.find(id);
    const Entry& entry = found->second;
    const bool named = std::any_of(entry.blocks.begin(), entry.blocks.end(),
                                   [](BlockId block) { return block != kNoBlock; });
    if (named || entry.first_child != kNoEntry) return;
    const EntryId above = entry.key.parent;
    if (above == kNoEntry) {
      roots_.erase(entry.name_space);
    } else {
      unlink(id);
      keys_.erase(entry.key);
    }
    entries_.erase(found);
    id = above;
  }
}

std::vector<PrefixIndex::BlockOf> PrefixIndex::all_blocks() const {
  std::vector<BlockOf> all;
  for (int group = 0; group < groups_; ++group) {
    for (const auto& [block, entry] : entry_of_[group]) all.push_back({group, block});
  }
  return all;
}

}  // namespace tessera
