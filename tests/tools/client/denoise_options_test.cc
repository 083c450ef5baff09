#include "tools/client/denoise_options.h"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Arguments = std::vector<std::string>;

v1::GenerateImageRequest image(const Arguments& arguments, const std::string& input = "") {
  std::istringstream in(input);
  const auto options = parse_image(arguments, in);
  EXPECT_TRUE(options.ok()) << options.status();
  return options.ok() ? std::get<v1::GenerateImageRequest>(options->request)
                      : v1::GenerateImageRequest();
}

template <class Parse>
std::string error_of(Parse parse, const Arguments& arguments, const std::string& input = "") {
  std::istringstream in(input);
  return std::string(parse(arguments, in).status().message());
}

std::string written(const std::string& name, const std::string& text) {
  const std::string file = testing::TempDir() + "/denoise_options_" + name;
  std::ofstream(file) << text;
  return file;
}

TEST(DenoiseOptions, EveryOptionOfImage) {
  std::istringstream none;
  const auto options = parse_image({"a red ball",
                                    "--negative",
                                    "a cube",
                                    "--steps",
                                    "20",
                                    "--solver",
                                    "s",
                                    "--guidance",
                                    "2.5",
                                    "--eta",
                                    "0.5",
                                    "--seed",
                                    "18446744073709551615",
                                    "-n",
                                    "3",
                                    "--noise",
                                    "torch_cpu",
                                    "--height",
                                    "64",
                                    "--width=32",
                                    "--out",
                                    "ball-%d.png",
                                    "--raw",
                                    "--preview",
                                    "5",
                                    "--trace",
                                    "--policy",
                                    "p:interval=2,scope=all",
                                    "--model",
                                    "m",
                                    "--request-id",
                                    "r",
                                    "--priority",
                                    "-2",
                                    "--timeout",
                                    "9",
                                    "--address",
                                    "h:1",
                                    "--json",
                                    "--stats",
                                    "--quiet"},
                                   none);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->address, "h:1");
  EXPECT_EQ(options->timeout_seconds, 9);
  EXPECT_EQ(options->out, "ball-%d.png");
  EXPECT_EQ(options->samples, 3);
  EXPECT_TRUE(options->json && options->stats && options->quiet);
  const auto& r = std::get<v1::GenerateImageRequest>(options->request);
  EXPECT_EQ(r.prompt().text(), "a red ball");
  EXPECT_EQ(r.prompt().negative(), "a cube");
  EXPECT_EQ(r.height(), 64);
  EXPECT_EQ(r.width(), 32);
  EXPECT_EQ(r.priority(), -2);
  EXPECT_EQ(r.model(), "m");
  EXPECT_EQ(r.request_id(), "r");
  EXPECT_EQ(r.denoising().steps(), 20);
  EXPECT_EQ(r.denoising().solver(), "s");
  EXPECT_EQ(r.denoising().guidance_scale(), 2.5);
  EXPECT_EQ(r.denoising().eta(), 0.5);
  EXPECT_EQ(r.denoising().seed(), ~uint64_t{0});
  EXPECT_EQ(r.denoising().samples(), 3);
  EXPECT_EQ(r.denoising().noise(), "torch_cpu");
  EXPECT_TRUE(r.output().has_png() && !r.output().png());
  EXPECT_EQ(r.output().preview_steps(), 5);
  EXPECT_TRUE(r.output().trace());
  EXPECT_EQ(r.policies().at("p").values().at("interval").integer(), 2);
  EXPECT_EQ(r.policies().at("p").values().at("scope").text(), "all");
}

TEST(DenoiseOptions, NothingIsSetThatWasNotAskedFor) {
  const v1::GenerateImageRequest r = image({"--class", "0"});
  EXPECT_EQ(r.condition_case(), v1::GenerateImageRequest::kClassLabel);
  EXPECT_FALSE(r.has_request_id() || r.has_model() || r.has_height() || r.has_priority());
  EXPECT_EQ(r.denoising().ByteSizeLong(), 0u);
  EXPECT_EQ(r.output().ByteSizeLong(), 0u);
}

TEST(DenoiseOptions, ListsAndFiles) {
  const std::string latents = written("latents.json", "[[1, 2.5], [-3, 4]]");
  const std::string embeddings =
      written("embeddings.json", R"({"prompt": [[1, 2]], "negative_pooled": [3]})");
  const v1::GenerateImageRequest r =
      image({"--embeddings", embeddings, "--latents", latents, "--timesteps", "900,400.5,1"});
  EXPECT_THAT(r.denoising().timesteps(), ElementsAre(900, 400.5, 1));
  EXPECT_THAT(r.denoising().latents().shape(), ElementsAre(2, 2));
  EXPECT_THAT(r.denoising().latents().values(), ElementsAre(1, 2.5, -3, 4));
  EXPECT_THAT(r.embeddings().prompt().shape(), ElementsAre(1, 2));
  EXPECT_THAT(r.embeddings().negative_pooled().values(), ElementsAre(3));
  EXPECT_FALSE(r.embeddings().has_pooled());
}

TEST(DenoiseOptions, PromptFromStdin) {
  EXPECT_EQ(image({"-"}, "a ball\n").prompt().text(), "a ball\n");
}

TEST(DenoiseOptions, Video) {
  std::istringstream none;
  const auto options = parse_video({"a ball", "--frames", "8", "--sigmas", "1,0.5"}, none);
  ASSERT_TRUE(options.ok()) << options.status();
  const auto& r = std::get<v1::GenerateVideoRequest>(options->request);
  EXPECT_EQ(r.frames(), 8);
  EXPECT_THAT(r.denoising().sigmas(), ElementsAre(1, 0.5));
}

TEST(DenoiseOptions, ObservationsInlineFromFilesAndStdin) {
  const std::string text = "[[0.5, 1], [2, 3]]";
  const std::string file = written("observations.json", text);
  for (const std::string& given : {text, file, std::string("-")}) {
    std::istringstream in(text);
    const auto options = parse_act({given, "--steps", "8"}, in);
    ASSERT_TRUE(options.ok()) << options.status();
    const auto& r = std::get<v1::PredictActionRequest>(options->request);
    EXPECT_THAT(r.observations().shape(), ElementsAre(2, 2));
    EXPECT_THAT(r.observations().values(), ElementsAre(0.5, 1, 2, 3));
    EXPECT_EQ(r.denoising().steps(), 8);
  }
}

TEST(DenoiseOptions, MistakesOfPictures) {
  const auto error = [](const Arguments& arguments) { return error_of(parse_image, arguments); };
  EXPECT_THAT(error({}), HasSubstr("nothing to make"));
  EXPECT_THAT(error({"a", "b"}), HasSubstr("one prompt at a time; 'b'"));
  EXPECT_THAT(error({"a", "--class", "1"}), HasSubstr("either a prompt, or --class"));
  EXPECT_THAT(error({"--class", "1", "--negative", "x"}), HasSubstr("belongs to a prompt"));
  EXPECT_THAT(error({"--class", "one"}), HasSubstr("--class: expected a whole number"));
  EXPECT_THAT(error({"a", "--seed", "-1"}), HasSubstr("--seed: expected a whole number from 0"));
  EXPECT_THAT(error({"a", "--timesteps", "1,,2"}), HasSubstr("--timesteps: expected a number"));
  EXPECT_THAT(error({"a", "--policy", "p:x"}), HasSubstr("--policy: expected key=value"));
  EXPECT_THAT(error({"a", "--policy", ""}), HasSubstr("--policy"));
  EXPECT_THAT(error({"a", "--timeout", "0"}), HasSubstr("--timeout: expected a time above 0"));
  EXPECT_THAT(error({"a", "--priority", "3000000000"}), HasSubstr("--priority"));
  EXPECT_THAT(error({"a", "--frames", "3"}), HasSubstr("no option --frames"));
  EXPECT_THAT(error({"a", "--guidnce", "3"}), HasSubstr("did you mean --guidance"));
  EXPECT_THAT(error({"a", "--latents", "/no/such"}),
              HasSubstr("--latents: /no/such cannot be read"));
  const std::string file = written("bad.json", R"({"prompts": [1]})");
  EXPECT_THAT(error({"--embeddings", file}), HasSubstr("has 'prompts', which is not known"));
}

TEST(DenoiseOptions, MistakesOfObservations) {
  const auto error = [](const std::string& text) { return error_of(parse_act, {text}); };
  EXPECT_THAT(error_of(parse_act, {}), HasSubstr("give the observations"));
  EXPECT_THAT(error("[[1, 2], [3]]"), HasSubstr("different lengths"));
  EXPECT_THAT(error("[[1, 2], 3]"), HasSubstr("different lengths"));
  EXPECT_THAT(error("[1, [2]]"), HasSubstr("same depth"));
  EXPECT_THAT(error("[[\"a\"]]"), HasSubstr("numbers inside"));
  EXPECT_THAT(error("[[null]]"), HasSubstr("numbers inside"));
  EXPECT_THAT(error("[]"), HasSubstr("empty array"));
  EXPECT_THAT(error("[[1e300]]"), HasSubstr("does not fit 32 bits"));
  EXPECT_THAT(error("[[1"), HasSubstr("is not JSON"));
  EXPECT_THAT(error(std::string(100000, '[')), HasSubstr("nested more than"));
  EXPECT_THAT(error("/no/such.json"), HasSubstr("cannot be read"));
}

TEST(DenoiseOptions, HelpNamesEveryOption) {
  std::istringstream none;
  for (const char* option : {"--class", "--steps", "--policy", "--out", "--preview", "-n"})
    EXPECT_THAT(image_help(), HasSubstr(option));
  EXPECT_THAT(video_help(), HasSubstr("--frames"));
  EXPECT_THAT(act_help(), HasSubstr("OBSERVATIONS"));
  EXPECT_TRUE(parse_act({"--help"}, none)->help);
  EXPECT_TRUE(parse_image({"--help"}, none)->help);
}

}  // namespace
}  // namespace tessera
