// What the daemon counts, under names that begin with tessera_: seconds, bytes and tokens. Listens
// to the engine; read by Prometheus through the endpoint. Every series exists from the start, at
// zero.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "engine/api/observer.h"

namespace prometheus {
class Collectable;
}

namespace tessera {

class Metrics final : public EngineObserver {
 public:
  // The served name, a label of every series.
  explicit Metrics(const std::string& model_name);
  ~Metrics() override;

  // Whose load the gauges show from now on, asked whenever they are read; nullptr = nobody's. After
  // the return the one before is not asked any more. Any thread.
  void follow(std::function<EngineLoad()> load);

  void on_memory(const MemoryReport& report) override;        // any thread
  void on_step(const StepReport& report) override;            // engine thread
  void on_request_end(const RequestReport& report) override;  // engine thread
  void on_refused(absl::StatusCode code);                     // any thread: no engine accepted it

  std::shared_ptr<prometheus::Collectable> collectable() const;
  std::string text() const;  // as Prometheus reads it

 private:
  struct Series;
  std::shared_ptr<Series> series_;
};

}  // namespace tessera
