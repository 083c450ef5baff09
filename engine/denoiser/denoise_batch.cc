#include <algorithm>
#include <map>
#include <set>

#include "engine/batch/array_layout.h"
#include "engine/denoiser/denoise_plan.h"

namespace tessera {
namespace {

constexpr int32_t kTokens = kKvBlockTokens;

int32_t pages_for(int32_t rows) { return (rows + kTokens - 1) / kTokens; }

bool computes(FeatureVerdict verdict) {
  return verdict == FeatureVerdict::kCompute || verdict == FeatureVerdict::kComputeAndKeep;
}

const SiteDecision& decision_at(const PlannedSegment& planned, size_t site) {
  static const SiteDecision kComputeAll{};
  return planned.sites.empty() ? kComputeAll : planned.sites[site];
}

// One row set under construction: its rows in the order the branch sees them.
struct RowOrder {
  bool natural = true;
  std::vector<int32_t> index;       // rows of the stream
  std::vector<int32_t> modulation;  // rows of the modulation
  std::vector<int32_t> slots;       // where K and V go
  std::vector<int32_t> positions;   // last visible key
  std::vector<AttentionSegment> segments;
  int32_t next_page = 0;

  void row(int32_t row, int32_t of_modulation, int32_t slot, int32_t last_key) {
    index.push_back(row);
    modulation.push_back(of_modulation);
    slots.push_back(slot);
    positions.push_back(last_key);
  }
  void meet(size_t first_row, int32_t page_begin) {
    segments.push_back({static_cast<int32_t>(first_row),
                        static_cast<int32_t>(index.size() - first_row), page_begin, -1, 0, 0});
  }
};

// Rows begin, begin + step, ... (`count` of them) meet each other in pages of their own.
void add_meeting(int32_t begin, int32_t step, int32_t count, bool causal, int32_t modulation,
                 RowOrder& order) {
  const size_t first = order.index.size();
  const int32_t page = order.next_page;
  for (int32_t at = 0; at < count; ++at) {
    order.row(begin + at * step, modulation, page * kTokens + at, causal ? at : count - 1);
  }
  order.meet(first, page);
  order.next_page += pages_for(count);
}

void add_joint(const DenoiseSegment& segment, bool context, RowOrder& order) {
  const size_t first = order.index.size();
  const int32_t page = order.next_page;
  const int32_t keys = segment.row_count + segment.context_count;
  const int32_t begin = context ? segment.context_begin : segment.row_begin;
  const int32_t count = context ? segment.context_count : segment.row_count;
  const int32_t first_key = context ? segment.row_count : 0;
  for (int32_t at = 0; at < count; ++at) {
    order.row(begin + at, segment.modulation, page * kTokens + first_key + at, keys - 1);
  }
  order.meet(first, page);
  order.next_page += pages_for(keys);
}

void add_condition_readers(const DenoiseSegment& segment, bool memory, RowOrder& order) {
  const size_t first = order.index.size();
  const int32_t last = segment.condition_keys - 1;
  for (int32_t at = 0; at < segment.row_count; ++at) {
    order.row(segment.row_begin + at, segment.modulation, -1,
              memory ? std::min(at + 1, last) : last);
  }
  order.meet(first, segment.condition_page);
}

void add_segment(const DenoiseSegment& segment, const DenoiserSite& site, RowOrder& order) {
  const int32_t frames = segment.shape.frames, per_frame = segment.row_count / frames;
  const int32_t begin = segment.row_begin, modulation = segment.modulation;
  switch (site.layout) {
    case RowLayout::kFlat: {
      const int32_t first = site.context ? segment.context_begin : begin;
      const int32_t count = site.context ? segment.context_count : segment.row_count;
      for (int32_t at = 0; at < count; ++at) order.row(first + at, modulation, -1, 0);
      break;
    }
    case RowLayout::kSpatial:
      for (int32_t frame = 0; frame < frames; ++frame) {
        add_meeting(begin + frame * per_frame, 1, per_frame, false, modulation, order);
      }
      break;
    case RowLayout::kTemporal:
      order.natural = false;
      for (int32_t patch = 0; patch < per_frame; ++patch) {
        add_meeting(begin + patch, per_frame, frames, false, modulation, order);
      }
      break;
    case RowLayout::kCausal:
      add_meeting(begin, 1, segment.row_count, true, modulation, order);
      break;
    case RowLayout::kCross:
    case RowLayout::kMemory:
      add_condition_readers(segment, site.layout == RowLayout::kMemory, order);
      break;
    case RowLayout::kJoint:
      add_joint(segment, site.context, order);
      break;
  }
}

// Lays out sets and features site by site; equal sets are laid out once.
class SiteLayout {
 public:
  SiteLayout(const DenoisePlan& plan, const DenoiseBatch& batch, int64_t pages_max,
             ArrayLayout& layout)
      : plan_(plan), batch_(batch), pages_max_(pages_max), layout_(layout) {}

  void add(size_t index, const DenoiserSite& site, DenoiseBatch& batch) {
    std::vector<bool> active;
    for (const PlannedSegment& planned : plan_.segments) {
      active.push_back(computes(decision_at(planned, index).verdict));
    }
    // Streams that meet do so in the pages of whoever computes, so none computes alone.
    if (site.layout == RowLayout::kJoint) {
      if (site.context) CHECK(active == joint_);
      joint_ = active;
    }
    if (std::none_of(active.begin(), active.end(), [](bool computing) { return computing; })) {
      batch.set_of_site.push_back(-1);
      batch.features.push_back(features(index, site, {}));
      return;
    }
    const auto [found, is_new] =
        known_.try_emplace({site.layout, site.context, active}, static_cast<int>(orders_.size()));
    if (is_new) {
      orders_.push_back(order_of(site, active));
      CHECK_LE(orders_.back().next_page, pages_max_);
      batch.row_sets.push_back(row_set(site, active, orders_.back()));
    }
    batch.set_of_site.push_back(found->second);
    batch.features.push_back(features(index, site, orders_[found->second].index));
  }

  // A range's features refer to rows of the stream on both ways.
  RangeSite range(const RangeDecision& range, bool context) {
    RangeSite site{range.first_block, range.last_block, {}};
    for (const FeatureVerdict verdict : {FeatureVerdict::kComputeAndKeep, FeatureVerdict::kReuse}) {
      FeatureRows rows;
      std::vector<int32_t> index, slots;
      for (size_t which = 0; which < plan_.segments.size(); ++which) {
        for (const RangeDecision& other : plan_.segments[which].ranges) {
          if (other.first_block != range.first_block || other.last_block != range.last_block ||
              other.verdict != verdict) {
            continue;
          }
          const DenoiseSegment& segment = batch_.segments[which];
          const int32_t first = context ? segment.context_begin : segment.row_begin;
          const int32_t count = context ? segment.context_count : segment.row_count;
          const int32_t skipped = context ? segment.row_count : 0;
          for (int32_t at = 0; at < count; ++at) {
            index.push_back(first + at);
            slots.push_back(slot_of(other.blocks, skipped + at));
          }
        }
      }
      if (index.empty()) continue;
      rows.rows = layout_.array(index);
      rows.slots = layout_.array(slots);
      (verdict == FeatureVerdict::kReuse ? site.features.reused : site.features.kept)
          .push_back(rows);
    }
    return site;
  }

 private:
  static int32_t slot_of(const std::vector<int32_t>& blocks, int32_t row) {
    return blocks[row / kFeatureBlockRows] * kFeatureBlockRows + row % kFeatureBlockRows;
  }

  RowOrder order_of(const DenoiserSite& site, const std::vector<bool>& active) const {
    RowOrder order;
    for (size_t which = 0; which < active.size(); ++which) {
      if (active[which]) add_segment(batch_.segments[which], site, order);
    }
    return order;
  }

  RowSet row_set(const DenoiserSite& site, const std::vector<bool>& active, const RowOrder& order) {
    RowSet set;
    set.all = order.natural &&
              std::all_of(active.begin(), active.end(), [](bool computing) { return computing; });
    set.rows = static_cast<int>(order.index.size());
    set.segments = static_cast<int>(order.segments.size());
    if (!set.all) set.index = layout_.array(order.index);
    set.modulation = layout_.array(order.modulation);
    if (site.layout != RowLayout::kFlat) {
      set.positions = layout_.array(order.positions);
      set.groups.push_back({layout_.array(order.slots), layout_.structs(order.segments)});
    }
    return set;
  }

  // `computing` are the stream's rows in the order of the branch's output.
  SiteFeatures features(size_t index, const DenoiserSite& site,
                        const std::vector<int32_t>& computing) {
    SiteFeatures all;
    if (!site.adds) return all;
    for (const bool gated : {false, true}) {
      std::vector<int32_t> from, kept_slots, kept_modulation, to, slots, modulation;
      std::vector<int32_t> output_row;  // by row of the stream: of the branch's output
      for (size_t which = 0; which < plan_.segments.size(); ++which) {
        const SiteDecision& decision = decision_at(plan_.segments[which], index);
        if (decision.blocks.empty() || decision.gated != gated) continue;
        const DenoiseSegment& segment = batch_.segments[which];
        const int32_t first = site.context ? segment.context_begin : segment.row_begin;
        const int32_t count = site.context ? segment.context_count : segment.row_count;
        const bool reuse = decision.verdict == FeatureVerdict::kReuse;
        if (!reuse && output_row.empty()) {
          output_row.assign(batch_.rows, -1);
          for (size_t row = 0; row < computing.size(); ++row) {
            output_row[computing[row]] = static_cast<int32_t>(row);
          }
        }
        for (int32_t at = 0; at < count; ++at) {
          (reuse ? to : from).push_back(reuse ? first + at : output_row[first + at]);
          (reuse ? slots : kept_slots).push_back(slot_of(decision.blocks, at));
          (reuse ? modulation : kept_modulation).push_back(segment.modulation);
        }
      }
      if (!from.empty()) {
        all.kept.push_back({layout_.array(from), layout_.array(kept_slots),
                            layout_.array(kept_modulation), gated});
      }
      if (!to.empty()) {
        all.reused.push_back(
            {layout_.array(to), layout_.array(slots), layout_.array(modulation), gated});
      }
    }
    return all;
  }

  const DenoisePlan& plan_;
  const DenoiseBatch& batch_;
  const int64_t pages_max_;
  ArrayLayout& layout_;
  std::vector<bool> joint_;  // who computes at the last joint site
  std::map<std::tuple<RowLayout, bool, std::vector<bool>>, int> known_;
  std::vector<RowOrder> orders_;
};

// Rows of the segments: image rows of all first, then context rows of all, counted from 0 again.
void place_rows(const DenoisePlan& plan, DenoiseBatch& batch) {
  int32_t row = 0, context = 0;
  for (const PlannedSegment& planned : plan.segments) {
    DenoiseSegment segment = planned.segment;
    segment.row_begin = row;
    segment.context_begin = context;
    row += segment.row_count;
    context += segment.context_count;
    batch.segments.push_back(segment);
  }
  batch.rows = row + context;
  batch.context_rows = context;
}

bool runs_first_block(const PlannedSegment& planned) {
  return std::none_of(planned.ranges.begin(), planned.ranges.end(), [](const RangeDecision& range) {
    return range.first_block == 0 && range.verdict == FeatureVerdict::kReuse;
  });
}

void lay_out_positions(const DenoisePlan& plan, ArrayLayout& layout, DenoiseBatch& batch) {
  std::vector<int32_t> a, b, late;
  for (const PlannedSegment& planned : plan.segments) {
    if (planned.positions == nullptr) continue;
    const PositionRows& rows = *planned.positions;
    a.insert(a.end(), rows.a.begin(), rows.a.end());
    b.insert(b.end(), rows.b.begin(), rows.b.end());
    if (runs_first_block(planned)) {
      late.insert(late.end(), rows.late.begin(), rows.late.end());
    } else {
      late.insert(late.end(), rows.late.size(), rows.no_late);
    }
  }
  batch.position_a = layout.array(a);
  batch.position_b = layout.array(b);
  batch.position_late = layout.array(late);
}

void lay_out_segments(const DenoisePlan& plan, ArrayLayout& layout, DenoiseBatch& batch) {
  std::vector<int32_t> modulation, context_modulation, rows, keys, pages, store;
  std::set<int32_t> first_pages;
  for (size_t which = 0; which < plan.segments.size(); ++which) {
    const PlannedSegment& planned = plan.segments[which];
    DenoiseSegment& segment = batch.segments[which];
    modulation.insert(modulation.end(), segment.row_count, segment.modulation);
    context_modulation.insert(context_modulation.end(), segment.context_count, segment.modulation);
    segment.condition_page = static_cast<int32_t>(pages.size());
    pages.insert(pages.end(), planned.condition_pages.begin(), planned.condition_pages.end());
    rows.push_back(segment.modulation);
    // Samples of a job share their condition's pages, and a first key needs to be written once.
    const bool mine =
        !planned.condition_pages.empty() && first_pages.insert(planned.condition_pages[0]).second;
    keys.push_back(mine ? planned.condition_pages[0] * kTokens : -1);
    for (int32_t at = 0; at < segment.context_count; ++at) {
      store.push_back(segment.context_store + at);
    }
  }
  modulation.insert(modulation.end(), context_modulation.begin(), context_modulation.end());
  batch.modulation = layout.array(modulation);
  batch.segment_modulation = layout.array(rows);
  batch.first_key_slots = layout.array(keys);
  batch.context_rows_in_store = layout.array(store);
  batch.condition_pages = layout.array(pages);
}

}  // namespace

int64_t DenoiseBatchLimits::pages_max() const {
  const int64_t meetings = rows_max / std::max(1, std::min(smallest_attention, kKvBlockTokens));
  return meetings + rows_max / kKvBlockTokens + segments_max + 1;
}

int64_t DenoiseBatchLimits::integers_max() const {
  constexpr int64_t kSegmentIntegers = sizeof(AttentionSegment) / sizeof(int32_t);
  const int64_t rows = rows_max;
  const int64_t meetings = rows / std::max(1, smallest_attention) + segments_max;
  const int64_t arrays_per_site = 6 + 12;
  const int64_t per_site = 4 * rows + meetings * kSegmentIntegers + 6 * rows +
                           arrays_per_site * ArrayLayout::kAlignIntegers;
  const int64_t condition_pages = segments_max * (condition_rows_max / kTokens + 1);
  const int64_t per_range = 8 * rows + 8 * ArrayLayout::kAlignIntegers;
  return sites * per_site + segments_max * per_range + 7 * rows + pages_max() + condition_pages +
         2 * segments_max + 16 * ArrayLayout::kAlignIntegers;
}

DenoiseBatch build_denoise_batch(const DenoisePlan& plan, const std::vector<DenoiserSite>& sites,
                                 const DenoiseBatchLimits& limits, const DenoiseMemory& memory,
                                 Stream& stream) {
  DenoiseBatch batch;
  place_rows(plan, batch);
  CHECK_LE(batch.rows, limits.rows_max);
  CHECK_LE(static_cast<int>(plan.segments.size()), limits.segments_max);
  ArrayLayout layout(memory.integers);
  lay_out_segments(plan, layout, batch);
  lay_out_positions(plan, layout, batch);
  SiteLayout by_site(plan, batch, limits.pages_max(), layout);
  for (size_t site = 0; site < sites.size(); ++site) by_site.add(site, sites[site], batch);
  std::map<std::pair<int, int>, bool> ranges;
  for (const PlannedSegment& planned : plan.segments) {
    for (const RangeDecision& range : planned.ranges) {
      if (!ranges.try_emplace({range.first_block, range.last_block}, true).second) continue;
      batch.ranges.push_back(by_site.range(range, false));
      if (batch.context_rows > 0) batch.context_ranges.push_back(by_site.range(range, true));
    }
  }
  std::vector<int32_t> pages(limits.pages_max());
  for (size_t page = 0; page < pages.size(); ++page) pages[page] = static_cast<int32_t>(page);
  batch.pages = layout.array(pages);
  layout.upload(stream);
  return batch;
}

}  // namespace tessera
