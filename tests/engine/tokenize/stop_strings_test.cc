// Stop strings against a plain search, for random texts cut in random places.
#include "engine/tokenize/stop_strings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "engine/tokenize/utf8.h"

namespace tessera {
namespace {

struct Expected {
  std::optional<StopMatch> match;
  std::string released;
};

// The first stop string to be completed, of those the longest, by trying every place.
Expected plain_search(const std::vector<std::string>& stops, const std::string& text,
                      bool include) {
  for (size_t end = 1; end <= text.size(); ++end) {
    int best = -1;
    for (size_t index = 0; index < stops.size(); ++index) {
      const size_t length = stops[index].size();
      const bool ends_here = length <= end && text.compare(end - length, length, stops[index]) == 0;
      if (ends_here && (best < 0 || length > stops[best].size())) best = static_cast<int>(index);
    }
    if (best < 0) continue;
    const size_t begin = end - stops[best].size();
    return {StopMatch{best, begin, end}, text.substr(0, include ? end : begin)};
  }
  return {std::nullopt, text};
}

// Bytes at the end of the text that begin some stop string.
size_t held_back(const std::vector<std::string>& stops, const std::string& text) {
  size_t held = 0;
  for (const std::string& stop : stops) {
    for (size_t length = 1; length < stop.size() && length <= text.size(); ++length) {
      if (text.ends_with(stop.substr(0, length))) held = std::max(held, length);
    }
  }
  return held;
}

TEST(StopStringsTest, EqualsAPlainSearchHoweverTheTextIsCut) {
  std::mt19937_64 random(3);
  const auto word = [&](size_t longest) {
    std::string text;
    for (size_t left = 1 + random() % longest; left > 0; --left) text += "ab\xC3\xA9"[random() % 2];
    return text;
  };
  int matches = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::string> stops;
    for (size_t left = 1 + random() % 4; left > 0; --left) stops.push_back(word(6));
    const std::string text = word(24);
    const bool include = random() % 2 == 0;
    auto built = StopStrings::build(stops);
    ASSERT_TRUE(built.ok());
    const Expected expected = plain_search(stops, text, include);
    StopWatch watch(*built, include);
    std::string released;
    for (size_t at = 0; at < text.size();) {
      const size_t length = 1 + random() % 5;
      released += watch.append(text.substr(at, length));
      at = std::min(at + length, text.size());
      if (!watch.match()) {
        ASSERT_EQ(released.size(), at - held_back(stops, text.substr(0, at)));
      }
    }
    released += watch.flush();
    ASSERT_EQ(released, expected.released);
    ASSERT_EQ(watch.match().has_value(), expected.match.has_value());
    if (!expected.match) continue;
    ++matches;
    EXPECT_EQ(stops[watch.match()->index], stops[expected.match->index]);
    EXPECT_EQ(watch.match()->begin, expected.match->begin);
    EXPECT_EQ(watch.match()->end, expected.match->end);
  }
  EXPECT_GT(matches, 5000);
  EXPECT_LT(matches, 20000);
}

TEST(StopStringsTest, NothingComesOutAfterAMatch) {
  const auto stops = *StopStrings::build({"END"});
  StopWatch watch(stops, true);
  EXPECT_EQ(watch.append("one EN"), "one ");
  EXPECT_EQ(watch.append("D two"), "END");
  EXPECT_EQ(watch.append("three"), "");
  EXPECT_EQ(watch.flush(), "");
  EXPECT_EQ(watch.match()->begin, 4u);
}

TEST(StopStringsTest, ReleasesWholeCodePoints) {
  const auto stops = *StopStrings::build({"\xC3\xA9!"});
  StopWatch watch(stops, false);
  EXPECT_EQ(watch.append("a\xC3\xA9"), "a");
  EXPECT_EQ(watch.append("\xC3\xA9?"), "\xC3\xA9\xC3\xA9?");
}

TEST(StopStringsTest, NoStopStringsHoldNothingBack) {
  const auto stops = *StopStrings::build({});
  EXPECT_TRUE(stops.empty());
  StopWatch watch(stops, false);
  EXPECT_EQ(watch.append("text"), "text");
  EXPECT_EQ(watch.flush(), "");
}

TEST(StopStringsTest, RefusesEmptyAndBrokenStrings) {
  EXPECT_EQ(StopStrings::build({"a", ""}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(StopStrings::build({"\xC3"}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(StopStringsTest, EqualStringsCountUnderTheFirst) {
  const auto stops = *StopStrings::build({"x", "stop", "stop"});
  StopWatch watch(stops, false);
  watch.append("a stop");
  EXPECT_EQ(watch.match()->index, 1);
}

TEST(StopStringsTest, LongRunsThatNearlyMatch) {
  const std::string run(1000, 'a');
  const auto stops = *StopStrings::build({run + "b", run.substr(500) + "c"});
  StopWatch watch(stops, false);
  size_t released = 0;
  for (int part = 0; part < 1024; ++part) released += watch.append(std::string(1024, 'a')).size();
  EXPECT_EQ(released, (1u << 20) - 1000);
  EXPECT_EQ(watch.append("c").size(), 500u);
  EXPECT_EQ(watch.match()->begin, (1u << 20) - 500);
}

}  // namespace
}  // namespace tessera
