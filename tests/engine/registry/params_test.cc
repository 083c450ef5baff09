#include "engine/registry/params.h"

#include "engine/registry/registry.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

struct Sample {
  int64_t width = 4;
  double ratio = 0.5;
  bool eager = false;
  std::string mode = "slow";
  template <class V>
  void visit(V& v) {
    v("width", width, between(1, 8), "how wide");
    v("ratio", ratio, between(0, 1), "how much");
    v("eager", eager, "whether at once");
    v("mode", mode, "how");
  }
};

TEST(Params, AbsentFieldsKeepTheirDefaults) {
  const auto params = parse_params<Sample>("sample", {});
  ASSERT_TRUE(params.ok());
  EXPECT_EQ(params->width, 4);
  EXPECT_EQ(params->ratio, 0.5);
}

TEST(Params, GivenFieldsAreAssignedAndIntegersWiden) {
  const auto params = parse_params<Sample>(
      "sample", {{"width", int64_t{8}}, {"ratio", int64_t{1}}, {"eager", true}, {"mode", "fast"}});
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->width, 8);
  EXPECT_EQ(params->ratio, 1.0);
  EXPECT_TRUE(params->eager);
  EXPECT_EQ(params->mode, "fast");
}

TEST(Params, ErrorsNameFieldAndBound) {
  EXPECT_THAT(parse_params<Sample>("sample", {{"width", int64_t{9}}}).status().ToString(),
              HasSubstr("sample.width is 9, must be in [1, 8]"));
  EXPECT_THAT(parse_params<Sample>("sample", {{"ratio", std::nan("")}}).status().ToString(),
              HasSubstr("sample.ratio"));
  EXPECT_THAT(parse_params<Sample>("sample", {{"width", 1.5}}).status().ToString(),
              HasSubstr("must be an integer"));
  EXPECT_THAT(parse_params<Sample>("sample", {{"widht", int64_t{1}}}).status().ToString(),
              HasSubstr("did you mean width?"));
  EXPECT_THAT(parse_params<Sample>("sample", {{"eager", int64_t{1}}}).status().ToString(),
              HasSubstr("true or false"));
}

enum class Pace : uint8_t { kSlow, kFast };

struct Choice {
  Pace pace = Pace::kSlow;
  template <class V>
  void visit(V& v) {
    v("pace", pace, OneOf{{"slow", "fast"}}, "how fast");
  }
};

TEST(Params, AnEnumerationIsChosenByName) {
  EXPECT_EQ(parse_params<Choice>("sample", {})->pace, Pace::kSlow);
  EXPECT_EQ(parse_params<Choice>("sample", {{"pace", "fast"}})->pace, Pace::kFast);
  EXPECT_THAT(parse_params<Choice>("sample", {{"pace", "quick"}}).status().ToString(),
              HasSubstr("sample.pace is \"quick\", must be one of slow, fast"));
  EXPECT_THAT(parse_params<Choice>("sample", {{"pace", true}}).status().ToString(),
              HasSubstr("sample.pace must be one of slow, fast"));
  const std::vector<ParamDoc> docs = describe_params<Choice>();
  EXPECT_EQ(docs[0].default_value, "slow");
  EXPECT_EQ(docs[0].bounds, "slow | fast");
}

class Shape {
 public:
  virtual ~Shape() = default;
  virtual int64_t area(int side) const = 0;
};
class Square final : public Shape {
 public:
  Square(const Sample& params, const int& scale) : scale_(params.width * scale) {}
  int64_t area(int side) const override { return scale_ * side * side; }

 private:
  int64_t scale_;
};

class Circle final : public Shape {
 public:
  static absl::StatusOr<std::unique_ptr<Shape>> make(const Sample& params, const int& scale) {
    if (scale < 1) return absl::InvalidArgumentError("no room");
    return std::unique_ptr<Shape>(new Circle(params.width));
  }
  int64_t area(int side) const override { return 3 * width_ * side; }

 private:
  explicit Circle(int64_t width) : width_(width) {}
  int64_t width_;
};

TEST(Registry, APlugMayRefuse) {
  Registry<Shape, int> shapes("shape");
  shapes.add<Circle, Sample>("circle");
  EXPECT_EQ((*shapes.make("circle", {}, 1))->area(1), 12);
  EXPECT_EQ(shapes.make("circle", {}, 0).status().message(), "no room");
}

TEST(Registry, MakesByNameAndListsWhatItKnows) {
  Registry<Shape, int> shapes("shape");
  shapes.add<Square, Sample>("square");
  const auto made = shapes.make("square", {{"width", int64_t{2}}}, 3);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ((*made)->area(2), 24);
  EXPECT_THAT(shapes.make("circle", {}, 1).status().ToString(), HasSubstr("known: square"));
  EXPECT_EQ(shapes.docs("square").size(), 4u);
}

}  // namespace
}  // namespace tessera
