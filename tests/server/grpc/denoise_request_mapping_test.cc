#include "server/grpc/denoise_request_mapping.h"

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/grpc/diffusion_server.h"
#include "server/grpc/field_error.h"

namespace tessera {
namespace {

using testing::ElementsAre;

void fill(v1::Tensor& tensor, std::vector<int64_t> shape, std::vector<float> values) {
  tensor.mutable_shape()->Add(shape.begin(), shape.end());
  tensor.mutable_values()->Add(values.begin(), values.end());
}

TEST(DenoiseRequestMapping, EveryFieldArrives) {
  v1::GenerateImageRequest wire;
  wire.set_request_id("id");
  wire.set_model("m");
  wire.set_class_label(7);
  wire.set_height(64);
  wire.set_width(32);
  wire.set_priority(-3);
  v1::Denoising& denoising = *wire.mutable_denoising();
  denoising.set_steps(20);
  denoising.set_solver("s");
  denoising.set_guidance_scale(2.5);
  denoising.set_eta(0.5);
  denoising.set_seed(std::numeric_limits<uint64_t>::max());
  denoising.set_samples(3);
  denoising.set_noise("torch_cpu");
  denoising.set_progress_ms(250);
  fill(*denoising.mutable_latents(), {1, 2}, {0.5f, -1.f});
  v1::PictureOutput& output = *wire.mutable_output();
  output.set_png(false);
  output.set_latents(true);
  output.set_preview_steps(5);
  output.set_trace(true);
  auto& params = *(*wire.mutable_policies())["p"].mutable_values();
  params["interval"].set_integer(2);
  params["scope"].set_text("all");
  const auto mapped = to_denoise_request(wire);
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  const DiffusionRequest& r = mapped->core;
  EXPECT_EQ(mapped->output.work, DiffusionWork::kImage);
  EXPECT_FALSE(mapped->output.png);
  EXPECT_EQ(r.id, "id");
  EXPECT_EQ(r.model, "m");
  EXPECT_EQ(std::get<ClassCondition>(r.condition).label, 7);
  EXPECT_EQ(r.height, 64);
  EXPECT_EQ(r.width, 32);
  EXPECT_EQ(r.priority, -3);
  EXPECT_EQ(r.steps, 20);
  EXPECT_EQ(r.solver, "s");
  EXPECT_EQ(r.guidance_scale, 2.5);
  EXPECT_EQ(r.eta, 0.5);
  EXPECT_EQ(r.seed, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(r.n, 3);
  EXPECT_EQ(r.noise, "torch_cpu");
  EXPECT_EQ(r.progress_interval, std::chrono::milliseconds(250));
  EXPECT_THAT(r.latents->shape, ElementsAre(1, 2));
  EXPECT_THAT(r.latents->values, ElementsAre(0.5f, -1.f));
  EXPECT_TRUE(r.latents_only);
  EXPECT_EQ(r.preview_steps, 5);
  EXPECT_TRUE(r.trace);
  const PolicyParams expected{{"interval", int64_t{2}}, {"scope", std::string("all")}};
  EXPECT_EQ(r.policies.at("p"), expected);
}

TEST(DenoiseRequestMapping, AbsentIsNeverZero) {
  v1::GenerateImageRequest wire;
  wire.set_class_label(0);
  const auto mapped = to_denoise_request(wire);
  ASSERT_TRUE(mapped.ok());
  const DiffusionRequest& r = mapped->core;
  EXPECT_TRUE(mapped->output.png);
  EXPECT_FALSE(r.height || r.width || r.frames || r.n || r.seed || r.noise || r.latents ||
               r.solver || r.steps || r.guidance_scale || r.eta);
  EXPECT_EQ(r.progress_interval, std::chrono::milliseconds(10));
  wire.mutable_denoising()->set_progress_ms(0);
  EXPECT_EQ(to_denoise_request(wire)->core.progress_interval, std::chrono::milliseconds(0));
  EXPECT_TRUE(r.policies.empty() && r.timesteps.empty() && r.sigmas.empty());
  EXPECT_FALSE(r.latents_only || r.trace || r.preview_steps != 0);
  wire.mutable_denoising()->set_guidance_scale(0);
  wire.mutable_denoising()->set_seed(0);
  EXPECT_EQ(to_denoise_request(wire)->core.guidance_scale, 0.0);
  EXPECT_EQ(to_denoise_request(wire)->core.seed, 0u);
}

TEST(DenoiseRequestMapping, PromptsAndEmbeddings) {
  v1::GenerateVideoRequest wire = video_request("r", "a ball");
  wire.mutable_prompt()->set_negative("a cube");
  wire.set_frames(8);
  auto mapped = to_denoise_request(wire);
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  EXPECT_EQ(mapped->output.work, DiffusionWork::kVideo);
  EXPECT_EQ(std::get<PromptCondition>(mapped->core.condition).negative_prompt, "a cube");
  EXPECT_EQ(mapped->core.frames, 8);
  v1::PromptEmbeddings& embeddings = *wire.mutable_embeddings();
  fill(*embeddings.mutable_prompt(), {2, 1}, {1.f, 2.f});
  const float pooled[] = {3.f, 4.f};
  embeddings.mutable_pooled()->add_shape(2);
  embeddings.mutable_pooled()->set_data(pooled, sizeof pooled);
  mapped = to_denoise_request(wire);
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  const auto& condition = std::get<EmbeddingCondition>(mapped->core.condition);
  EXPECT_THAT(condition.prompt.values, ElementsAre(1.f, 2.f));
  EXPECT_THAT(condition.pooled.values, ElementsAre(3.f, 4.f));
  EXPECT_TRUE(condition.negative_prompt.values.empty());
}

TEST(DenoiseRequestMapping, Observations) {
  const auto mapped = to_denoise_request(action_request("a"));
  ASSERT_TRUE(mapped.ok());
  EXPECT_EQ(mapped->output.work, DiffusionWork::kAction);
  EXPECT_THAT(std::get<ObservationCondition>(mapped->core.condition).observations.values,
              ElementsAre(0.25f, 0.5f));
}

struct Mistake {
  const char* field;  // that the error names
  std::function<void(v1::GenerateImageRequest&)> make;
};

TEST(DenoiseRequestMapping, MistakesNameTheirField) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const auto latents = [](v1::GenerateImageRequest& r) -> v1::Tensor& {
    return *r.mutable_denoising()->mutable_latents();
  };
  const std::vector<Mistake> mistakes = {
      {"condition", [](auto& r) { r.clear_condition(); }},
      {"prompt.text", [](auto& r) { r.mutable_prompt(); }},
      {"embeddings.prompt", [](auto& r) { r.mutable_embeddings(); }},
      {"request_id", [](auto& r) { r.set_request_id("two words"); }},
      {"request_id", [](auto& r) { r.set_request_id(std::string(129, 'x')); }},
      {"denoising.guidance_scale",
       [&](auto& r) { r.mutable_denoising()->set_guidance_scale(nan); }},
      {"denoising.eta", [&](auto& r) { r.mutable_denoising()->set_eta(infinity); }},
      {"denoising.timesteps[1]",
       [&](auto& r) {
         r.mutable_denoising()->add_timesteps(3);
         r.mutable_denoising()->add_timesteps(nan);
       }},
      {"denoising.sigmas[0]", [&](auto& r) { r.mutable_denoising()->add_sigmas(infinity); }},
      {"denoising.latents.shape", [&](auto& r) { latents(r).add_values(1); }},
      {"denoising.latents.shape",
       [&](auto& r) { fill(latents(r), std::vector<int64_t>(9, 1), {1.f}); }},
      {"denoising.latents.shape[1]",
       [&](auto& r) {
         fill(latents(r), {1, 0}, {});
       }},
      {"denoising.latents.shape[0]", [&](auto& r) { fill(latents(r), {-1}, {}); }},
      {"denoising.latents.shape[2]",
       [&](auto& r) {
         fill(latents(r), {1 << 20, 1 << 8, 1 << 20}, {1.f});
       }},
      {"denoising.latents.shape[0]",
       [&](auto& r) { fill(latents(r), {std::numeric_limits<int64_t>::max()}, {1.f}); }},
      {"denoising.latents.values", [&](auto& r) { fill(latents(r), {2}, {1.f}); }},
      {"denoising.latents.values[1]",
       [&](auto& r) {
         fill(latents(r), {2}, {1.f, nan});
       }},
      {"denoising.latents.data",
       [&](auto& r) {
         latents(r).add_shape(2);
         latents(r).set_data("1234567");
       }},
      {"denoising.latents.data[0]",
       [&](auto& r) {
         latents(r).add_shape(1);
         latents(r).set_data("\xff\xff\xff\x7f");
       }},
      {"denoising.latents",
       [&](auto& r) {
         fill(latents(r), {1}, {1.f});
         latents(r).set_data("1234");
       }},
      {"denoising.progress_ms", [](auto& r) { r.mutable_denoising()->set_progress_ms(-1); }},
      {"denoising.progress_ms", [](auto& r) { r.mutable_denoising()->set_progress_ms(60001); }},
      {"output.preview_steps", [](auto& r) { r.mutable_output()->set_preview_steps(-1); }},
      {"output.png",
       [](auto& r) {
         r.mutable_output()->set_png(true);
         r.mutable_output()->set_latents(true);
       }},
      {"policies[p].k",
       [&](auto& r) {
         (*(*r.mutable_policies())["p"].mutable_values())["k"].set_number(infinity);
       }},
      {"policies[p].k", [](auto& r) { (*(*r.mutable_policies())["p"].mutable_values())["k"]; }},
  };
  for (const Mistake& mistake : mistakes) {
    v1::GenerateImageRequest wire;
    wire.set_class_label(1);
    ASSERT_TRUE(to_denoise_request(wire).ok());
    mistake.make(wire);
    const absl::Status status = to_denoise_request(wire).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << mistake.field << status;
    EXPECT_EQ(field_of(status), mistake.field) << status;
  }
  v1::PredictActionRequest blind;
  EXPECT_EQ(field_of(to_denoise_request(blind).status()), "observations");
}

}  // namespace
}  // namespace tessera
