// The recount must notice: each test breaks one thing in a sound image.
#include "engine/schedule/recount.h"

#include <gtest/gtest.h>

#include "engine/schedule/ledger_rig.h"

namespace tessera {
namespace {

class Recount : public testing::Test {
 protected:
  // One sequence that decodes, one whose prompt is under way, one that waits.
  Recount() : rig_({.cache = {.groups = {GroupSpec{}, {.window_tokens = 20}}, .blocks = {9, 9}}}) {
    rig_.limits.tokens_per_step = 50;
    rig_.limits.seqs_max = 2;
    rig_.admit(1, some_tokens(40), 9);
    rig_.admit(2, some_tokens(40, 90), 9);
    rig_.admit(3, some_tokens(40, 500), 9);
    rig_.step();
    step_ = rig_.launch();
    image_ = rig_.ledger.image();
    EXPECT_TRUE(recount(image_).empty());
  }
  bool noticed() const { return !recount(image_).empty(); }
  SequenceImage& running() { return image_.sequences[0]; }
  SequenceImage& waiting() { return image_.sequences[2]; }

  LedgerRig rig_;
  Reservation step_;
  LedgerImage image_;
};

TEST_F(Recount, ALeakedUse) {
  ++image_.groups[0].blocks[running().tables[0][0]].uses;
  EXPECT_TRUE(noticed());
}

TEST_F(Recount, ALostUse) {
  running().tables[0].push_back(running().tables[0][0]);
  EXPECT_TRUE(noticed());
}

TEST_F(Recount, AWrongCounter) {
  --image_.groups[1].free;
  EXPECT_TRUE(noticed());
}

TEST_F(Recount, APublishedBlockNobodyNames) {
  image_.groups[0].indexed.pop_back();
  EXPECT_TRUE(noticed());
}

TEST_F(Recount, ABlockOfTwoEntries) {
  image_.groups[0].indexed.push_back(image_.groups[0].indexed[0]);
  EXPECT_TRUE(noticed());
}

TEST_F(Recount, CommittedBeyondAllocated) {
  running().committed_len = running().allocated_len + 1;
  EXPECT_TRUE(noticed());
}

TEST_F(Recount, APageTooMany) {
  const auto free = std::find_if(image_.groups[0].blocks.begin(), image_.groups[0].blocks.end(),
                                 [](const BlockImage& b) { return b.uses == 0 && !b.published; });
  free->uses = 1;
  --image_.groups[0].free;
  running().tables[0].push_back(static_cast<BlockId>(free - image_.groups[0].blocks.begin()));
  EXPECT_TRUE(noticed());
}

TEST_F(Recount, APageFreedTooEarly) {
  BlockId& page = running().tables[1].back();
  image_.groups[1].blocks[page].uses = 0;
  ++image_.groups[1].free;
  page = kNoBlock;
  EXPECT_TRUE(noticed());
}

TEST_F(Recount, APageOutsideItsWindowThatIsKept) {
  running().tables[1][0] = running().tables[1].back();
  ++image_.groups[1].blocks[running().tables[1].back()].uses;
  EXPECT_TRUE(noticed());
}

TEST_F(Recount, ASharedPageThatIsWritten) {
  image_.groups[0].pending_drops.push_back(running().tables[0].back());
  ++image_.groups[0].blocks[running().tables[0].back()].uses;
  EXPECT_TRUE(noticed());
}

TEST_F(Recount, AWrongCountInFlight) {
  ++running().in_flight;
  EXPECT_TRUE(noticed());
}

TEST_F(Recount, AnEndedSequenceThatStays) {
  running().state = SequenceState::kRetiring;
  running().in_flight = running().steps = 0;
  EXPECT_TRUE(noticed());
}

TEST_F(Recount, AWaitingSequenceThatHoldsMemory) {
  waiting().allocated_len = 1;
  EXPECT_TRUE(noticed());
}

TEST_F(Recount, TooManyTokens) {
  running().max_tokens_total = running().tokens - 1;
  EXPECT_TRUE(noticed());
}

TEST_F(Recount, RowsOfTokensThatDoNotExist) {
  running().expected_tokens = running().next_position - 1;
  EXPECT_TRUE(noticed());
}

TEST(RecountSlots, TwoOwners) {
  LedgerRig rig({.cache = {}, .prefix_caching = false, .state_slots = 2});
  rig.admit(1, some_tokens(4), 9);
  rig.admit(2, some_tokens(4), 9);
  rig.step();
  LedgerImage image = rig.ledger.image();
  EXPECT_TRUE(recount(image).empty());
  image.sequences[0].slots.current = image.sequences[1].slots.current;
  EXPECT_FALSE(recount(image).empty());
  image = rig.ledger.image();
  image.slots_free = 1;
  EXPECT_FALSE(recount(image).empty());
}

TEST(RecountSlots, SlotsOfDraftsThatAreDecided) {
  LedgerRig rig({.cache = {}, .prefix_caching = false, .state_slots = 4});
  rig.admit(1, some_tokens(4), 9);
  rig.step();
  rig.ledger.want_rows(1, 3);
  const Reservation verify = rig.launch();
  LedgerImage image = rig.ledger.image();
  EXPECT_EQ(image.sequences[0].slots.drafts.size(), 2u);
  EXPECT_TRUE(recount(image).empty());
  image.sequences[0].drafts_in_flight = false;
  EXPECT_FALSE(recount(image).empty());
  rig.collect(verify);
}

}  // namespace
}  // namespace tessera
