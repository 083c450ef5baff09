// A frontend on a free port of this machine with fake engines behind it: a language model ("fake"),
// and models of pictures ("pictures"), videos ("videos") and actions ("arm").
#pragma once

#include <string>
#include <vector>

#include "server/grpc/test_server.h"

namespace tessera {

inline DiffusionModelInfo model_info(const std::string& name, const std::string& conditioning,
                                     int64_t frames) {
  DiffusionModelInfo info;
  info.name = name;
  info.conditioning = conditioning;
  info.default_frames = frames;
  info.has_decoder = conditioning != "observation";
  return info;
}

class DiffusionServer {
 public:
  explicit DiffusionServer(ServerConfig config = test_config())
      : frontend(with_models(std::move(config)),
                 [this](const std::string& model, absl::StatusCode code) {
                   std::lock_guard lock(mutex_);
                   refused_.emplace_back(model, code);
                 }) {
    pictures.set_model(model_info("pictures", "class", 1));
    videos.set_model(model_info("videos", "prompt", 3));
    arm.set_model(model_info("arm", "observation", 1));
    const absl::Status status = frontend.start();
    EXPECT_TRUE(status.ok()) << status;
    frontend.open({.text = &text, .diffusion = {&pictures, &videos, &arm}});
  }
  ~DiffusionServer() {
    frontend.stop();
    for (FakeDiffusionEngine* engine : {&pictures, &videos, &arm})
      EXPECT_TRUE(engine->wait_until_idle()) << "the server left a request behind";
  }

  int port() const { return frontend.port(); }
  std::vector<std::pair<std::string, absl::StatusCode>> refused() {
    std::lock_guard lock(mutex_);
    return refused_;
  }

 private:
  // What lets requests carry tensors.
  static ServerConfig with_models(ServerConfig config) {
    config.diffusion_models.resize(3);
    return config;
  }

  std::mutex mutex_;
  std::vector<std::pair<std::string, absl::StatusCode>> refused_;

 public:
  FakeEngine text;
  FakeDiffusionEngine pictures, videos, arm;
  Frontend frontend;
};

inline v1::GenerateImageRequest image_request(const std::string& id, int64_t label = 3) {
  v1::GenerateImageRequest request;
  request.set_request_id(id);
  request.set_class_label(label);
  return request;
}

inline v1::GenerateVideoRequest video_request(const std::string& id, const std::string& prompt) {
  v1::GenerateVideoRequest request;
  request.set_request_id(id);
  request.mutable_prompt()->set_text(prompt);
  return request;
}

inline v1::PredictActionRequest action_request(const std::string& id) {
  v1::PredictActionRequest request;
  request.set_request_id(id);
  request.mutable_observations()->add_shape(1);
  request.mutable_observations()->add_shape(2);
  for (const float value : {0.25f, 0.5f}) request.mutable_observations()->add_values(value);
  return request;
}

// Two steps and a result of these values.
inline void give(FakeDiffusionEngine& engine, const DiffusionRequest& request,
                 std::vector<int64_t> shape) {
  engine.post(request.id, JobQueued{1});
  for (int32_t step : {1, 2}) engine.post(request.id, JobStep{step, 2, 500.0 / step});
  JobResult result;
  int64_t elements = 1;
  for (const int64_t extent : shape) elements *= extent;
  result.values.shape = std::move(shape);
  result.values.values.assign(elements, 0.5f);
  result.timings.queue_seconds = 0.5;
  engine.post(request.id, std::move(result));
}

}  // namespace tessera
