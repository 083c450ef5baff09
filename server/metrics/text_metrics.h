// What a language model's engine counts: requests, tokens, steps, memory. Series of a registry that
// others share; every one exists from the start, at zero.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/api/observer.h"

namespace prometheus {
class Registry;
}

namespace tessera {

class TextMetrics final : public EngineObserver {
 public:
  // The served name, a label of every series. `registry` outlives this.
  TextMetrics(const std::string& model_name, prometheus::Registry& registry);
  ~TextMetrics() override;

  // Whose load the gauges show from now on, asked whenever they are read; nullptr = nobody's. After
  // the return the one before is not asked any more. Any thread.
  void follow(std::function<EngineLoad()> load);
  // Asks, before the registry is read. Any thread.
  void refresh();

  void on_memory(const MemoryReport& report) override;        // any thread
  void on_step(const StepReport& report) override;            // engine thread
  void on_request_end(const RequestReport& report) override;  // engine thread

 private:
  struct Series;
  std::unique_ptr<Series> series_;
};

}  // namespace tessera
