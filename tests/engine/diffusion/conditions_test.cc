// What requests may say their samples should be, and what is refused: texts, lists of prompts,
// embeddings, observations.
#include <cmath>

#include "engine/codecs/prompt_table.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/golden_engine.h"
#include "support/prompt_file.h"
#include "support/sigma.h"
#include "support/temporary_folder.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

using Condition = decltype(DiffusionRequest::condition);

DiffusionRequest request_of(const std::string& id, Condition condition) {
  DiffusionRequest request;
  request.id = id;
  request.condition = std::move(condition);
  request.seed = 5;
  request.steps = 4;
  request.latents_only = true;
  return request;
}

std::vector<float> answer(DiffusionEngine& engine, const std::string& id, Condition condition) {
  const auto job = submit_to(engine, request_of(id, std::move(condition)));
  EXPECT_TRUE(job->status().ok()) << job->status();
  return job->result().values.values;
}

std::string refusal(DiffusionEngine& engine, Condition condition) {
  const auto sink = std::make_shared<CollectedJob>();
  const absl::Status status = engine.submit(request_of("refused", std::move(condition)), sink);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(sink->ends(), 0);
  return status.ToString();
}

FloatArray rows(int64_t tokens, int64_t width, float value = 0.5f) {
  return {{tokens, width}, std::vector<float>(tokens * width, value)};
}

TEST(Conditions, EqualTextsGiveEqualBitsAndAnAbsentNegativeIsTheEmptyPrompt) {
  const auto engine = open_golden("pixart");
  const std::vector<float> first = answer(*engine, "1", PromptCondition{"a boat", ""});
  EXPECT_EQ(answer(*engine, "2", PromptCondition{"a boat", ""}), first);
  EXPECT_NE(answer(*engine, "3", PromptCondition{"a cat", ""}), first);
  EXPECT_NE(answer(*engine, "4", PromptCondition{"a boat", "a cat"}), first);
  // More prompts than are kept, asked for at once.
  std::vector<std::shared_ptr<CollectedJob>> jobs;
  for (size_t which = 0; which < EncodeWorker::kPromptsKept + 20; ++which) {
    const std::string id = "many " + std::to_string(which);
    jobs.push_back(submit_to(*engine, request_of(id, PromptCondition{id, "not " + id})));
  }
  for (const auto& job : jobs) EXPECT_TRUE(job->status().ok()) << job->status();
  EXPECT_EQ(answer(*engine, "5", PromptCondition{"a boat", ""}), first);
}

TEST(Conditions, ATextBecomesTheEmbeddingsOfItsFolder) {
  const auto engine = open_golden("pixart");
  const GoldenTensors golden(diffusion_folder("pixart") + "/golden.safetensors");
  const std::vector<char> text = golden.get<char>("prompt_0.text");
  const std::vector<float> want =
      answer(*engine, "text", PromptCondition{std::string(text.begin(), text.end()), ""});
  EmbeddingCondition given;
  given.prompt = golden_array(golden, "prompt_0.hidden");
  EXPECT_LT(worst_sigma(answer(*engine, "embeddings", given), want), 1e-4);
}

TEST(Conditions, PromptsTooLongAreRefusedByTheirBound) {
  const auto engine = open_golden("pixart");
  std::string long_text;
  for (int word = 0; word < 200; ++word) long_text += "a boat ";
  EXPECT_THAT(refusal(*engine, PromptCondition{long_text, ""}), HasSubstr("at most 120"));
  EXPECT_THAT(refusal(*engine, PromptCondition{"a", long_text}), HasSubstr("negative_prompt has"));
  EXPECT_THAT(refusal(*engine, PromptCondition{std::string(1 << 20, 'x'), ""}),
              HasSubstr("must have at most 65536"));
  answer(*engine, "no text", PromptCondition{std::string("\xff\xfe\0\xc0 a", 6), ""});
}

TEST(Conditions, PromptsCanBeCancelledWhileTheyAreEncoded) {
  const auto engine = open_golden("pixart");
  std::vector<std::shared_ptr<CollectedJob>> jobs;
  for (int which = 0; which < 30; ++which) {
    const std::string id = std::to_string(which);
    jobs.push_back(
        submit_to(*engine, request_of(id, PromptCondition{"prompt " + id, "not " + id})));
    if (which % 2 == 1) (void)engine->cancel(id);
  }
  for (const auto& job : jobs) {
    EXPECT_TRUE(job->status().ok() || absl::IsCancelled(job->status())) << job->status();
    EXPECT_EQ(job->ends(), 1);
  }
  engine->drain(Clock::now() + std::chrono::seconds(10));
  EXPECT_EQ(engine->load().job_bytes_used, 0);
}

TEST(Conditions, AListOfPromptsTakesThePlaceOfATextEncoder) {
  TemporaryFolder folder;
  std::filesystem::copy(diffusion_folder("latte"), folder.path(),
                        std::filesystem::copy_options::recursive);
  const GoldenTensors golden(diffusion_folder("latte") + "/golden.safetensors");
  const FloatArray prompt = golden_array(golden, "run_0.prompt");
  const FloatArray negative = golden_array(golden, "run_0.negative_prompt");
  write_prompt_file(folder.path() / PromptTable::kFileName,
                    {{"red circle", prompt.shape, prompt.values},
                     {PromptTable::kEmptyPrompt, negative.shape, negative.values}});
  DiffusionModelSettings settings;
  settings.path = folder.path().string();
  settings.dtype = "f32";
  settings.memory_bytes = int64_t{64} << 20;
  const auto engine = DiffusionEngine::create(settings, {}, nullptr);
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_TRUE((*engine)->model().has_text_encoder);
  EXPECT_THAT((*engine)->model().prompts, testing::ElementsAre("red circle"));
  DiffusionRequest request = golden_request(golden, "run_0.", 8);
  request.condition = PromptCondition{"red circle", ""};
  const auto job = submit_to(**engine, std::move(request));
  ASSERT_TRUE(job->status().ok()) << job->status();
  EXPECT_LT(worst_sigma(job->result().values.values, golden.get("run_0.latents_19")), 1e-3);
  EXPECT_THAT(refusal(**engine, PromptCondition{"blue horse", ""}), HasSubstr("knows 2 prompts"));
}

TEST(Conditions, EmbeddingsAreCheckedAgainstTheNetwork) {
  const auto engine = open_golden("sd3");
  const auto given = [](FloatArray prompt, FloatArray pooled) {
    EmbeddingCondition made;
    made.prompt = std::move(prompt);
    made.pooled = std::move(pooled);
    return made;
  };
  const FloatArray pooled = {{12}, std::vector<float>(12)};
  EXPECT_THAT(refusal(*engine, given(rows(3, 27), pooled)), HasSubstr("must be [tokens, 28]"));
  EXPECT_THAT(refusal(*engine, given(rows(590, 28), pooled)),
              HasSubstr("embeddings.prompt.shape[0] is 590, must be in [1, 589]"));
  EXPECT_THAT(refusal(*engine, given({{3, 28}, {1, 2}}, pooled)), HasSubstr("has 2 values"));
  EXPECT_THAT(refusal(*engine, given({{-3, 28}, {1, 2}}, pooled)), HasSubstr("extent of -3"));
  EXPECT_THAT(refusal(*engine, given({}, pooled)), HasSubstr("embeddings.prompt has 0 values"));
  EXPECT_THAT(refusal(*engine, given(rows(3, 28, INFINITY), pooled)), HasSubstr("not finite"));
  EXPECT_THAT(refusal(*engine, given(rows(3, 28), rows(1, 11))),
              HasSubstr("embeddings.pooled must have 12 values"));
  EXPECT_THAT(refusal(*engine, given(rows(3, 28), {})), HasSubstr("embeddings.pooled has 0"));
  EmbeddingCondition negative = given(rows(3, 28), pooled);
  negative.negative_prompt = rows(3, 29);
  EXPECT_THAT(refusal(*engine, negative), HasSubstr("embeddings.negative_prompt must be"));
  EXPECT_THAT(refusal(*engine, PromptCondition{"a boat", ""}), HasSubstr("send embeddings"));
  EXPECT_THAT(refusal(*engine, ClassCondition{1}), HasSubstr("class_label"));
  EXPECT_THAT(refusal(*engine, ObservationCondition{rows(3, 28)}), HasSubstr("observations"));
  answer(*engine, "longest", given(rows(589, 28), pooled));
}

TEST(Conditions, ObservationsAreInTheUnitsOfTheDataAsActionsAre) {
  const auto engine = open_golden("policy");
  const GoldenTensors golden(diffusion_folder("policy") + "/golden.safetensors");
  DiffusionRequest request = golden_request(golden, "run_0.", 1);
  request.latents_only = false;
  const auto job = submit_to(*engine, std::move(request));
  ASSERT_TRUE(job->status().ok()) << job->status();
  const JobResult& result = job->result();
  EXPECT_THAT(result.values.shape, testing::ElementsAre(1, 7, 5));
  EXPECT_LT(worst_sigma(result.values.values, golden.get("run_0.actions")), 1e-3);
  const auto begin = result.values.values.begin() + result.first_action * 5;
  const std::vector<float> executed(begin, begin + result.action_count * 5);
  EXPECT_LT(worst_sigma(executed, golden.get("run_0.answer")), 1e-3);
  const DiffusionModelInfo& info = engine->model();
  EXPECT_EQ(info.conditioning, "observation");
  EXPECT_EQ(info.horizon, 7);
  EXPECT_EQ(info.first_action, 2);
  EXPECT_EQ(info.action_count, 4);
  EXPECT_EQ(info.default_steps, 100);

  EXPECT_THAT(refusal(*engine, ObservationCondition{rows(2, 6)}), HasSubstr("must be [3, 6]"));
  EXPECT_THAT(refusal(*engine, ObservationCondition{rows(3, 6, NAN)}), HasSubstr("not finite"));
  EXPECT_THAT(refusal(*engine, ObservationCondition{{{3, 6}, {1}}}), HasSubstr("has 1 values"));
  EXPECT_THAT(refusal(*engine, ObservationCondition{rows(3, 6, 3.4e38f)}), HasSubstr("normalised"));
  EXPECT_THAT(refusal(*engine, PromptCondition{"go", ""}), HasSubstr("prompt"));
  DiffusionRequest sized = golden_request(golden, "run_0.", 1);
  sized.width = 8;
  EXPECT_THAT(engine->submit(sized, std::make_shared<CollectedJob>()).ToString(),
              HasSubstr("makes no pictures"));
  DiffusionRequest guided = golden_request(golden, "run_0.", 1);
  guided.guidance_scale = 3;
  EXPECT_FALSE(engine->submit(guided, std::make_shared<CollectedJob>()).ok());
}

TEST(Conditions, FramesOfAVideoHaveBounds) {
  const auto engine = open_golden("latte");
  const GoldenTensors golden(diffusion_folder("latte") + "/golden.safetensors");
  const auto frames = [&](int64_t count) {
    DiffusionRequest request = golden_request(golden, "run_0.", 8);
    request.latents.reset();
    request.frames = count;
    return engine->submit(request, std::make_shared<CollectedJob>()).ToString();
  };
  EXPECT_THAT(frames(6), HasSubstr("frames is 6, must be in [1, 5]"));
  EXPECT_THAT(frames(0), HasSubstr("frames"));
  EXPECT_EQ(frames(1), "OK");
}

}  // namespace
}  // namespace tessera
