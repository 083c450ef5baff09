// What a diffusion model's engine counts: jobs, steps, decisions of cache policies, memory. Series
// of a registry that others share; every one exists from the start, at zero.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/api/diffusion.h"

namespace prometheus {
class Registry;
}

namespace tessera {

class DiffusionMetrics final : public DiffusionObserver {
 public:
  // The served name, a label of every series. `registry` outlives this.
  DiffusionMetrics(const std::string& model_name, prometheus::Registry& registry);
  ~DiffusionMetrics() override;

  // What the model is, once it is loaded: labels of tessera_diffusion_model_info. Any thread, once.
  void describe(const DiffusionModelInfo& model);
  // Whose load the gauges show from now on, asked whenever they are read; nullptr = nobody's. After
  // the return the one before is not asked any more. Any thread.
  void follow(std::function<DiffusionLoad()> load);
  // Asks, before the registry is read. Any thread.
  void refresh();

  void on_denoise(const DenoiseReport& report) override;                            // engine
  void on_job_end(const JobTimings& timings, const std::string& outcome) override;  // thread

 private:
  struct Series;
  std::unique_ptr<Series> series_;
};

}  // namespace tessera
