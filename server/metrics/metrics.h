// What the daemon counts, under names that begin with tessera_: seconds, bytes and tokens. Made
// before the engines, to which it gives their observers; read by Prometheus through the endpoint.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "server/metrics/diffusion_metrics.h"
#include "server/metrics/text_metrics.h"

namespace prometheus {
class Collectable;
}

namespace tessera {

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // The observer of a model's engine, by the model's served name. REQUIRES: before the first
  // reading. Each lives as long as this.
  TextMetrics& add_text(const std::string& model_name);
  DiffusionMetrics& add_diffusion(const std::string& model_name);

  // The engines are about to go: from the return on none is asked for its load.
  void unfollow();

  // A request that no engine accepted; `model_name` is empty where it found no model. Any thread.
  void on_refused(const std::string& model_name, absl::StatusCode code);

  std::shared_ptr<prometheus::Collectable> collectable() const;
  std::string text() const;  // as Prometheus reads it

 private:
  struct All;
  std::shared_ptr<All> all_;
};

}  // namespace tessera
